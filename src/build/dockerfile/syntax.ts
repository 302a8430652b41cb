import { goQuote } from '../../base/text/quote.ts';
import type { Directive } from './directives.ts';
import { DockerfileError } from './error.ts';

/** Whose rules a file is written in. */
export interface Syntax {
  /** Instructions that Docker does not have are understood: UNSET. */
  readonly hasOwnInstructions: boolean;
}

const docker = /(^|\/)docker\/dockerfile(-upstream)?$/;
const own = /(^|\/)gantry\/dockerfile$/;

/**
 * Reads the `# syntax=` line. Docker's own rules are built in, whatever version of them is named and whatever mirror it
 * would come from, and Gantry's beside them; nothing is ever fetched, so that other ones cannot be followed.
 * @throws DockerfileError for the name of anything else
 */
export function syntaxOf(directives: readonly Directive[]): Syntax {
  const directive = directives.find(({ name }) => name === 'syntax');
  if (directive === undefined) return { hasOwnInstructions: false };
  const name = directive.value.split(' ', 1)[0] ?? '';
  const repository = repositoryOf(name);
  if (own.test(repository)) return { hasOwnInstructions: true };
  if (docker.test(repository)) return { hasOwnInstructions: false };
  throw new DockerfileError(`syntax ${goQuote(name)} is not built in, and no other is fetched`, directive.range, {
    expected: 'docker/dockerfile:1 or gantry/dockerfile:1',
  });
}

/** Without tag and digest. */
function repositoryOf(name: string): string {
  const withoutDigest = name.split('@', 1)[0] ?? '';
  const colon = withoutDigest.lastIndexOf(':');
  return colon > withoutDigest.lastIndexOf('/') ? withoutDigest.slice(0, colon) : withoutDigest;
}
