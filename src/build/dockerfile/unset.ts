import { type Common, commonOf, wordsOf } from './_arguments.ts';
import { readFlags } from './_flags.ts';
import { DockerfileError, withNearest } from './error.ts';
import type { Word } from './source.ts';
import type { Statement } from './statement.ts';

const kinds = ['env', 'label', 'expose', 'volume'] as const;
export type UnsetKind = (typeof kinds)[number];

/** `UNSET ENV NAME...`: takes out of the configuration what the base, or an instruction above, has put there. */
export interface UnsetInstruction extends Common {
  readonly kind: 'unset';
  readonly what: UnsetKind;
  readonly names: readonly Word[];
}

export function readUnset(statement: Statement): UnsetInstruction {
  readFlags(statement, {});
  const [first, ...names] = wordsOf(statement.args);
  const known = kinds.map((kind) => kind.toUpperCase());
  const expected = `UNSET ${known.join('|')} NAME...`;
  if (first === undefined || names.length === 0) {
    const range = (first ?? statement.keyword).range;
    throw new DockerfileError('UNSET requires at least two arguments', range, { expected });
  }
  const what = kinds.find((kind) => kind === first.text.toLowerCase());
  if (what !== undefined) return { kind: 'unset', ...commonOf(statement), what, names };
  const problem = withNearest(`UNSET does not know ${first.text}`, first.text.toUpperCase(), known);
  throw new DockerfileError(problem, first.range, { expected });
}
