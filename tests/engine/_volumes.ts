import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { seenBy, type TestEngine } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { must, run, type RunResult } from '../support/run.ts';
import { busybox } from './_docker.ts';

/** Short ways to use volumes of a suite's engine. */
export interface Volumes {
  /** `gantry volume ...`; resolves whatever the exit code is. */
  readonly gantry: (...args: string[]) => Promise<RunResult>;
  /** The same; fails unless the exit code is 0. */
  readonly ok: (...args: string[]) => Promise<string>;
  readonly docker: (...words: string[]) => Promise<string>;
  /** Runs a script in a container that has the volume at /data. */
  readonly runs: (volume: string, script: string) => Promise<RunResult>;
  /** The same; fails unless the exit code is 0, and resolves with what it printed. */
  readonly sh: (volume: string, script: string) => Promise<string>;
  /** Where the engine keeps volumes. */
  readonly folder: () => string;
  readonly create: (name: string, ...options: string[]) => Promise<string>;
  /** A volume with these options is refused, and nothing is left of it. */
  readonly refusesCreate: (says: RegExp, ...options: string[]) => Promise<void>;
}

/** `more` are options that all volumes are made with. */
export function volumesOf(engine: () => TestEngine, ...more: readonly string[]): Volumes {
  const [program, ...first] = gantryProgram;
  const options = () => ({ timeout: 60_000, env: { ...engine().clientEnv() } });
  const docker = (...words: string[]) => engine().dockerOk(words);
  const runs = (volume: string, script: string) =>
    engine().docker(['run', '--rm', '--network=none', '-v', `${volume}:/data`, busybox, 'sh', '-c', script]);
  const folder = () => seenBy(engine(), join(engine().paths.dataRoot, 'volumes'));
  const words = (wished: readonly string[]): string[] => [...wished, ...more].flatMap((word) => ['-o', word]);
  return {
    gantry: (...args) => run(program, [...first, 'volume', ...args], options()),
    ok: (...args) => must(program, [...first, 'volume', ...args], options()),
    docker,
    runs,
    sh: async (volume, script) => {
      const { code, stdout, stderr } = await runs(volume, script);
      assert.equal(code, 0, stderr);
      return stdout.trim();
    },
    folder,
    create: (name, ...wished) => docker('volume', 'create', ...words(wished), name),
    refusesCreate: async (says, ...wished) => {
      const { code, stderr } = await engine().docker(['volume', 'create', ...words(wished), 'bad']);
      assert.match(stderr, says);
      assert.equal(code, 1);
      assert.deepEqual(await readdir(folder()), []);
    },
  };
}
