import { messageOf } from '../base/errors.ts';
import { CliError } from './errors.ts';
import type { Session } from './session.ts';

/**
 * Does `work` for all names at once and prints each name on its own line, in the order given, as it succeeds.
 * `forgive` may take an error's message out of the way. @throws CliError with all other messages.
 */
export async function forEachName(
  session: Session,
  names: readonly string[],
  work: (name: string) => Promise<unknown>,
  forgive: (error: unknown) => boolean = () => false,
): Promise<number> {
  const results = names.map((name) =>
    work(name).then(
      () => undefined,
      (error: unknown) => ({ error }),
    ),
  );
  const messages: string[] = [];
  for (const [at, name] of names.entries()) {
    const failed = await results[at];
    if (failed === undefined) session.out(`${name}\n`);
    else if (forgive(failed.error)) session.err(`${messageOf(failed.error)}\n`);
    else messages.push(messageOf(failed.error));
  }
  if (messages.length > 0) throw new CliError(messages.join('\n'));
  return 0;
}
