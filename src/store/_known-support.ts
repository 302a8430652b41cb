import { readFile, statfs, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { probeStorage, type StorageSupport, type StorageWishes } from './support.ts';

/** What trying needs at most, with room to spare. */
const probeBytes = 1 << 20;

/**
 * What this host can do with the data root, by trying it. On a full disk nothing can be tried: then it is what the last
 * engine found there, under the same kernel and with the same wishes. An engine must start just then: whoever frees
 * space does so through it.
 */
export async function knownSupport(mounts: string, wishes: StorageWishes): Promise<StorageSupport> {
  const path = join(mounts, 'support.json');
  const circumstances = JSON.stringify([release(), wishes]);
  const { bavail, bsize } = await statfs(mounts);
  const saved = await readSaved(path);
  if (saved?.circumstances === circumstances && bavail * bsize < probeBytes) return saved.support;
  const support = await probeStorage(join(mounts, 'probe'), wishes);
  const found: Saved = { circumstances, support };
  if (JSON.stringify(found) !== JSON.stringify(saved)) {
    await writeFile(path, JSON.stringify(found), { mode: 0o600 }).catch(() => undefined);
  }
  return support;
}

interface Saved {
  readonly circumstances: string;
  readonly support: StorageSupport;
}

/** A file that was not written to its end is none. */
async function readSaved(path: string): Promise<Saved | undefined> {
  try {
    const saved = JSON.parse(await readFile(path, 'utf8')) as Partial<Saved>;
    const { circumstances, support } = saved;
    return circumstances === undefined || support === undefined ? undefined : { circumstances, support };
  } catch {
    return undefined;
  }
}
