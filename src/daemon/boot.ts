import { type ApiServerOptions, createApiServer } from '../api/server.ts';
import { systemClock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { Scope } from '../base/scope.ts';
import { reapOrphans } from '../sys/process/reaper.ts';
import { openAuthorization, type RequestAuthorization } from './authorization.ts';
import type { EngineConfig } from './config.ts';
import { claimRoots, engineId, writePidfile } from './directories.ts';
import { operatingSystem } from './info.ts';
import { engineVersion } from './version.ts';
import { listenAll } from './listen.ts';
import type { LiveConfig } from './live.ts';
import type { Metrics } from './metrics.ts';
import { reloadOnSignal } from './reload.ts';
import type { ServiceManager } from './sd-notify.ts';
import { wire, type WiredEngine } from './wire.ts';

export interface BootOptions {
  readonly live: LiveConfig;
  /** Reads flags and configuration file anew, for a reload. */
  readonly load: () => Promise<EngineConfig>;
  readonly manager: ServiceManager;
  readonly log: Logger;
}

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
export async function boot({ live, load, manager, log }: BootOptions): Promise<Engine> {
  const config = live.current;
  const began = performance.now();
  const scope = new Scope();
  try {
    const lock = await claimRoots(config);
    scope.defer(() => lock.release());
    scope.defer(await writePidfile(config.pidfile));
    scope.defer(reapOrphans());
    const engine = { id: await engineId(config.dataRoot), clock: systemClock, log };
    const wired = await wire(live, engine, scope);
    const authorization = await openAuthorization(live);
    const begin = await wired.recover();
    const metrics = await openMetrics(config, wired, scope, log);
    const server = await scope.acquire(
      createApiServer(wired.services, apiOptions({ config, log, metrics, authorization })),
      (api) => api.close(),
    );
    const sockets = await listenAll(server, config, log);
    log.info('serving', { sockets, ms: Math.round(performance.now() - began) });
    begin();
    const { journal } = wired;
    scope.defer(
      reloadOnSignal({
        live,
        load: loadChecked(load, async (next) => {
          wired.checkReload(next);
          await authorization.prepare(next);
        }),
        engineId: engine.id,
        defaults: () => wired.defaults(),
        journal,
        manager,
        log,
      }),
    );
    return { close: () => scope[Symbol.asyncDispose]() };
  } catch (error) {
    await scope[Symbol.asyncDispose]();
    throw error;
  }
}

interface Serving {
  readonly config: EngineConfig;
  readonly log: Logger;
  readonly metrics: Metrics | undefined;
  readonly authorization: RequestAuthorization;
}

const apiOptions = ({ config, log, metrics, authorization }: Serving): ApiServerOptions => ({
  log,
  version: engineVersion,
  minMinor: config.minApiMinor,
  experimental: config.experimental,
  authorization: () => authorization.current,
  onRequest: metrics === undefined ? undefined : (seen) => metrics.seen(seen),
});

/** The metrics and their listener, when the operator wants them: most engines never load them. */
async function openMetrics(
  { metricsAddress }: EngineConfig,
  wired: WiredEngine,
  scope: Scope,
  log: Logger,
): Promise<Metrics | undefined> {
  if (metricsAddress === undefined) return undefined;
  const { Metrics, serveMetrics } = await import('./metrics.ts');
  const metrics = new Metrics(wired.metrics, await operatingSystem());
  wired.journal.onEvents = (count) => metrics.happened(count);
  const { port } = await scope.acquire(serveMetrics(metricsAddress, metrics), (listener) => listener.close());
  log.info('serving metrics', { address: metricsAddress, port });
  return metrics;
}

const loadChecked =
  (load: () => Promise<EngineConfig>, check: (config: EngineConfig) => Promise<void>) =>
  async (): Promise<EngineConfig> => {
    const config = await load();
    await check(config);
    return config;
  };
