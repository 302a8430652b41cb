import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { blockSize, imageSize } from '../../archive/erofs/superblock.ts';
import { EngineError } from '../../base/errors.ts';
import { type DiffId, hexOf, isHex64 } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import { type ErofsMethod, mountErofs } from '../../sys/mount/mount.ts';
import type { LayerForm } from './_form.ts';
import { decodeLayerHeader } from './_header.ts';
import { LayerMounts } from './_mounts.ts';
import type { LayerInfo } from './backend.ts';

const suffix = '.erofs';

/**
 * Layers as EROFS images, one file each (`<hex of the diff ID>.erofs`), written straight from the archive: no file of an
 * image is ever made on the host's file system, and deleting a layer is an unlink. They are mounted by
 * `method` below `mountDirectory`.
 */
export function erofsForm(mountDirectory: string, method: ErofsMethod, log: Logger): LayerForm {
  return {
    kind: 'erofs',
    nameOf: (diffId) => hexOf(diffId) + suffix,
    layerOf: (name) => {
      const hex = name.slice(0, -suffix.length);
      return name.endsWith(suffix) && isHex64(hex) ? (`sha256:${hex}` as DiffId) : undefined;
    },
    readInfo,
    inspect: () => Promise.resolve(undefined),
    compare: async (fresh, stored) =>
      (await hashFile(fresh)) === (await hashFile(stored)) ? undefined : 'its content differs from its archive',
    roots: new LayerMounts(mountDirectory, (path, target) => mountErofs(path, target, method), log),
  };
}

async function readInfo(path: string): Promise<LayerInfo> {
  const file = await open(path, 'r');
  try {
    const bytes = Buffer.alloc(blockSize);
    const { bytesRead } = await file.read(bytes, 0, blockSize, 0);
    const { size } = await file.stat();
    if (bytesRead < blockSize || imageSize(bytes) !== size) throw new EngineError('corrupt', 'it is cut short');
    return { ...decodeLayerHeader(bytes), storedSize: size };
  } finally {
    await file.close();
  }
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
