import { conflict, EngineError, invalid, notFound } from '../../base/errors.ts';
import type { ContainerId } from '../../base/ids.ts';
import type { DirectoryArchives } from '../../spec/contract/archives.ts';
import type { Volume, VolumeSnapshot } from '../../spec/contract/storage.ts';
import { isElsewhere } from '../options.ts';
import { noSuchVolume } from '../local.ts';
import type { VolumeState } from '../state.ts';

/** What copies of volumes need besides the volumes. */
export interface CopiesContext {
  readonly state: VolumeState;
  readonly archives: DirectoryArchives;
  /** Runs `task` while the processes of these containers stand still; they go on whatever happens. */
  freeze<T>(containers: readonly ContainerId[], task: () => Promise<T>): Promise<T>;
  /** The driver of the volume of a name, whichever it is; undefined when there is none. */
  driverOf(name: string): string | undefined;
}

/** @throws not-found. */
export function findVolume({ volumes }: VolumeState, name: string): Volume {
  const volume = volumes.get(name);
  if (volume === undefined) throw noSuchVolume(name);
  return volume;
}

/** @throws not-found; invalid for a volume of a plugin. */
export function refuseOthers(ctx: CopiesContext, name: string, what: string): void {
  const driver = ctx.driverOf(name);
  if (driver === undefined) throw noSuchVolume(name);
  if (driver !== 'local')
    throw invalid(`${what}: its driver is ${JSON.stringify(driver)}: only volumes of the driver local are copied`);
}

/** @throws conflict when there is a volume of that name. */
export function refuseTaken(ctx: CopiesContext, name: string, what: string): void {
  if (ctx.driverOf(name) !== undefined) throw conflict(`${what}: a volume with the name ${name} exists already`);
}

/** @throws not-found. */
export function findSnapshot(volume: Volume, name: string): VolumeSnapshot {
  const found = volume.snapshots?.find((snapshot) => snapshot.name === name);
  if (found === undefined)
    throw notFound(`volume ${volume.name} has no snapshot ${JSON.stringify(name.slice(0, 255))}`);
  return found;
}

/** @throws invalid for a volume whose files are not in the engine's own store. `what`: `snapshot data`. */
export function needsOwnStorage(volume: Volume, what: string): void {
  if (!isElsewhere(volume)) return;
  throw new EngineError(
    'invalid',
    `${what}: its files are not in the engine's own storage, the options of the volume say where they are: clone or export it instead`,
  );
}
