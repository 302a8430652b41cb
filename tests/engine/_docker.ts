import type { TestEngine } from '../support/engine.ts';
import type { RunOptions, RunResult } from '../support/run.ts';
import { eventually } from '../support/wait.ts';

export const busybox = 'gantry-test/busybox:1';

/** Short ways to say `docker ...` to the engine of a suite. */
export interface Docker {
  /** Runs it and resolves whatever the exit code is. */
  (...args: readonly string[]): Promise<RunResult>;
  /** Fails unless the exit code is 0; resolves with stdout without its last newline. */
  ok(...args: readonly string[]): Promise<string>;
  /** Runs it with bytes on stdin. */
  fed(input: string | Uint8Array, ...args: readonly string[]): Promise<RunResult>;
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
