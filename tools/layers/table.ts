/** What one room of `src/` holds and which other rooms its files may import. */
export interface Room {
  readonly name: string;
  readonly holds: string;
  /** Rooms, or folders of a room (`store/db`), that files of this room may import. Itself is always allowed. */
  readonly mayImport: readonly string[];
}

/**
 * The layers, lowest first: a room imports only rooms above its own line. Rooms that appear in no row of each other are
 * siblings: what one needs of the other is declared in `src/spec/contract` and joined in `src/daemon/wire.ts`.
 */
export const rooms: readonly Room[] = [
  { name: 'base', holds: 'pure: errors, ids, scope, async, stream, log, clock', mayImport: [] },
  { name: 'spec', holds: 'wire types and the contracts between rooms', mayImport: ['base'] },
  { name: 'plugin', holds: "finding plugins of Docker's kind and asking them", mayImport: ['base'] },
  { name: 'sys', holds: 'the only door to the kernel', mayImport: ['base', 'spec'] },
  { name: 'archive', holds: 'tar, erofs, compression', mayImport: ['base', 'spec', 'sys'] },
  { name: 'store', holds: 'blobs, layers, snapshots, leases, database', mayImport: ['base', 'spec', 'sys', 'archive'] },
  { name: 'events', holds: 'the journal of events', mayImport: ['base', 'spec', 'store/db'] },
  { name: 'credentials', holds: 'logins of registries', mayImport: ['base', 'spec'] },
  { name: 'trust', holds: 'which images may be used: policy and signatures', mayImport: ['base', 'spec'] },
  {
    name: 'registry',
    holds: 'client and server of the distribution protocol',
    mayImport: ['base', 'spec', 'credentials'],
  },
  {
    name: 'image',
    holds: 'pull, load, import, tag, remove',
    mayImport: ['base', 'spec', 'archive', 'store', 'registry', 'events'],
  },
  { name: 'runtime', holds: 'OCI runtimes, monitors, security profile', mayImport: ['base', 'spec', 'sys'] },
  {
    name: 'network',
    holds: 'drivers, addresses, ports, firewall, names',
    mayImport: ['base', 'spec', 'sys', 'store/db', 'events'],
  },
  { name: 'volume', holds: 'named volumes', mayImport: ['base', 'spec', 'plugin', 'sys', 'store/db', 'events'] },
  { name: 'logs', holds: 'reading, following and rotating container logs', mayImport: ['base', 'spec', 'sys'] },
  {
    name: 'container',
    holds: 'state, create, start, stop, exec, attach, restart',
    mayImport: ['base', 'spec', 'store/db', 'events'],
  },
  { name: 'build', holds: 'Dockerfile, graph, solver', mayImport: ['base', 'spec', 'archive', 'events'] },
  { name: 'api', holds: 'HTTP routes of the Engine API', mayImport: ['base', 'spec', 'plugin'] },
  { name: 'client', holds: 'the typed Engine API client', mayImport: ['base', 'spec'] },
  { name: 'compose', holds: 'Compose files', mayImport: ['base', 'spec', 'client', 'credentials'] },
  {
    name: 'cli',
    holds: 'the command line',
    mayImport: [
      'base',
      'spec',
      'archive/tar',
      'client',
      'credentials',
      'registry/client',
      'build/check',
      'build/dockerfile',
      'build/fsutil',
      'build/graph',
      'build/grpc',
      'build/ignore',
      'build/lock',
      'build/plan',
      'build/wire',
    ],
  },
  { name: 'resolver', holds: 'the DNS and proxy process', mayImport: ['base', 'spec', 'sys'] },
  {
    name: 'daemon',
    holds: 'boot, wiring, recovery, shutdown',
    mayImport: [
      'base',
      'spec',
      'plugin',
      'sys',
      'archive',
      'store',
      'events',
      'credentials',
      'trust',
      'registry',
      'image',
      'runtime',
      'network',
      'volume',
      'logs',
      'container',
      'build',
      'api',
    ],
  },
  { name: 'bin', holds: 'one entry per program', mayImport: ['base', 'spec', 'daemon', 'cli', 'registry', 'resolver'] },
];

/** Rooms that see no module of Node at all: they run anywhere and are tested with nothing but values. */
export const roomsWithoutNode: readonly string[] = ['base'];

/** The one folder that may import `node:ffi`. */
export const ffiFolder = 'src/sys/ffi';

/** Folders whose files may import any room: they drive programs from outside. */
export const outerFolders: readonly string[] = ['tests', 'tools'];

/** Parts of a file's or folder's name that say nothing about what is inside. */
export const bannedNames: readonly string[] = ['util', 'utils', 'helper', 'helpers', 'common', 'manager', 'misc'];

export const limits = { fileLines: 500, functionLines: 80, classMethods: 12 } as const;

/** Classes that were wider before the limit came, to be split: an entry here is a debt, none may be added. */
export const widerClasses: readonly string[] = ['src/base/text/template/evaluate.ts', 'src/client/client.ts'];
