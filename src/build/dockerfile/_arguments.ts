import { DockerfileError } from './error.ts';
import type { Word } from './source.ts';
import type { Arguments, Pair, Statement } from './statement.ts';

/** What all instructions have in common. */
export interface Common {
  /** As it is written, in its own case. */
  readonly keyword: Word;
  readonly source: string;
  readonly range: Statement['range'];
  readonly comments: readonly string[];
}

export const commonOf = ({ keyword, source, range, comments }: Statement): Common => ({
  keyword,
  source,
  range,
  comments,
});

/** All words of an instruction, whichever form it has; one for a text. */
export function wordsOf(args: Arguments): readonly Word[] {
  switch (args.form) {
    case 'none':
      return [];
    case 'json':
    case 'words':
      return args.words;
    case 'text':
      return [args.text];
    case 'pairs':
      return args.pairs.map(({ key }) => key);
    case 'typed':
      return [args.type, ...wordsOf(args.command)];
    case 'statement':
      return [args.statement.keyword, ...wordsOf(args.statement.args)];
  }
}

/** @throws DockerfileError without any */
export function someWords(statement: Statement, name: string): readonly Word[] {
  const words = wordsOf(statement.args);
  if (words.length > 0) return words;
  throw new DockerfileError(`${name} requires at least one argument`, statement.keyword.range);
}

/** @throws DockerfileError unless there is exactly one */
export function oneWord(statement: Statement, name: string): Word {
  const [word, ...more] = wordsOf(statement.args);
  if (word !== undefined && more.length === 0) return word;
  throw new DockerfileError(`${name} requires exactly one argument`, statement.keyword.range);
}

/** @throws DockerfileError without any, or for one without a name */
export function somePairs({ args, keyword }: Statement, name: string): readonly Pair[] {
  if (args.form !== 'pairs') throw new DockerfileError(`${name} requires at least one argument`, keyword.range);
  for (const { key } of args.pairs) {
    if (key.text === '') {
      throw new DockerfileError(`${name} names can not be blank`, key.range, { expected: 'name=value' });
    }
  }
  return args.pairs;
}

/** What the comments above say of names: by its first word, the rest of the first comment that begins with it. */
export function descriptionsIn(comments: readonly string[]): ReadonlyMap<string, string> {
  const descriptions = new Map<string, string>();
  for (const comment of comments) {
    const blank = comment.indexOf(' ');
    const name = comment.slice(0, Math.max(blank, 0));
    if (name !== '' && !descriptions.has(name)) descriptions.set(name, comment.slice(blank + 1));
  }
  return descriptions;
}
