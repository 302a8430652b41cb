import { type Common, commonOf, wordsOf } from './_arguments.ts';
import { type FlagKind, readFlags } from './_flags.ts';
import { DockerfileError } from './error.ts';
import { type Heredoc, heredocStart, withoutTabs } from './heredoc.ts';
import type { Word } from './source.ts';
import type { Statement } from './statement.ts';

/** What COPY and ADD have in common. Variables are not replaced yet. */
export interface Transfer extends Common {
  /** Paths and patterns, for ADD also addresses; files of heredocs are not among them. */
  readonly sources: readonly Word[];
  readonly files: readonly InlineFile[];
  readonly destination: Word;
  readonly chown: Word | undefined;
  readonly chmod: Word | undefined;
  readonly link: boolean;
  readonly exclude: readonly Word[];
}

/** A file whose text is in the Dockerfile. */
export interface InlineFile {
  readonly name: string;
  readonly content: string;
  readonly expands: boolean;
  readonly range: Word['range'];
}

export interface CopyInstruction extends Transfer {
  readonly kind: 'copy';
  /** A stage by name or number, an image or a named context. */
  readonly from: Word | undefined;
  readonly parents: boolean;
}

export interface AddInstruction extends Transfer {
  readonly kind: 'add';
  readonly checksum: Word | undefined;
  /** Undefined: what is the rule for the source. */
  readonly keepGitDir: boolean | undefined;
  readonly unpack: boolean | undefined;
}

const both = { chown: 'text', chmod: 'text', link: 'switch', exclude: 'list' } as const;
const copyFlags: Readonly<Record<string, FlagKind>> = { ...both, from: 'text', parents: 'switch' };
const addFlags: Readonly<Record<string, FlagKind>> = {
  ...both,
  checksum: 'text',
  'keep-git-dir': 'switch',
  unpack: 'switch',
};

export function readCopy(statement: Statement): CopyInstruction {
  const { transfer, flags } = readTransfer(statement, 'COPY', copyFlags);
  return { kind: 'copy', ...transfer, from: flags.text('from'), parents: flags.switch('parents') ?? false };
}

export function readAdd(statement: Statement): AddInstruction {
  const { transfer, flags } = readTransfer(statement, 'ADD', addFlags);
  return {
    kind: 'add',
    ...transfer,
    checksum: flags.text('checksum'),
    keepGitDir: flags.switch('keep-git-dir'),
    unpack: flags.switch('unpack'),
  };
}

function readTransfer(statement: Statement, name: string, known: Readonly<Record<string, FlagKind>>) {
  const words = wordsOf(statement.args);
  const destination = words.at(-1);
  if (destination === undefined || words.length < 2) {
    const problem = `${name} requires at least two arguments, but only one was provided. Destination could not be determined`;
    const place = destination?.range ?? statement.keyword.range;
    throw new DockerfileError(problem, place, { expected: `${name} SOURCE... DESTINATION` });
  }
  const flags = readFlags(statement, known);
  if (heredocStart(destination.text) !== undefined) {
    throw new DockerfileError(`${name} cannot accept a heredoc as a destination`, destination.range);
  }
  const sources = words.slice(0, -1);
  // Of two with one name the last one counts.
  const heredocs = new Map(statement.heredocs.map((heredoc) => [heredoc.name, heredoc]));
  const transfer: Transfer = {
    ...commonOf(statement),
    sources: sources.filter(({ text }) => heredocStart(text) === undefined),
    files: sources.flatMap((word) => inlineFile(heredocs, word) ?? []),
    destination,
    chown: flags.text('chown'),
    chmod: flags.text('chmod'),
    link: flags.switch('link') ?? false,
    exclude: flags.list('exclude'),
  };
  return { transfer, flags };
}

function inlineFile(heredocs: ReadonlyMap<string, Heredoc>, { text, range }: Word): InlineFile | undefined {
  const start = heredocStart(text);
  if (start === undefined) return undefined;
  const heredoc = heredocs.get(start.name);
  const content = heredoc?.content ?? '';
  return {
    name: start.name,
    content: start.stripTabs ? withoutTabs(content) : content,
    expands: start.expands,
    range: heredoc?.range ?? range,
  };
}
