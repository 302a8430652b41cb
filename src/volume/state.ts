import type { KeyedMutex } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import type { ContainerId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { StateJournal } from '../spec/contract/state.ts';
import type { Volume } from '../spec/contract/storage.ts';
import type { VolumeMounts } from './_mounts.ts';
import type { VolumeHolds } from './holds.ts';

/** What the parts of this room share. */
export interface VolumeState {
  /** Holds a directory for each volume; names that begin with a dot are unfinished and swept at the next boot. */
  readonly directory: string;
  readonly journal: StateJournal;
  readonly log: Logger;
  /** Folders in which keys of encrypted volumes that are secrets are looked for, in this order. */
  readonly secretFolders: readonly string[];
  readonly clock: Clock;
  readonly volumes: Map<string, Volume>;
  /** The containers that refer to a volume, running or not. */
  readonly users: Map<string, Set<ContainerId>>;
  readonly mounts: VolumeMounts;
  readonly holds: VolumeHolds;
  /** Changes of one volume, and its mounts, come one after the other. */
  readonly order: KeyedMutex<string>;
}
