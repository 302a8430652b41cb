import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { KeyedMutex, orAborted } from '../../base/async.ts';
import { conflict, EngineError, messageOf, notFound } from '../../base/errors.ts';
import type { DiffId } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import { ensureDirectory, syncDirectory } from '../../sys/file/durable.ts';
import type { ErofsMethod } from '../../sys/mount/mount.ts';
import type { LayerForm } from './_form.ts';
import { IngestPool } from './_ingest_pool.ts';
import { Scratch } from './_scratch.ts';
import type { ArchiveSource, IngestOptions, LayerBackend, LayerInfo } from './backend.ts';
import { dirForm } from './dir.ts';
import { erofsForm } from './erofs.ts';

/** Without another limit a layer's archive may have so many bytes. */
const defaultMaxBytes = 2 ** 38;

export interface LayersOptions {
  /** Holds the finished layers, and `.tmp` ones while they are written or deleted. */
  readonly directory: string;
  /** Where layers are mounted. */
  readonly mountDirectory: string;
  /** What new layers are made as. */
  readonly kind: LayerForm['kind'];
  /** How EROFS images are mounted; where they cannot be, those that are there are passed over. */
  readonly erofs: ErofsMethod | undefined;
  readonly log: Logger;
}

/**
 * Opens the layers below a directory: sweeps what was half made, adopts mounts. Layers of both kinds are used side by
 * side, whatever new ones are made as: overlayfs stacks them all the same, so that a data root never depends on the
 * kind that it began with.
 */
export async function openLayers(options: LayersOptions): Promise<LayerBackend> {
  const { directory, mountDirectory, kind, erofs, log } = options;
  await ensureDirectory(directory);
  await ensureDirectory(mountDirectory);
  const forms = [...(erofs === undefined ? [] : [erofsForm(mountDirectory, erofs, log)]), dirForm()];
  const form = forms.find((candidate) => candidate.kind === kind);
  if (form === undefined) throw new EngineError('unavailable', 'EROFS images cannot be mounted on this host');
  const scratch = new Scratch(directory, log);
  const present = await loadLayers(directory, forms, scratch, log);
  for (const form of forms) {
    const known = [...present].filter(([, stored]) => stored.form === form).map(([diffId]) => diffId);
    await form.roots.adopt(new Set(known));
  }
  return new Layers({ directory, form, forms, present, scratch });
}

interface Stored {
  readonly info: LayerInfo;
  readonly form: LayerForm;
}

/** Reads what every layer says about itself; deletes temporary ones, sets damaged ones aside. */
async function loadLayers(
  directory: string,
  forms: readonly LayerForm[],
  scratch: Scratch,
  log: Logger,
): Promise<Map<DiffId, Stored>> {
  const present = new Map<DiffId, Stored>();
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (scratch.isOne(name)) void scratch.remove(path);
    const form = forms.find((candidate) => candidate.layerOf(name) !== undefined);
    if (form === undefined) continue;
    try {
      const info = await form.readInfo(path);
      if (info.diffId !== form.layerOf(name)) throw new EngineError('corrupt', 'it is another layer');
      // Made anew while the host could not use the other one.
      if (present.has(info.diffId)) void scratch.remove(path);
      else present.set(info.diffId, { info, form });
    } catch (error) {
      await rename(path, `${path}.damaged`).catch(() => undefined);
      log.error('set a damaged layer aside', { path, reason: messageOf(error) });
    }
  }
  return present;
}

interface LayersParts {
  readonly directory: string;
  /** What new layers are made as. */
  readonly form: LayerForm;
  readonly forms: readonly LayerForm[];
  readonly present: Map<DiffId, Stored>;
  readonly scratch: Scratch;
}

class Layers implements LayerBackend {
  readonly kind: string;
  readonly #parts: LayersParts;
  readonly #present: Map<DiffId, Stored>;
  readonly #pool = new IngestPool();
  readonly #running = new Map<DiffId, Promise<LayerInfo>>();
  /** A layer's file comes and goes in turns: what is deleted is never the one that was just made anew. */
  readonly #turns = new KeyedMutex<DiffId>();

  constructor(parts: LayersParts) {
    this.kind = parts.form.kind;
    this.#parts = parts;
    this.#present = parts.present;
  }

