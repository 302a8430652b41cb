import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startEngine, type TestEngine } from '../support/engine.ts';
import { must } from '../support/run.ts';
import { type Case, clientEnv, clients, docker } from './cases.ts';
import type { Peer } from './engines.ts';
import { makeLargeFile, makeManyFiles, settle } from './file-cases.ts';

const volume = 'bench-volume';

const dataOf = (peer: Peer, name = volume): string => join(peer.folder, 'data/volumes', name, '_data');

/** Milliseconds that a program runs. */
async function timed(program: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<number> {
  const started = performance.now();
  await must(program, args, { timeout: 300_000, env });
  return performance.now() - started;
}

/**
 * The clone of a volume; beside it what there is for users of engines that have none: `cp -a` of the directory, to disk as
 * the clone is, too.
 */
const cloneCase = (name: string, goal: number, fill: (folder: string) => Promise<void>): Case => ({
  name,
  goal,
  without: ['podman', 'gantry-dir'],
  async prepare(peer) {
    await docker(peer, 'volume', 'create', volume);
    await fill(dataOf(peer));
  },
  async measure(peer) {
    // Nothing is deleted before the last round: see the copies of many files in file-cases.ts.
    const copy = `${volume}-${randomUUID()}`;
    await settle();
    if (peer.name === 'gantry') return timed(clients.gantry, ['volume', 'clone', volume, copy], clientEnv(peer));
    const target = join(await copiesOf(peer), copy);
    return timed('sh', ['-c', 'cp -a "$1" "$2" && sync -f "$2"', 'sh', dataOf(peer), target], {});
  },
  async finish(peer) {
    const names = (await docker(peer, 'volume', 'ls', '-q', '--filter', `name=${volume}`)).split('\n');
    await docker(peer, 'volume', 'rm', ...names);
    await rm(await copiesOf(peer), { recursive: true });
  },
});

async function copiesOf(peer: Peer): Promise<string> {
  const folder = join(peer.folder, 'copies');
  await mkdir(folder, { recursive: true });
  return folder;
}

/** One engine whose data root is on btrfs, for both sides. */
let onBtrfs: TestEngine | undefined;

const btrfsCase: Case = {
  name: 'volume clone of 10,000 files on btrfs',
  goal: 0.1,
  without: ['podman', 'gantry-dir'],
  async prepare() {
    if (onBtrfs !== undefined) return;
    onBtrfs = await startEngine({ dataRootMiB: 2048, dataRootType: 'btrfs' });
    const data = join(onBtrfs.paths.dataRoot, 'volumes', volume, '_data');
    await onBtrfs.dockerOk(['volume', 'create', volume]);
    const source = join(onBtrfs.folder, 'many');
    await makeManyFiles(source);
    await onBtrfs.inside(['cp', '-a', `${source}/.`, data]);
  },
  async measure(peer) {
    const engine = onBtrfs;
    if (engine === undefined) throw new Error('no engine on btrfs');
    const copy = randomUUID();
    await settle();
    if (peer.name === 'gantry') {
      const took = await timed(clients.gantry, ['volume', 'clone', volume, copy], engine.clientEnv());
      await engine.dockerOk(['volume', 'rm', copy]);
      return took;
    }
    const data = join(engine.paths.dataRoot, 'volumes', volume, '_data');
    const target = join(engine.paths.dataRoot, copy);
    const words = engine.namespaces.enter(['sh', '-c', 'cp -a "$1" "$2" && sync -f "$2"', 'sh', data, target]);
    const took = await timed(words[0], words.slice(1), {});
    await engine.inside(['rm', '-r', target]);
    return took;
  },
  async finish() {
    const engine = onBtrfs;
    onBtrfs = undefined;
    await engine?.[Symbol.asyncDispose]();
  },
};

export const volumeCases: readonly Case[] = [
  cloneCase('volume clone of 10,000 files', 1, makeManyFiles),
  cloneCase('volume clone of 1 GiB', 1, (folder) => makeLargeFile(join(folder, 'large'))),
  btrfsCase,
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
      return timed('sh', ['-c', '"$@" > /dev/null', 'sh', ...words], clientEnv(peer));
    },
    finish: async (peer) => void (await docker(peer, 'volume', 'rm', volume)),
  },
];
