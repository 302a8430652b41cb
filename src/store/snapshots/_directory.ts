import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { conflict, EngineError, notFound } from '../../base/errors.ts';
import { type ContainerId, type DiffId, tryDigest } from '../../base/ids.ts';
import { removeTree } from '../../sys/file/durable.ts';
import { type IdMapping, rootOwner } from '../../spec/contract/user-namespace.ts';
import { makeDisk } from '../../sys/disk/make.ts';
import { place } from '../../sys/file/place.ts';

/** The directories of one container's writable layer. */
export interface SnapshotPaths {
  readonly root: string;
  /** What the container wrote. */
  readonly upper: string;
  /** overlayfs's own. */
  readonly work: string;
  /**
   * `limit <bytes>` when there is one, the layers below, lowest first, one a line, and `end`: without that line, the
   * snapshot was never finished.
   */
  readonly layers: string;
  /** With a limit, the image of the file system that `upper` and `work` are in then. */
  readonly disk: string;
  /** The container's user namespace, as JSON; only when it has one. */
  readonly ids: string;
}

/** What a snapshot was made with. */
export interface SnapshotFacts {
  readonly layers: readonly DiffId[];
  /** The most bytes that the container may write; undefined for no limit. */
  readonly limit: number | undefined;
  /** The container's user namespace; undefined for the host's. */
  readonly ids: IdMapping | undefined;
}

const endLine = 'end';

const limitWord = 'limit ';

export function snapshotPaths(directory: string, id: ContainerId): SnapshotPaths {
  const root = join(directory, id);
  const at = (name: string): string => join(root, name);
  return { root, upper: at('upper'), work: at('work'), layers: at('layers'), disk: at('disk'), ids: at('ids') };
}

/**
 * Makes the directories, then the list of layers, whose sync makes all of it durable: journalling file systems bring
 * the directories that a new file is in to the disk with it. @throws conflict when it exists.
 */
export async function createSnapshot(paths: SnapshotPaths, { layers, limit, ids }: SnapshotFacts): Promise<void> {
  try {
    const root = { path: paths.root, mode: 0o700, mustBeNew: true };
    const list = (lines: readonly string[]) => ({
      path: paths.layers,
      text: [...lines, endLine, ''].join('\n'),
      mode: 0o600,
      durable: true,
    });
    const idsFile =
      ids === undefined ? [] : [{ path: paths.ids, text: JSON.stringify(ids), mode: 0o600, durable: true }];
    if (limit !== undefined) {
      await place({ directories: [root] });
      await makeDisk(paths.disk, limit, { for: '--storage-opt size' });
      return await place({ directories: [], files: [...idsFile, list([limitWord + limit, ...layers])] });
    }
    await place({
      directories: [
        root,
        // The root of what the container sees has the mode of this directory.
        { path: paths.upper, mode: 0o755, ...(ids === undefined ? {} : { owner: rootOwner(ids) }) },
        { path: paths.work, mode: 0o700 },
      ],
      files: [...idsFile, list(layers)],
    });
  } catch (error) {
    if ((error as { code?: string }).code === 'EEXIST') throw conflict('the container has a writable layer already');
    await removeTree(paths.root);
    throw error;
  }
}

/** @throws not-found when there is no such snapshot, corrupt when it was never finished. */
export async function readSnapshot(paths: SnapshotPaths): Promise<SnapshotFacts> {
  const text = await readFile(paths.layers, 'utf8').catch((error: unknown) => {
    if ((error as { code?: string }).code === 'ENOENT') throw notFound('the container has no writable layer');
    throw error;
  });
  const lines = text.split('\n');
  const limit = lines[0]?.startsWith(limitWord) === true ? Number(lines.shift()?.slice(limitWord.length)) : undefined;
  const end = lines.indexOf(endLine);
  const layers = lines.slice(0, Math.max(0, end)).map((line) => tryDigest(line) as DiffId | undefined);
  if (end < 0 || layers.includes(undefined)) throw new EngineError('corrupt', 'the list of layers is damaged');
  return { layers: layers.filter((layer) => layer !== undefined), limit, ids: await readIds(paths) };
}

async function readIds(paths: SnapshotPaths): Promise<IdMapping | undefined> {
  try {
    return JSON.parse(await readFile(paths.ids, 'utf8')) as IdMapping;
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw error;
  }
}
