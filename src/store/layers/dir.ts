import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../../base/errors.ts';
import { type DiffId, hexOf, isHex64 } from '../../base/ids.ts';
import { LayerDirectories } from './_directories.ts';
import type { LayerForm } from './_form.ts';
import { decodeLayerHeader, headerSize } from './_header.ts';
import { layerParts } from './_ingest_dir.ts';
import type { LayerInfo } from './backend.ts';

/**
 * Layers as directories, for hosts without EROFS: `<hex of the diff ID>` holds `root`, the files as overlayfs wants
 * them, and `layer`, what the layer says about itself. Deleting one renames it; its files go in the background.
 */
export function dirForm(): LayerForm {
  return {
    kind: 'dir',
    nameOf: hexOf,
    layerOf: (name) => (isHex64(name) ? (`sha256:${name}` as DiffId) : undefined),
    readInfo,
    inspect: (path, { inodes }, pool) => pool.runOnTree({ kind: 'count', path: join(path, layerParts.root), inodes }),
    compare: (fresh, stored, pool) =>
      pool.runOnTree({ kind: 'compare', paths: [join(fresh, layerParts.root), join(stored, layerParts.root)] }),
    roots: new LayerDirectories(layerParts.root),
  };
}

async function readInfo(path: string): Promise<LayerInfo> {
  const file = await open(join(path, layerParts.header), 'r');
  try {
    const bytes = Buffer.alloc(headerSize);
    await file.read(bytes, 0, headerSize, 0);
    const header = decodeLayerHeader(bytes);
    if (header.storedSize === undefined) throw new EngineError('corrupt', 'its layer header has no size');
    return { ...header, storedSize: header.storedSize };
  } finally {
    await file.close();
  }
}
