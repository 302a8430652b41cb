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

/** What a statement means. @throws DockerfileError */
export function readInstruction(statement: Statement): Instruction {
  const { text, range } = statement.keyword;
  const read = readers.get(text.toUpperCase());
  if (read !== undefined) return read(statement);
  const isLower = text === text.toLowerCase();
  const known = [...readers.keys()].map((name) => (isLower ? name.toLowerCase() : name));
  const nearest = withNearest(`unknown instruction: ${text}`, isLower ? text : text.toUpperCase(), known);
  throw new DockerfileError(nearest, range, { expected: 'an instruction' });
}
