import { type ChildProcess, spawn } from 'node:child_process';
import { dockerClient } from '../support/docker-client.ts';
import type { TestEngine } from '../support/engine.ts';
import { ended, type RunOptions, type RunResult, shellCode } from '../support/run.ts';
import { eventually } from '../support/wait.ts';

export const busybox = 'gantry-test/busybox:1';

/** A docker client that goes on while the test does something else. */
export interface Client {
  readonly child: ChildProcess;
  /** What it has printed so far. */
  stdout(): string;
  stderr(): string;
  /** Sends bytes to its stdin. */
  type(text: string): void;
  /** Its exit code, once it and its output have ended. */
  readonly end: Promise<number>;
}

/** Short ways to say `docker ...` to the engine of a suite. */
export interface Docker {
  /** Runs it and resolves whatever the exit code is. */
  (...args: readonly string[]): Promise<RunResult>;
  /** Fails unless the exit code is 0; resolves with stdout without its last newline. */
  ok(...args: readonly string[]): Promise<string>;
  /** Runs it with bytes on stdin. */
  fed(input: string | Uint8Array, ...args: readonly string[]): Promise<RunResult>;
  /** Starts it, with stdin open. */
  background(...args: readonly string[]): Client;
  /** One field of `docker inspect`, by a Go template. */
  field(name: string, template: string): Promise<string>;
  /** Waits until `docker inspect --format template` shows `value`. */
  becomes(name: string, template: string, value: string): Promise<void>;
}

/** Every command ends after 60 s, so that a hanging one fails its test. */
export function dockerOf(engine: () => TestEngine): Docker {
  const options: RunOptions = { timeout: 60_000 };
  const field = (name: string, template: string) => engine().dockerOk(['inspect', '--format', template, name], options);
  return Object.assign((...args: readonly string[]) => engine().docker(args, options), {
    ok: (...args: readonly string[]) => engine().dockerOk(args, options),
    fed: (input: string | Uint8Array, ...args: readonly string[]) => engine().docker(args, { ...options, input }),
    background: (...args: readonly string[]) => startClient(args, engine().clientEnv()),
    field,
    async becomes(name: string, template: string, value: string): Promise<void> {
      let seen = '';
      await eventually(
        `${template} of ${name} becomes ${value}`,
        async () => {
          seen = await field(name, template);
          return seen === value;
        },
        { timeout: 15_000, every: 30 },
      ).catch((error: unknown) => {
        throw new Error(`${String(error)}; it is ${seen}`, { cause: error });
      });
    },
  });
}

function startClient(args: readonly string[], env: Readonly<Record<string, string>>): Client {
  const child = spawn(dockerClient(), args, { env: { ...process.env, ...env } });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => (texts[name] += text));
  }
  child.stdin.on('error', () => undefined);
  return {
    child,
    stdout: () => texts.stdout,
    stderr: () => texts.stderr,
    type: (text) => void child.stdin.write(text),
    end: ended(child).then(({ code, signal }) => shellCode(code, signal)),
  };
}
