import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { conflict, EngineError, notFound } from '../../base/errors.ts';
import { type ContainerId, type DiffId, tryDigest } from '../../base/ids.ts';
import { removeTree } from '../../sys/file/durable.ts';
import { place } from '../../sys/file/place.ts';

/** The directories of one container's writable layer. */
export interface SnapshotPaths {
  readonly root: string;
  /** What the container wrote. */
  readonly upper: string;
  /** overlayfs's own. */
  readonly work: string;
  /** The layers below, lowest first, one a line and `end`: without that line, the snapshot was never finished. */
  readonly layers: string;
}

const endLine = 'end';

export function snapshotPaths(directory: string, id: ContainerId): SnapshotPaths {
  const root = join(directory, id);
  return { root, upper: join(root, 'upper'), work: join(root, 'work'), layers: join(root, 'layers') };
}

/**
 * Makes the directories, then the list of layers, whose sync makes all of it durable: journalling file systems bring
 * the directories that a new file is in to the disk with it. @throws conflict when it exists.
 */
export async function createSnapshot(paths: SnapshotPaths, layers: readonly DiffId[]): Promise<void> {
  try {
    await place({
      directories: [
        { path: paths.root, mode: 0o700, mustBeNew: true },
        // The root of what the container sees has the mode of this directory.
        { path: paths.upper, mode: 0o755 },
        { path: paths.work, mode: 0o700 },
      ],
      files: [{ path: paths.layers, text: [...layers, endLine, ''].join('\n'), mode: 0o600, durable: true }],
    });
  } catch (error) {
    if ((error as { code?: string }).code === 'EEXIST') throw conflict('the container has a writable layer already');
    await removeTree(paths.root);
    throw error;
  }
}

/** @throws not-found when there is no such snapshot, corrupt when it was never finished. */
export async function readSnapshotLayers(paths: SnapshotPaths): Promise<DiffId[]> {
  const text = await readFile(paths.layers, 'utf8').catch((error: unknown) => {
    if ((error as { code?: string }).code === 'ENOENT') throw notFound('the container has no writable layer');
    throw error;
  });
  const lines = text.split('\n');
  const end = lines.indexOf(endLine);
  const layers = lines.slice(0, Math.max(0, end)).map((line) => tryDigest(line) as DiffId | undefined);
  if (end < 0 || layers.includes(undefined)) throw new EngineError('corrupt', 'the list of layers is damaged');
  return layers.filter((layer) => layer !== undefined);
}
