import { createApiServer } from '../api/server.ts';
import { systemClock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { Scope } from '../base/scope.ts';
import { reapOrphans } from '../sys/process/reaper.ts';
import type { EngineConfig } from './config.ts';
import { claimRoots, engineId, writePidfile } from './directories.ts';
import { engineVersion } from './version.ts';
import { listenAll } from './listen.ts';
import { wire } from './wire.ts';

/** A serving engine. */
export interface Engine {
  /** Stops serving and lets go of everything; containers go on running. */
  close(): Promise<void>;
}

/**
 * Brings an engine up: roots and lock, state database, store, networks, images, volumes, containers as they are now,
 * then the sockets. It serves when this returns; restart policies are carried out afterwards.
 * @throws EngineError `conflict` when another engine has the data root, `unavailable` for a missing part of the host.
 */
export async function boot(config: EngineConfig, log: Logger): Promise<Engine> {
  const began = performance.now();
  const scope = new Scope();
  try {
    const lock = await claimRoots(config);
    scope.defer(() => lock.release());
    scope.defer(await writePidfile(config.pidfile));
    scope.defer(reapOrphans());
    const engine = { id: await engineId(config.dataRoot), clock: systemClock, log };
    const wired = await wire(config, engine, scope);
    const begin = await wired.recover();
    const { minApiMinor: minMinor, experimental } = config;
    const server = await scope.acquire(
      createApiServer(wired.services, { log, version: engineVersion, minMinor, experimental }),
      (api) => api.close(),
    );
    const sockets = await listenAll(server, config, log);
    log.info('serving', { sockets, ms: Math.round(performance.now() - began) });
    begin();
    return { close: () => scope[Symbol.asyncDispose]() };
  } catch (error) {
    await scope[Symbol.asyncDispose]();
    throw error;
  }
}
