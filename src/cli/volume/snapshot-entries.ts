import type { Entry } from '../commands.ts';

/** The names behind `volume snapshot`. */
export const volumeSnapshot: Readonly<Record<string, Entry>> = {
  create: {
    summary: 'Keep what a volume holds now, under a name or the time',
    load: async () => (await import('./snapshots.ts')).createSnapshot,
  },
  ls: {
    summary: 'List the snapshots of volumes, oldest first',
    alsoNamed: ['list'],
    load: async () => (await import('./snapshots.ts')).listSnapshots,
  },
  restore: {
    summary: 'Make a volume hold again what it held when a snapshot was made',
    load: async () => (await import('./snapshots.ts')).restoreSnapshot,
  },
  rm: {
    summary: 'Remove snapshots of a volume',
    alsoNamed: ['remove'],
    load: async () => (await import('./snapshots.ts')).removeSnapshots,
  },
};
