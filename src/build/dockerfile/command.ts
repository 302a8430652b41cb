import { invalid, messageOf } from '../../base/errors.ts';
import { formatDuration, parseDuration } from '../../base/text/duration.ts';
import { goQuote } from '../../base/text/quote.ts';
import { type Common, commonOf, wordsOf } from './_arguments.ts';
import { type FlagValues, readFlags } from './_flags.ts';
import { DockerfileError } from './error.ts';
import type { Word } from './source.ts';
import type { Arguments, Statement } from './statement.ts';

/** What is run: words as they are, or a text for the shell ('' for none). */
export type CommandLine =
  | { readonly form: 'exec'; readonly words: readonly Word[] }
  | { readonly form: 'shell'; readonly text: string };

export interface CommandInstruction extends Common {
  readonly kind: 'cmd' | 'entrypoint';
  readonly command: CommandLine;
}

export interface ShellInstruction extends Common {
  readonly kind: 'shell';
  readonly words: readonly Word[];
}

export interface HealthcheckInstruction extends Common {
  readonly kind: 'healthcheck';
  /** As an image's configuration has it: `NONE`, `CMD` and words, `CMD-SHELL` and a text. */
  readonly test: readonly string[];
  /** Nanoseconds; 0 leaves it to the engine. */
  readonly interval: bigint;
  readonly timeout: bigint;
  readonly startPeriod: bigint;
  readonly startInterval: bigint;
  readonly retries: number;
}

export function commandLine(args: Arguments): CommandLine {
  if (args.form === 'json') return { form: 'exec', words: args.words };
  return { form: 'shell', text: args.form === 'text' ? args.text.text : '' };
}

export function readCommand(statement: Statement, kind: 'cmd' | 'entrypoint'): CommandInstruction {
  readFlags(statement, {});
  return { kind, ...commonOf(statement), command: commandLine(statement.args) };
}

export function readShell(statement: Statement): ShellInstruction {
  readFlags(statement, {});
  const { args } = statement;
  if (wordsOf(args).length === 0) {
    throw new DockerfileError('SHELL requires at least one argument', statement.keyword.range);
  }
  if (args.form === 'json') return { kind: 'shell', ...commonOf(statement), words: args.words };
  const problem = 'SHELL requires the arguments to be in JSON form';
  throw new DockerfileError(problem, wordsOf(args)[0]?.range ?? statement.range, {
    expected: '["program", "argument"]',
  });
}

const healthFlags = {
  interval: 'text',
  timeout: 'text',
  'start-period': 'text',
  'start-interval': 'text',
  retries: 'text',
} as const;

export function readHealthcheck(statement: Statement): HealthcheckInstruction {
  const { args, keyword } = statement;
  if (args.form !== 'typed') throw new DockerfileError('HEALTHCHECK requires at least one argument', keyword.range);
  const type = args.type.text.toUpperCase();
  const none = { interval: 0n, timeout: 0n, startPeriod: 0n, startInterval: 0n, retries: 0 };
  if (type === 'NONE') {
    const [extra] = wordsOf(args.command);
    if (extra !== undefined) throw new DockerfileError('HEALTHCHECK NONE takes no arguments', extra.range);
    return { kind: 'healthcheck', ...commonOf(statement), test: ['NONE'], ...none };
  }
  const flags = readFlags(statement, healthFlags);
  if (type !== 'CMD') {
    const problem = `Unknown type ${goQuote(type)} in HEALTHCHECK (try CMD)`;
    throw new DockerfileError(problem, args.type.range, { expected: 'CMD or NONE' });
  }
  const words = wordsOf(args.command).map(({ text }) => text);
  if (words.length === 0) throw new DockerfileError('Missing command after HEALTHCHECK CMD', args.type.range);
  const test = [args.command.form === 'json' ? 'CMD' : 'CMD-SHELL', ...words];
  return {
    kind: 'healthcheck',
    ...commonOf(statement),
    test,
    interval: intervalOf(flags, 'interval'),
    timeout: intervalOf(flags, 'timeout'),
    startPeriod: intervalOf(flags, 'start-period'),
    startInterval: intervalOf(flags, 'start-interval'),
    retries: retriesOf(flags),
  };
}

const leastInterval = 1_000_000n;

function intervalOf(flags: FlagValues, name: string): bigint {
  const flag = flags.text(name);
  if (flag === undefined || flag.text === '') return 0n;
  try {
    const interval = parseDuration(flag.text);
    if (interval === 0n || interval >= leastInterval) return interval;
    throw invalid(`Interval ${goQuote(name)} cannot be less than ${formatDuration(leastInterval)}`);
  } catch (error) {
    throw new DockerfileError(messageOf(error), flag.range, { expected: 'a duration as 30s or 1m30s' });
  }
}

function retriesOf(flags: FlagValues): number {
  const flag = flags.text('retries');
  if (flag === undefined || flag.text === '') return 0;
  const { text, range } = flag;
  const value = /^[+-]?[0-9]{1,12}$/.test(text) ? Number(text) : Number.NaN;
  const expected = { expected: 'a whole number, not negative' };
  if (Number.isNaN(value)) {
    throw new DockerfileError(`strconv.ParseInt: parsing ${goQuote(text)}: invalid syntax`, range, expected);
  }
  if (value > 2 ** 31 - 1) {
    throw new DockerfileError(`strconv.ParseInt: parsing ${goQuote(text)}: value out of range`, range, expected);
  }
  if (value < 0) throw new DockerfileError(`--retries cannot be negative (${value})`, range, expected);
  return value;
}
