import type { TestEngine } from '../support/engine.ts';
import { eventually } from '../support/wait.ts';
import { ApiCalls } from './_api-calls.ts';
import type { apiParameters } from './_api-parameters.ts';
import { busybox, dockerOf } from './_docker.ts';

/** What a case works with. */
export interface World {
  readonly calls: ApiCalls;
  readonly docker: ReturnType<typeof dockerOf>;
  /** A container that sleeps, with more flags of `docker run`; its id. */
  readonly sleeper: (...flags: readonly string[]) => Promise<string>;
  /** One that runs a script which says `ready` when it is. */
  readonly ready: (script: string, ...flags: readonly string[]) => Promise<string>;
  /** A container's log until it has this text. */
  readonly logged: (id: string, wanted: string) => Promise<unknown>;
}

/** Exercises one parameter and asserts what it does. */
export type Case = (world: World) => Promise<void>;

type Parameters = typeof apiParameters;

/** A case for each parameter of the operations; one for those without any. */
export type Cases<Operations extends keyof Parameters> = {
  readonly [Operation in Operations]: Parameters[Operation] extends readonly []
    ? Case
    : Readonly<Record<Parameters[Operation][number], Case>>;
};

export function worldOf(engine: TestEngine): World {
  const docker = dockerOf(() => engine);
  const logged = (id: string, wanted: string) =>
    eventually(`${id} says ${wanted}`, async () => (await docker('logs', id)).stdout.includes(wanted));
  return {
    calls: new ApiCalls(engine),
    docker,
    sleeper: (...flags) => docker.ok('run', '-d', ...flags, busybox, 'sleep', '1000'),
    async ready(script, ...flags) {
      const id = await docker.ok('run', '-d', ...flags, busybox, 'sh', '-c', script);
      await logged(id, 'ready');
      return id;
    },
    logged,
  };
}
