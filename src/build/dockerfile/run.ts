import { messageOf } from '../../base/errors.ts';
import { goQuote } from '../../base/text/quote.ts';
import { type Common, commonOf } from './_arguments.ts';
import { type FlagValues, readFlags } from './_flags.ts';
import { type CommandLine, commandLine } from './command.ts';
import { type DeviceRequest, parseDeviceRequest } from './device.ts';
import { DockerfileError } from './error.ts';
import { type Heredoc, heredocStart, withoutTabs } from './heredoc.ts';
import { mountSource } from './mount.ts';
import type { Word } from './source.ts';
import type { Statement } from './statement.ts';

const networks = ['default', 'none', 'host'] as const;
export type RunNetwork = (typeof networks)[number];
const securities = ['sandbox', 'insecure'] as const;
export type RunSecurity = (typeof securities)[number];

export interface RunInstruction extends Common {
  readonly kind: 'run';
  readonly command: RunCommand;
  /** Values of `--mount`; variables are not replaced yet. `from` has none. */
  readonly mounts: readonly { readonly flag: Word; readonly from: string }[];
  readonly network: RunNetwork;
  readonly security: RunSecurity;
  readonly devices: readonly DeviceRequest[];
}

/** A heredoc alone is a script: it runs in the shell, or by itself when it begins with `#!`. */
export type RunCommand = CommandLine | { readonly form: 'script'; readonly name: string; readonly content: string };

export function readRun(statement: Statement): RunInstruction {
  const flags = readFlags(statement, {
    mount: 'list',
    network: 'text',
    security: 'text',
    device: 'list',
  });
  return {
    kind: 'run',
    ...commonOf(statement),
    command: runCommand(commandLine(statement.args), statement.heredocs),
    mounts: flags.list('mount').map((flag) => ({ flag, from: at(flag, mountSource) })),
    network: chosen(flags, 'network', networks, (value) => `invalid network mode ${goQuote(value)}`),
    security: chosen(flags, 'security', securities, (value) => `security ${goQuote(value)} is not valid`),
    devices: flags.list('device').map((flag) => at(flag, parseDeviceRequest)),
  };
}

function at<T>(flag: Word, read: (text: string) => T): T {
  try {
    return read(flag.text);
  } catch (error) {
    throw new DockerfileError(messageOf(error), flag.range);
  }
}

/** The first of `known` when the flag is not given. */
function chosen<T extends string>(
  flags: FlagValues,
  name: string,
  known: readonly [T, ...T[]],
  problem: (value: string) => string,
): T {
  const flag = flags.text(name);
  if (flag === undefined) return known[0];
  const value = known.find((one) => one === flag.text);
  if (value === undefined) throw new DockerfileError(problem(flag.text), flag.range, { expected: known.join(', ') });
  return value;
}

/** The text of a heredoc among other words is for the shell: it gets the instruction as it stands in the file. */
function runCommand(command: CommandLine, heredocs: readonly Heredoc[]): RunCommand {
  const [first] = heredocs;
  if (first === undefined || command.form === 'exec') return command;
  if (heredocStart(command.text) !== undefined) {
    const content = first.stripTabs ? withoutTabs(first.content) : first.content;
    return { form: 'script', name: first.name, content };
  }
  return { form: 'shell', text: command.text + heredocs.map(({ content, name }) => `\n${content}${name}`).join('') };
}
