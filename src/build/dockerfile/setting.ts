import { type Common, commonOf, oneWord, somePairs, someWords } from './_arguments.ts';
import { readFlags } from './_flags.ts';
import { DockerfileError } from './error.ts';
import type { Word } from './source.ts';
import type { Pair, Statement } from './statement.ts';
import { trimSpaces } from '../spaces.ts';

/** ENV and LABEL. */
export interface PairsInstruction extends Common {
  readonly kind: 'env' | 'label';
  readonly pairs: readonly Pair[];
}

/** Instructions with one word. */
export interface WordInstruction extends Common {
  readonly kind: 'user' | 'workdir' | 'stopsignal' | 'maintainer';
  readonly word: Word;
}

/** Instructions with several. */
export interface WordsInstruction extends Common {
  readonly kind: 'expose' | 'volume';
  readonly words: readonly Word[];
}

export function readPairsOf(statement: Statement, kind: PairsInstruction['kind']): PairsInstruction {
  readFlags(statement, {});
  return { kind, ...commonOf(statement), pairs: somePairs(statement, kind.toUpperCase()) };
}

export function readWord(statement: Statement, kind: WordInstruction['kind']): WordInstruction {
  const word = oneWord(statement, kind.toUpperCase());
  // STOPSIGNAL never looks at its flags: what stands there is no error.
  if (kind !== 'stopsignal') readFlags(statement, {});
  return { kind, ...commonOf(statement), word };
}

export function readExpose(statement: Statement): WordsInstruction {
  const words = someWords(statement, 'EXPOSE');
  readFlags(statement, {});
  return { kind: 'expose', ...commonOf(statement), words };
}

export function readVolume(statement: Statement): WordsInstruction {
  const words = someWords(statement, 'VOLUME').map(({ text, range }) => ({ text: trimSpaces(text), range }));
  readFlags(statement, {});
  const empty = words.find(({ text }) => text === '');
  if (empty !== undefined) throw new DockerfileError('VOLUME specified can not be an empty string', empty.range);
  return { kind: 'volume', ...commonOf(statement), words };
}
