import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { StateJournal } from '../../spec/contract/state.ts';
import { AllVolumes } from '../all.ts';
import type { OwnedVolumes } from '../local.ts';
import { PluginVolumeBook } from './book.ts';
import type { VolumeDrivers } from './drivers.ts';
import { fromPluginRecord, type KnownVolume, pluginVolumeKind } from './record.ts';
import { PluginVolumes } from './volumes.ts';

/**
 * Joins the local volumes with those of plugins, of which no one is asked here. A record that cannot be read is left out:
 * the plugin has the data. `own`: folders that no plugin may show to containers.
 */
export async function openAllVolumes(
  local: OwnedVolumes,
  options: {
    readonly drivers: VolumeDrivers;
    readonly journal: StateJournal;
    readonly log: Logger;
    readonly clock: Clock;
    readonly own: readonly string[];
  },
): Promise<AllVolumes> {
  const { journal, log } = options;
  const volumes = new Map<string, KnownVolume>();
  for (const { id, value } of await journal.load(pluginVolumeKind)) {
    const volume = fromPluginRecord(id, value);
    if (volume === undefined) log.error('a volume record is not readable', { volume: id });
    else volumes.set(id, volume);
  }
  const context = { ...options, book: new PluginVolumeBook(journal, volumes) };
  return new AllVolumes(local, new PluginVolumes(context, (name) => local.users(name).length));
}
