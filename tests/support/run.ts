import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { patience } from './wait.ts';

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Bytes for stdin; without it stdin is /dev/null. */
  readonly input?: string | Uint8Array;
  /** Longest time in milliseconds, then the process is killed and the call fails. */
  readonly timeout?: number;
}

export interface RunResult {
  /** Exit code; 128 + signal when a signal ended the process. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The exit code as a shell shows it. */
export const shellCode = (code: number | null, signal: NodeJS.Signals | null): number =>
  code ?? 128 + (signal === null ? 0 : constants.signals[signal]);

/**
 * Runs a program to its end and resolves with what it said, whatever its exit code.
 * @throws Error when it cannot be started or takes longer than `timeout` (default two minutes).
 */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const spawnOptions: SpawnOptions = { stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] };
  if (options.env !== undefined) spawnOptions.env = { ...process.env, ...options.env };
  if (options.cwd !== undefined) spawnOptions.cwd = options.cwd;
  const child = spawn(program, args, spawnOptions);
  const output = collect(child);
  // A program may end without having read all of its input.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.input);
  const timeout = (options.timeout ?? 120_000) * patience;
  const timer = setTimeout(() => child.kill('SIGKILL'), timeout);
  const started = performance.now();
  const { code, signal } = await ended(child);
  clearTimeout(timer);
  const [stdout, stderr] = output();
  if (signal === 'SIGKILL' && performance.now() - started >= timeout) {
    throw new Error(`${program} ${args.join(' ')}: no end after ${timeout} ms\n${stdout}${stderr}`);
  }
  return { code: shellCode(code, signal), stdout, stderr };
}

/**
 * Like `run`, but fails unless the exit code is 0; resolves with stdout without its last newline.
 * @throws Error with everything that the program said.
 */
export async function must(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, options);
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: exit code ${code}\n${stdout}${stderr}`);
  return stdout.replace(/\n$/, '');
}

/** Resolves when the process has ended and its output is closed. */
export function ended(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ code: number | null; signal: NodeJS.Signals | null }>();
  child.once('error', reject);
  child.once('close', (code, signal) => resolve({ code, signal }));
  return promise;
}

function collect(child: ChildProcess): () => [string, string] {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  return () => [Buffer.concat(stdout).toString(), Buffer.concat(stderr).toString()];
}
