import {
  type CommandInstruction,
  type HealthcheckInstruction,
  readCommand,
  readHealthcheck,
  readShell,
  type ShellInstruction,
} from './command.ts';
import { type AddInstruction, type CopyInstruction, readAdd, readCopy } from './copy.ts';
import { DockerfileError, withNearest } from './error.ts';
import { type ArgInstruction, type FromInstruction, readArg, readFrom } from './from.ts';
import { type OnbuildInstruction, readOnbuild } from './onbuild.ts';
import { readRun, type RunInstruction } from './run.ts';
import {
  type PairsInstruction,
  readExpose,
  readPairsOf,
  readVolume,
  readWord,
  type WordInstruction,
  type WordsInstruction,
} from './setting.ts';
import type { Statement } from './statement.ts';
import type { Syntax } from './syntax.ts';
import { readUnset, type UnsetInstruction } from './unset.ts';

/** What may stand in a stage. */
export type StageInstruction =
  | AddInstruction
  | ArgInstruction
  | CommandInstruction
  | CopyInstruction
  | HealthcheckInstruction
  | OnbuildInstruction
  | PairsInstruction
  | RunInstruction
  | ShellInstruction
  | UnsetInstruction
  | WordInstruction
  | WordsInstruction;

export type Instruction = FromInstruction | StageInstruction;

const readers = new Map<string, (statement: Statement) => Instruction>([
  ['ADD', readAdd],
  ['ARG', readArg],
  ['CMD', (statement) => readCommand(statement, 'cmd')],
  ['COPY', readCopy],
  ['ENTRYPOINT', (statement) => readCommand(statement, 'entrypoint')],
  ['ENV', (statement) => readPairsOf(statement, 'env')],
  ['EXPOSE', readExpose],
  ['FROM', readFrom],
  ['HEALTHCHECK', readHealthcheck],
  ['LABEL', (statement) => readPairsOf(statement, 'label')],
  ['MAINTAINER', (statement) => readWord(statement, 'maintainer')],
  ['ONBUILD', readOnbuild],
  ['RUN', readRun],
  ['SHELL', readShell],
  ['STOPSIGNAL', (statement) => readWord(statement, 'stopsignal')],
  ['USER', (statement) => readWord(statement, 'user')],
  ['VOLUME', readVolume],
  ['WORKDIR', (statement) => readWord(statement, 'workdir')],
]);

/** Instructions of Gantry's own syntax. */
const ownReaders = new Map<string, (statement: Statement) => Instruction>([['UNSET', readUnset]]);

/** What a statement means. @throws DockerfileError */
export function readInstruction(statement: Statement, syntax: Syntax): Instruction {
  const { text, range } = statement.keyword;
  const keyword = text.toUpperCase();
  const known = new Map(syntax.hasOwnInstructions ? [...readers, ...ownReaders] : readers);
  const read = known.get(keyword);
  if (read !== undefined) return read(statement);
  if (ownReaders.has(keyword)) {
    throw new DockerfileError(`unknown instruction: ${text}`, range, {
      expected: `an instruction of Docker's; ${keyword} needs a first line # syntax=gantry/dockerfile:1`,
    });
  }
  const isLower = text === text.toLowerCase();
  const names = [...known.keys()].map((name) => (isLower ? name.toLowerCase() : name));
  const nearest = withNearest(`unknown instruction: ${text}`, isLower ? text : keyword, names);
  throw new DockerfileError(nearest, range, { expected: 'an instruction' });
}
