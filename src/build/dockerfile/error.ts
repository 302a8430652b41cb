import { EngineError } from '../../base/errors.ts';
import { nearestName } from '../../base/text/nearest.ts';
import type { Range } from './source.ts';

/** A fault in a Dockerfile, at its place. The message is worded as BuildKit does, which clients print as it is. */
export class DockerfileError extends EngineError {
  /** The message without the words that say where. */
  readonly problem: string;
  readonly range: Range;
  /** What would be right at this place, when there is more to say than the message does. */
  readonly expected: string | undefined;

  constructor(problem: string, range: Range, options: { message?: string; expected?: string | undefined } = {}) {
    super('invalid', options.message ?? problem);
    this.name = 'DockerfileError';
    this.problem = problem;
    this.range = range;
    this.expected = options.expected;
  }
}

/** The same fault, worded as one in an instruction that begins at this line. */
export const inInstruction = (error: DockerfileError, line: number): DockerfileError =>
  new DockerfileError(error.problem, error.range, {
    message: `dockerfile parse error on line ${line}: ${error.problem}`,
    expected: error.expected,
  });

/** `problem`, and the known word that was probably meant: at most two letters differ. */
export function withNearest(problem: string, written: string, known: Iterable<string>): string {
  const nearest = nearestName(written, known, 2);
  return nearest === undefined || nearest === written ? problem : `${problem} (did you mean ${nearest}?)`;
}
