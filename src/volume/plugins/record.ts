import type { Volume } from '../../spec/contract/storage.ts';

/** The kind of records of plugins' volumes in the state journal; their id is the volume's name. */
export const pluginVolumeKind = 'plugin-volume';

/** What is known of a volume that a plugin holds. */
export interface KnownVolume extends Volume {
  readonly scope: 'local' | 'global';
  /** For whom the plugin was, or was about to be, asked to mount it, and not to unmount it since. */
  readonly mounts: readonly string[];
}

/** JSON for the state journal. */
export const toPluginRecord = ({ name: _name, createdNs, ...record }: KnownVolume): unknown => ({
  ...record,
  createdNs: createdNs.toString(),
});

/** Undefined when the record is not readable. */
export function fromPluginRecord(name: string, value: unknown): KnownVolume | undefined {
  const record = value as (Partial<Omit<KnownVolume, 'createdNs'>> & { readonly createdNs?: string }) | null;
  if (typeof record !== 'object' || record === null) return undefined;
  if (typeof record.driver !== 'string' || typeof record.createdNs !== 'string') return undefined;
  return {
    name,
    driver: record.driver,
    mountpoint: record.mountpoint ?? '',
    labels: record.labels ?? {},
    options: record.options ?? {},
    createdNs: BigInt(record.createdNs),
    anonymous: record.anonymous === true,
    scope: record.scope === 'global' ? 'global' : 'local',
    mounts: record.mounts ?? [],
  };
}
