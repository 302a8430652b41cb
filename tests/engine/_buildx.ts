import assert from 'node:assert/strict';
import type { TestEngine } from '../support/engine.ts';
import type { RunResult } from '../support/run.ts';
import { type Docker, dockerOf } from './_docker.ts';

/** Short ways to say `docker buildx build ...` to the engine of a suite. */
export interface Buildx {
  readonly docker: Docker;
  /** Resolves whatever the exit code is. */
  readonly build: (context: string, ...options: readonly string[]) => Promise<RunResult>;
  /** Fails unless the exit code is 0; resolves with what was told on the way. */
  readonly built: (context: string, ...options: readonly string[]) => Promise<string>;
}

export function buildxOf(engine: () => TestEngine): Buildx {
  const docker = dockerOf(engine);
  const build = (context: string, ...options: readonly string[]) =>
    docker('buildx', 'build', '--progress=plain', ...options, context);
  return {
    docker,
    build,
    built: async (context, ...options) => {
      const { code, stderr } = await build(context, ...options);
      assert.equal(code, 0, stderr);
      return stderr;
    },
  };
}