  ingest(source: ArchiveSource, options: IngestOptions = {}): Promise<LayerInfo> {
    const { expected } = options;
    if (expected === undefined) return this.#ingest(source, options);
    const present = this.info(expected);
    if (present !== undefined) return Promise.resolve(present);
    const running = this.#running.get(expected);
    if (running !== undefined) return orAborted(this.#join(running, source, options), options.signal);
    const ingesting = this.#ingest(source, options).finally(() => this.#running.delete(expected));
    this.#running.set(expected, ingesting);
    return ingesting;
  }

  info(diffId: DiffId): LayerInfo | undefined {
    return this.#present.get(diffId)?.info;
  }

  list(): readonly LayerInfo[] {
    return Array.from(this.#present.values(), ({ info }) => info);
  }

  mount(diffId: DiffId): ReturnType<LayerBackend['mount']> {
    const stored = this.#present.get(diffId);
    if (stored === undefined) return Promise.reject(missing(diffId));
    return stored.form.roots.acquire(diffId, this.#pathOf(stored));
  }

  users(diffId: DiffId): number {
    return this.#present.get(diffId)?.form.roots.users(diffId) ?? 0;
  }

  delete(diffId: DiffId): Promise<void> {
    return this.#turns.run(diffId, async () => {
      const stored = this.#present.get(diffId);
      if (stored === undefined) return;
      if (this.users(diffId) > 0) throw conflict(`layer ${diffId} is in use`);
      this.#present.delete(diffId);
      const temporary = this.#parts.scratch.newPath();
      try {
        await stored.form.roots.drop(diffId);
        await rename(this.#pathOf(stored), temporary);
      } catch (error) {
        this.#present.set(diffId, stored);
        throw error;
      }
      void this.#parts.scratch.remove(temporary);
    });
  }

  async verify(diffId: DiffId, archivePath?: string): Promise<string | undefined> {
    const stored = this.#present.get(diffId);
    if (stored === undefined) throw missing(diffId);
    const path = this.#pathOf(stored);
    try {
      const info = await stored.form.readInfo(path);
      if (info.diffId !== diffId) return 'its header names another layer';
      const found = await stored.form.inspect(path, info, this.#pool);
      if (found !== undefined || archivePath === undefined) return found;
      return await this.#compare(stored, archivePath);
    } catch (error) {
      return messageOf(error);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#pool.close(), this.#parts.scratch.close()]);
    for (const form of this.#parts.forms) await form.roots.close();
  }

  /** Goes along with an ingest that was begun for somebody else; when that one was cancelled, begins anew. */
  async #join(running: Promise<LayerInfo>, source: ArchiveSource, options: IngestOptions): Promise<LayerInfo> {
    try {
      return await running;
    } catch (error) {
      if (!(error instanceof EngineError) || error.code !== 'cancelled') throw error;
      return this.ingest(source, options);
    }
  }

  async #ingest(source: ArchiveSource, options: IngestOptions): Promise<LayerInfo> {
    const { directory, form, scratch } = this.#parts;
    const temporary = scratch.newPath();
    try {
      const info = await convert(this.#pool, form, { source, target: temporary }, options);
      return await this.#turns.run(info.diffId, async () => {
        const present = this.info(info.diffId);
        if (present !== undefined) {
          await scratch.remove(temporary);
          return present;
        }
        await rename(temporary, join(directory, form.nameOf(info.diffId)));
        await syncDirectory(directory);
        this.#present.set(info.diffId, { info, form });
        return info;
      });
    } catch (error) {
      await scratch.remove(temporary);
      throw error;
    }
  }

  /** Converting is deterministic, so the archive gives the same layer again. */
  async #compare(stored: Stored, archivePath: string): Promise<string | undefined> {
    const temporary = this.#parts.scratch.newPath();
    try {
      const task = { source: archivePath, target: temporary, passing: true };
      await convert(this.#pool, stored.form, task, { expected: stored.info.diffId });
      return await stored.form.compare(temporary, this.#pathOf(stored), this.#pool);
    } finally {
      await this.#parts.scratch.remove(temporary);
    }
  }

  #pathOf({ form, info }: Stored): string {
    return join(this.#parts.directory, form.nameOf(info.diffId));
  }
}

async function convert(
  pool: IngestPool,
  { kind }: LayerForm,
  place: { source: ArchiveSource; target: string; passing?: boolean },
  options: IngestOptions,
): Promise<LayerInfo> {
  const what = options.expected === undefined ? 'the layer' : `layer ${options.expected}`;
  const task = { ...place, form: kind, maxBytes: options.maxBytes ?? defaultMaxBytes, what };
  const { header, storedSize } = await pool.run(task, options);
  if (options.expected !== undefined && header.diffId !== options.expected) {
    throw new EngineError('corrupt', `${what}: its uncompressed bytes have the digest ${header.diffId}`);
  }
  return { ...header, storedSize };
}

const missing = (diffId: DiffId): EngineError => notFound(`layer ${diffId} is not in the store`);
