import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startEngine, type TestEngine } from '../support/engine.ts';
import { type Case, clientEnv, clients, docker, timeProgram } from './cases.ts';
import type { Peer } from './engines.ts';
import { makeLargeFile, makeManyFiles, settle } from './file-cases.ts';

const volume = 'bench-volume';

const dataOf = (peer: Peer, name = volume): string => join(peer.folder, 'data/volumes', name, '_data');

/** One engine for both sides, with a data root of its own kind: other work on the disk below changes what is measured. */
let shared: TestEngine | undefined;

const sharedEngine = (): TestEngine => {
  if (shared === undefined) throw new Error('the case is not prepared');
  return shared;
};

/**
 * The clone of a volume; beside it what there is for users of engines that have none: `cp -a` of the directory, to disk as
 * the clone is, too. `fill` makes files in a folder.
 */
const cloneCase = (
  name: string,
  { goal, type, fill }: { goal: number; type: 'ext4' | 'btrfs'; fill: (folder: string) => Promise<void> },
): Case => ({
  name,
  goal,
  without: ['podman', 'gantry-dir'],
  async prepare() {
    if (shared !== undefined) return;
    shared = await startEngine({ dataRootMiB: 6144, dataRootType: type });
    await shared.dockerOk(['volume', 'create', volume]);
    const content = join(shared.folder, 'content');
    await mkdir(content);
    await fill(content);
    await shared.inside(['cp', '-a', `${content}/.`, join(shared.paths.dataRoot, 'volumes', volume, '_data')]);
  },
  async measure(peer) {
    // Many files are not deleted before the last round: see the copies of many files in file-cases.ts.
    const engine = sharedEngine();
    const copy = `${volume}-${randomUUID()}`;
    await settle();
    if (peer.name === 'gantry')
      return timeProgram(clients.gantry, ['volume', 'clone', volume, copy], engine.clientEnv());
    const data = join(engine.paths.dataRoot, 'volumes', volume, '_data');
    const script = 'cp -a "$1" "$2" && sync -f "$2"';
    const words = engine.namespaces.enter(['sh', '-c', script, 'sh', data, join(engine.paths.dataRoot, copy)]);
    return timeProgram(words[0], words.slice(1), {});
  },
  async finish() {
    const engine = shared;
    shared = undefined;
    await engine?.[Symbol.asyncDispose]();
  },
});

export const volumeCases: readonly Case[] = [
  cloneCase('volume clone of 10,000 files', { goal: 1, type: 'ext4', fill: makeManyFiles }),
  cloneCase('volume clone of 256 MiB', {
    goal: 1,
    type: 'ext4',
    fill: (folder) => makeLargeFile(join(folder, 'large'), 1 << 28),
  }),
  cloneCase('volume clone of 10,000 files on btrfs', { goal: 0.1, type: 'btrfs', fill: makeManyFiles }),
  {
    // At 200 MB/s it takes 5,369 ms. Beside it: tar in a container.
    name: 'volume export of 1 GiB',
    without: ['podman', 'gantry-dir'],
    async prepare(peer) {
      await docker(peer, 'volume', 'create', volume);
      await makeLargeFile(join(dataOf(peer), 'large'));
    },
    async measure(peer, images) {
      await settle();
      const tar = ['run', '--rm', '--network=none', '-v', `${volume}:/v`, images.busybox, 'tar', '-c', '-C', '/v', '.'];
      const words =
        peer.name === 'gantry'
          ? [clients.gantry, 'volume', 'export', '--compression=none', volume]
          : [clients.docker, ...tar];
      return timeProgram('sh', ['-c', '"$@" > /dev/null', 'sh', ...words], clientEnv(peer));
    },
    finish: async (peer) => void (await docker(peer, 'volume', 'rm', volume)),
  },
];
