import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { StateJournal } from '../../spec/contract/state.ts';
import type { EventInput } from '../../spec/engine/event.ts';
import { noSuchVolume } from '../local.ts';
import type { DescribedVolume } from './driver.ts';
import type { VolumeDrivers } from './drivers.ts';
import { type KnownVolume, pluginVolumeKind, toPluginRecord } from './record.ts';

/** What the engine remembers of plugins' volumes. The plugin is the truth about which there are. */
export class PluginVolumeBook {
  readonly #journal: StateJournal;
  readonly #volumes: Map<string, KnownVolume>;

  constructor(journal: StateJournal, volumes: Map<string, KnownVolume>) {
    this.#journal = journal;
    this.#volumes = volumes;
  }

  get(name: string): KnownVolume | undefined {
    return this.#volumes.get(name);
  }

  /** @throws not-found */
  find(name: string): KnownVolume {
    const known = this.#volumes.get(name);
    if (known === undefined) throw noSuchVolume(name);
    return known;
  }

  list(): readonly KnownVolume[] {
    return [...this.#volumes.values()];
  }

  async put(volume: KnownVolume, events: readonly EventInput[] = []): Promise<void> {
    const record = { op: 'put', kind: pluginVolumeKind, id: volume.name, value: toPluginRecord(volume) } as const;
    await this.#journal.commit({ records: [record], events });
    this.#volumes.set(volume.name, volume);
  }

  async forget(name: string, events: readonly EventInput[] = []): Promise<void> {
    await this.#journal.commit({ records: [{ op: 'delete', kind: pluginVolumeKind, id: name }], events });
    this.#volumes.delete(name);
  }
}

/** What all that deals with plugins' volumes works on. */
export interface PluginContext {
  readonly drivers: VolumeDrivers;
  readonly book: PluginVolumeBook;
  readonly log: Logger;
  readonly clock: Clock;
  /** Folders that no volume may be: the engine's own. */
  readonly own: readonly string[];
}

/** A volume that a plugin has and the engine has not heard of. */
export function strangeVolume(
  driver: string,
  { name, mountpoint }: DescribedVolume,
  scope: 'local' | 'global',
): KnownVolume {
  return { name, driver, mountpoint, scope, labels: {}, options: {}, createdNs: 0n, anonymous: false, mounts: [] };
}
