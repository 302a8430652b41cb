import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { must } from '../support/run.ts';
import { type Case, docker, timeDocker } from './cases.ts';
import type { Peer } from './engines.ts';

const holder = 'bench-files';
const large = 1 << 30;
const manyFiles = 10_000;

const folderOf = (peer: Peer): string => join(peer.folder, 'files');

/** What was written before must not be paid for by what is measured next. */
export const settle = (): Promise<string> => must('sync', []);

async function makeHolder(peer: Peer, image: string): Promise<void> {
  await mkdir(folderOf(peer), { recursive: true });
  await docker(peer, 'run', '-d', '--name', holder, image, 'sleep', '100000');
}

async function removeHolder(peer: Peer): Promise<void> {
  await docker(peer, 'rm', '-f', holder);
  await rm(folderOf(peer), { recursive: true, force: true });
}

/** Random bytes: nothing on the way can make less of them. */
export async function makeLargeFile(path: string, size = large): Promise<void> {
  const file = await open(path, 'w');
  for (let at = 0; at < size; at += 1 << 24) await file.write(randomBytes(1 << 24));
  await file.close();
}

/** Files of 1 to 8 KiB in 100 folders. */
export async function makeManyFiles(folder: string, count = manyFiles): Promise<void> {
  const bytes = randomBytes(8192);
  for (let at = 0; at < count; at++) {
    const inside = join(folder, `folder-${at % 100}`);
    if (at < 100) await mkdir(inside, { recursive: true });
    await writeFile(join(inside, `file-${at}`), bytes.subarray(0, 1024 + ((at * 37) % 7168)));
  }
}

/** Copies into and out of containers, and images made of them. */
export const fileCases: readonly Case[] = [
  {
    name: 'cp of 1 GiB in',
    goal: 0.7,
    second: { name: 'cp of 1 GiB out', goal: 0.7 },
    without: ['podman'],
    async prepare(peer, images) {
      await makeHolder(peer, images.busybox);
      await makeLargeFile(join(folderOf(peer), 'large'));
    },
    async measure(peer) {
      await settle();
      const into = await timeDocker(peer, 'cp', '-q', join(folderOf(peer), 'large'), `${holder}:/large`);
      await settle();
      const target = join(folderOf(peer), 'back');
      const out = await timeDocker(peer, 'cp', '-q', `${holder}:/large`, target);
      await rm(target);
      await docker(peer, 'exec', holder, 'rm', '/large');
      return [into, out];
    },
    finish: removeHolder,
  },
  {
    name: 'cp of 10,000 files in',
    goal: 0.6,
    second: { name: 'cp of 10,000 files out', goal: 0.6 },
    without: ['podman'],
    async prepare(peer, images) {
      await makeHolder(peer, images.busybox);
      await makeManyFiles(join(folderOf(peer), 'many'));
    },
    async measure(peer) {
      // Each round has names of its own and nothing is deleted before the last: ext4 walks past all inodes that were
      // freed in the last minutes, one by one, for each new file, and the engine beside would pay for it or not by chance.
      const copy = randomUUID();
      await settle();
      const into = await timeDocker(peer, 'cp', '-q', join(folderOf(peer), 'many'), `${holder}:/${copy}`);
      await settle();
      const out = await timeDocker(peer, 'cp', '-q', `${holder}:/${copy}`, join(folderOf(peer), copy));
      return [into, out];
    },
    finish: removeHolder,
  },
  {
    name: 'commit of 10,000 files',
    goal: 0.6,
    without: ['podman'],
    async prepare(peer, images) {
      await makeHolder(peer, images.busybox);
      await makeManyFiles(join(folderOf(peer), 'many'));
      await docker(peer, 'cp', '-q', join(folderOf(peer), 'many'), `${holder}:/many`);
    },
    async measure(peer) {
      // Another layer each time.
      await docker(peer, 'exec', holder, 'sh', '-c', 'date +%N > /changed');
      await settle();
      const took = await timeDocker(peer, 'commit', holder, 'bench-committed');
      await docker(peer, 'rmi', 'bench-committed');
      return took;
    },
    finish: removeHolder,
  },
];
