import { type Common, commonOf, descriptionsIn, someWords, wordsOf } from './_arguments.ts';
import { readFlags } from './_flags.ts';
import { DockerfileError } from './error.ts';
import type { Word } from './source.ts';
import type { Statement } from './statement.ts';

/** Begins a stage. */
export interface FromInstruction extends Common {
  readonly kind: 'from';
  /** An image, a stage above, or `scratch`; variables are not replaced yet. */
  readonly base: Word;
  /** In lower case, which is how stages are found; '' for a stage without a name. */
  readonly name: string;
  /** The keyword `AS` and the name, as they are written. */
  readonly as: Word | undefined;
  readonly writtenName: Word | undefined;
  readonly platform: Word | undefined;
  readonly description: string;
}

export interface ArgInstruction extends Common {
  readonly kind: 'arg';
  readonly args: readonly Argument[];
}

export interface Argument {
  readonly name: string;
  /** With quotes and variables; undefined when there is no default. */
  readonly value: string | undefined;
  readonly range: Word['range'];
  readonly description: string;
}

export function readFrom(statement: Statement): FromInstruction {
  const words = wordsOf(statement.args);
  const [base, as, writtenName] = words;
  const isNamed = words.length === 3 && as?.text.toLowerCase() === 'as';
  if (base === undefined || (words.length !== 1 && !isNamed)) {
    const place = words[1]?.range ?? statement.keyword.range;
    throw new DockerfileError('FROM requires either one or three arguments', place, {
      expected: 'FROM IMAGE [AS NAME]',
    });
  }
  const name = writtenName?.text.toLowerCase() ?? '';
  if (writtenName !== undefined && !isStageName(name)) {
    const written = JSON.stringify(writtenName.text);
    const problem = `invalid name for build stage: ${written}, name can't start with a number or contain symbols`;
    throw new DockerfileError(problem, writtenName.range, { expected: 'letters, digits, -, _ and ., a letter first' });
  }
  const platform = readFlags(statement, { platform: 'text' }).text('platform');
  const description = (name === '' ? undefined : descriptionsIn(statement.comments).get(name)) ?? '';
  return { kind: 'from', ...commonOf(statement), base, name, as, writtenName, platform, description };
}

const isLetter = (code: number): boolean => code >= 0x61 && code <= 0x7a;

function isStageName(name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    const code = name.charCodeAt(at);
    const isLater = (code >= 0x30 && code <= 0x39) || code === 0x2d || code === 0x5f || code === 0x2e;
    if (!isLetter(code) && (at === 0 || !isLater)) return false;
  }
  return name !== '';
}

export function readArg(statement: Statement): ArgInstruction {
  const descriptions = descriptionsIn(statement.comments);
  const args = someWords(statement, 'ARG').map(({ text, range }): Argument => {
    const equals = text.indexOf('=');
    if (equals === 0)
      throw new DockerfileError('ARG names can not be blank', range, { expected: 'NAME or NAME=VALUE' });
    const name = equals < 0 ? text : text.slice(0, equals);
    const value = equals < 0 ? undefined : text.slice(equals + 1);
    return { name, value, range, description: descriptions.get(name) ?? '' };
  });
  return { kind: 'arg', ...commonOf(statement), args };
}
