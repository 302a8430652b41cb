import type { Command } from '../command.ts';
import type { Entry } from '../commands.ts';

/** All of them are in one file: they are loaded together. */
const ofSnapshots = (name: keyof typeof import('./snapshots.ts')) => async (): Promise<Command> =>
  (await import('./snapshots.ts'))[name];

const snapshot: Readonly<Record<string, Entry>> = {
  create: { summary: 'Keep what a volume holds now, under a name or the time', load: ofSnapshots('createSnapshot') },
  ls: {
    summary: 'List the snapshots of volumes, oldest first',
    alsoNamed: ['list'],
    load: ofSnapshots('listSnapshots'),
  },
  restore: {
    summary: 'Make a volume hold again what it held when a snapshot was made',
    load: ofSnapshots('restoreSnapshot'),
  },
  rm: { summary: 'Remove snapshots of a volume', alsoNamed: ['remove'], load: ofSnapshots('removeSnapshots') },
};

/** The names behind `volume`. */
export const volume: Readonly<Record<string, Entry>> = {
  clone: {
    summary: 'Make a volume with what another one holds',
    load: async () => (await import('./clone.ts')).clone,
  },
  create: {
    summary: 'Make a volume',
    load: async () => (await import('./create.ts')).create,
  },
  export: {
    summary: 'Write what a volume holds as a tar archive',
    load: async () => (await import('./export.ts')).exportVolume,
  },
  import: {
    summary: 'Unpack a tar archive into a volume, which is made when there is none',
    load: async () => (await import('./import.ts')).importVolume,
  },
  inspect: {
    summary: 'Show all that is known of volumes',
    load: async () => (await import('../inspect/volume.ts')).inspectVolume,
  },
  ls: {
    summary: 'List volumes',
    alsoNamed: ['list'],
    load: async () => (await import('./list.ts')).list,
  },
  prune: {
    summary: 'Remove volumes that no container uses',
    load: async () => (await import('./prune.ts')).prune,
  },
  rekey: {
    summary: 'Give an encrypted volume another key',
    load: async () => (await import('./rekey.ts')).rekey,
  },
  rename: {
    summary: 'Give a volume that no container uses another name',
    load: async () => (await import('./rename.ts')).rename,
  },
  rm: {
    summary: 'Remove volumes',
    alsoNamed: ['remove'],
    load: async () => (await import('./remove.ts')).remove,
  },
  snapshot: { summary: 'Work with snapshots of volumes', group: snapshot },
  update: {
    summary: 'Change a volume: its size, or what it is in a swarm',
    load: async () => (await import('./update.ts')).update,
  },
};
