import { hostname } from 'node:os';
import { Mutex } from '../base/async.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { StateJournal } from '../spec/contract/state.ts';
import type { EventInput } from '../spec/engine/event.ts';
import type { EngineConfig } from './config.ts';
import type { LiveConfig } from './live.ts';
import type { ServiceManager } from './sd-notify.ts';

export interface Reloading {
  readonly live: LiveConfig;
  /** Reads flags and file anew. */
  readonly load: () => Promise<EngineConfig>;
  readonly engineId: string;
  /** What containers that name none get now. */
  readonly defaults: () => ReloadedDefaults;
  readonly journal: StateJournal;
  readonly manager: ServiceManager;
  readonly log: Logger;
}

export interface ReloadedDefaults {
  readonly runtime: string;
  readonly cgroupnsMode: 'private' | 'host';
}

/**
 * Reloads the configuration at each SIGHUP, one after the other. A configuration that is wrong changes nothing and is
 * logged. Gives what ends the watch.
 */
export function reloadOnSignal(reloading: Reloading): () => void {
  const order = new Mutex();
  const onSignal = (): void => void order.run(() => reloadOnce(reloading));
  process.on('SIGHUP', onSignal);
  return () => process.off('SIGHUP', onSignal);
}

async function reloadOnce({ live, load, engineId, defaults, journal, manager, log }: Reloading): Promise<void> {
  manager.reloading();
  try {
    const config = live.reload(await load());
    await journal.commit({ events: [reloadEvent(config, engineId, defaults())] });
    log.info('reloaded the configuration', { level: config.logLevel, trust: config.trust.source || 'none' });
  } catch (error) {
    log.error(`the configuration was not reloaded, nothing has changed: ${messageOf(error)}`);
  } finally {
    manager.ready();
  }
}

/** Docker's event, with its attributes. */
function reloadEvent(config: EngineConfig, engineId: string, defaults: ReloadedDefaults): EventInput {
  const { containers, registry } = config;
  return {
    type: 'daemon',
    action: 'reload',
    actorId: engineId,
    attributes: {
      debug: String(config.logLevel === 'debug'),
      'default-cgroupns-mode': defaults.cgroupnsMode,
      'default-ipc-mode': containers.ipcMode,
      'default-runtime': defaults.runtime,
      'default-shm-size': String(containers.shmSize ?? 64 * 1024 * 1024),
      features: shownMap(config.features),
      'insecure-registries': JSON.stringify(registry.insecure),
      labels: JSON.stringify(config.labels),
      'live-restore': 'true',
      'max-concurrent-downloads': String(registry.maxDownloads),
      'max-concurrent-uploads': String(registry.maxUploads),
      'max-download-attempts': String(registry.downloadAttempts),
      name: hostname(),
      'registry-mirrors': JSON.stringify(registry.mirrors),
      runtimes: [...config.runtimes].map(([name, { path }]) => `${name}:${path}`).join(' '),
      'shutdown-timeout': String(config.shutdownTimeout),
    },
  };
}

/** A map as Docker prints it: `map[a:true b:false]`. */
const shownMap = (map: Readonly<Record<string, boolean>>): string =>
  `map[${Object.entries(map)
    .map(([name, value]) => `${name}:${value}`)
    .sort()
    .join(' ')}]`;
