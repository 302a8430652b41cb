import { messageOf } from '../../base/errors.ts';
import { parseReference, type Reference, withDefaultTag } from '../../spec/reference/reference.ts';
import { CliError } from '../errors.ts';
import type { Session } from '../session.ts';

/**
 * What a pull or push is about: with `all` the repository alone, else with the default tag, which is said, where none was
 * given. @throws CliError
 */
export function nameToTransfer(session: Session, text: string, wishes: { all: boolean; quiet: boolean }): Reference {
  const given = parseName(text);
  const isBare = given.tag === undefined && given.digest === undefined;
  if (wishes.all && !isBare) throw new CliError("tag can't be used with --all-tags/-a");
  if (wishes.all || !isBare) return given;
  const reference = withDefaultTag(given);
  if (!wishes.quiet) session.out(`Using default tag: ${reference.tag}\n`);
  return reference;
}

function parseName(text: string): Reference {
  try {
    return parseReference(text);
  } catch (error) {
    throw new CliError(messageOf(error));
  }
}
