import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { blockSize, imageSize } from '../../archive/erofs/superblock.ts';
import { orAborted } from '../../base/async.ts';
import { conflict, EngineError, messageOf, notFound } from '../../base/errors.ts';
import { type DiffId, hexOf, isHex64 } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import { mountErofs } from '../../sys/mount/mount.ts';
import { ensureDirectory, removeTree, syncDirectory } from '../../sys/file/durable.ts';
import type { GrowingFile } from '../blobs/growing.ts';
import { decodeLayerHeader } from './_header.ts';
import { IngestPool } from './_ingest_pool.ts';
import { LayerMounts } from './_mounts.ts';
import type { IngestOptions, LayerBackend, LayerInfo } from './backend.ts';

/** Without another limit a layer's archive may have so many bytes. */
const defaultMaxBytes = 2 ** 38;
const suffix = '.erofs';

export interface ErofsLayersOptions {
  /** Holds `<hex of the diff ID>.erofs` files, and `.tmp` ones while they are written. */
  readonly directory: string;
  /** Where layers are mounted. */
  readonly mountDirectory: string;
  readonly log: Logger;
}

/**
 * Layers as EROFS images, one file each, written straight from the archive: no file of an image is ever made on the
 * host's file system, and deleting a layer is an unlink. Opening sweeps temporary files and adopts mounts.
 */
export async function openErofsLayers(options: ErofsLayersOptions): Promise<LayerBackend> {
  await ensureDirectory(options.directory);
  await ensureDirectory(options.mountDirectory);
  const present = await loadLayers(options);
  const mounts = new LayerMounts(options.mountDirectory, options.log);
  await mounts.adopt(new Set(present.keys()));
  return new ErofsLayers(options.directory, present, mounts);
}

/** Reads what every layer file says about itself; deletes temporary files, sets damaged ones aside. */
async function loadLayers({ directory, log }: ErofsLayersOptions): Promise<Map<DiffId, LayerInfo>> {
  const present = new Map<DiffId, LayerInfo>();
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const hex = name.slice(0, -suffix.length);
    if (name.endsWith('.tmp')) await removeTree(path);
    if (!name.endsWith(suffix) || !isHex64(hex)) continue;
    try {
      const info = await readInfo(path);
      if (hexOf(info.diffId) !== hex) throw new EngineError('corrupt', 'it is another layer');
      present.set(info.diffId, info);
    } catch (error) {
      await rename(path, `${path}.damaged`).catch(() => undefined);
      log.error('set a damaged layer aside', { path, reason: messageOf(error) });
    }
  }
  return present;
}

class ErofsLayers implements LayerBackend {
  readonly kind = 'erofs';
  readonly #directory: string;
  readonly #mounts: LayerMounts;
  readonly #pool = new IngestPool();
  readonly #present: Map<DiffId, LayerInfo>;
  readonly #running = new Map<DiffId, Promise<LayerInfo>>();

  constructor(directory: string, present: Map<DiffId, LayerInfo>, mounts: LayerMounts) {
    this.#directory = directory;
    this.#present = present;
    this.#mounts = mounts;
  }

  ingest(source: string | GrowingFile, options: IngestOptions = {}): Promise<LayerInfo> {
    const { expected } = options;
    if (expected === undefined) return this.#ingest(source, options);
    const present = this.#present.get(expected);
    if (present !== undefined) return Promise.resolve(present);
    const running = this.#running.get(expected);
    if (running !== undefined) return orAborted(this.#join(running, source, options), options.signal);
    const ingesting = this.#ingest(source, options).finally(() => this.#running.delete(expected));
    this.#running.set(expected, ingesting);
    return ingesting;
  }

  info(diffId: DiffId): LayerInfo | undefined {
    return this.#present.get(diffId);
  }

  list(): readonly LayerInfo[] {
    return [...this.#present.values()];
  }

  mount(diffId: DiffId): ReturnType<LayerBackend['mount']> {
    if (!this.#present.has(diffId)) return Promise.reject(missing(diffId));
    return this.#mounts.acquire(diffId, (path) => mountErofs(imagePath(this.#directory, diffId), path));
  }

  users(diffId: DiffId): number {
    return this.#mounts.users(diffId);
  }

  async delete(diffId: DiffId): Promise<void> {
    const info = this.#present.get(diffId);
    if (info === undefined) return;
    if (this.users(diffId) > 0) throw conflict(`layer ${diffId} is in use`);
    this.#present.delete(diffId);
    try {
      await this.#mounts.drop(diffId);
      await unlink(imagePath(this.#directory, diffId));
    } catch (error) {
      this.#present.set(diffId, info);
      throw error;
    }
  }

  async verify(diffId: DiffId, archivePath?: string): Promise<string | undefined> {
    if (!this.#present.has(diffId)) throw missing(diffId);
    try {
      const info = await readInfo(imagePath(this.#directory, diffId));
      if (info.diffId !== diffId) return 'its header names another layer';
      if (archivePath === undefined) return undefined;
      return await this.#compare(diffId, archivePath);
    } catch (error) {
      return messageOf(error);
    }
  }

  async close(): Promise<void> {
    await this.#pool.close();
    await this.#mounts.close();
  }

  /** Goes along with an ingest that was begun for somebody else; when that one was cancelled, begins anew. */
  async #join(running: Promise<LayerInfo>, source: string | GrowingFile, options: IngestOptions): Promise<LayerInfo> {
    try {
      return await running;
    } catch (error) {
      if (!(error instanceof EngineError) || error.code !== 'cancelled') throw error;
      return this.ingest(source, options);
    }
  }

  async #ingest(source: string | GrowingFile, options: IngestOptions): Promise<LayerInfo> {
    const temporary = join(this.#directory, `${randomUUID()}.tmp`);
    try {
      const info = await convert(this.#pool, source, temporary, options);
      if (this.#present.has(info.diffId)) {
        await removeTree(temporary);
        return this.#present.get(info.diffId) ?? info;
      }
      await rename(temporary, imagePath(this.#directory, info.diffId));
      await syncDirectory(this.#directory);
      this.#present.set(info.diffId, info);
      return info;
    } catch (error) {
      await removeTree(temporary);
      throw error;
    }
  }

  /** Converting is deterministic, so the archive gives the same image again. */
  async #compare(diffId: DiffId, archivePath: string): Promise<string | undefined> {
    const temporary = join(this.#directory, `${randomUUID()}.tmp`);
    try {
      await convert(this.#pool, archivePath, temporary, { expected: diffId });
      const [fresh, stored] = await Promise.all([hashFile(temporary), hashFile(imagePath(this.#directory, diffId))]);
      return fresh === stored ? undefined : 'its content differs from its archive';
    } finally {
      await removeTree(temporary);
    }
  }
}

const imagePath = (directory: string, diffId: DiffId): string => join(directory, hexOf(diffId) + suffix);
async function convert(
  pool: IngestPool,
  source: string | GrowingFile,
  target: string,
  options: IngestOptions,
): Promise<LayerInfo> {
  const what = options.expected === undefined ? 'the layer' : `layer ${options.expected}`;
  const task = { source, target, maxBytes: options.maxBytes ?? defaultMaxBytes, what };
  const { header, storedSize } = await pool.run(task, options);
  if (options.expected !== undefined && header.diffId !== options.expected) {
    throw new EngineError('corrupt', `${what}: its uncompressed bytes have the digest ${header.diffId}`);
  }
  return { ...header, storedSize };
}

const missing = (diffId: DiffId): EngineError => notFound(`layer ${diffId} is not in the store`);

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
