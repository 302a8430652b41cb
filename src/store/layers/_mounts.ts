import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { KeyedMutex } from '../../base/async.ts';
import { conflict, messageOf } from '../../base/errors.ts';
import { type DiffId, hexOf, isHex64 } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import { unmount } from '../../sys/mount/mount.ts';
import { readMountTable } from '../../sys/mount/table.ts';
import type { LayerRoots } from './_form.ts';
import type { MountedLayer } from './backend.ts';

/** So many layers stay mounted without a user: the next container of the same image finds them ready. */
const warmLimit = 64;

interface Mounted {
  readonly path: string;
  users: number;
}

/**
 * The mounts of layers, each once, at `<directory>/<hex of the diff ID>`, counted by users. What nobody uses stays for
 * a while, the oldest goes first.
 */
export class LayerMounts implements LayerRoots {
  readonly #directory: string;
  readonly #mountAt: (path: string, target: string) => Promise<void>;
  readonly #log: Logger;
  /** In the order of their last use. */
  readonly #mounted = new Map<DiffId, Mounted>();
  readonly #order = new KeyedMutex<DiffId>();

  /** `mountAt` mounts the layer at a path at an empty directory. */
  constructor(directory: string, mountAt: (path: string, target: string) => Promise<void>, log: Logger) {
    this.#directory = directory;
    this.#mountAt = mountAt;
    this.#log = log;
  }

  users(diffId: DiffId): number {
    return this.#mounted.get(diffId)?.users ?? 0;
  }

  /** Takes over what an earlier engine left mounted; what is not in `known` is unmounted. */
  async adopt(known: ReadonlySet<DiffId>): Promise<void> {
    const prefix = `${this.#directory}/`;
    for (const { target } of (await readMountTable()).reverse()) {
      if (!target.startsWith(prefix)) continue;
      const name = target.slice(prefix.length);
      const diffId = `sha256:${name}` as DiffId;
      if (isHex64(name) && known.has(diffId) && !this.#mounted.has(diffId)) {
        this.#mounted.set(diffId, { path: target, users: 0 });
      } else await unmount(target, { lazy: true });
    }
  }

  /** Counts one user, and mounts the layer at `layerPath` when it is not mounted yet. */
  acquire(diffId: DiffId, layerPath: string): Promise<MountedLayer> {
    return this.#order.run(diffId, async () => {
      let mounted = this.#mounted.get(diffId);
      if (mounted === undefined) {
        const path = join(this.#directory, hexOf(diffId));
        await mkdir(path, { recursive: true, mode: 0o700 });
        try {
          await this.#mountAt(layerPath, path);
        } catch (error) {
          await rmdir(path).catch(() => undefined);
          throw error;
        }
        mounted = { path, users: 0 };
      }
      mounted.users++;
      this.#mounted.delete(diffId);
      this.#mounted.set(diffId, mounted);
      return this.#handle(diffId, mounted);
    });
  }

  /** Unmounts a layer. @throws conflict while it has users. */
  drop(diffId: DiffId): Promise<void> {
    return this.#order.run(diffId, () => this.#unmount(diffId));
  }

  /** Unmounts everything without users. */
  async close(): Promise<void> {
    await this.#shrinkTo(0);
  }

  #handle(diffId: DiffId, mounted: Mounted): MountedLayer {
    let released = false;
    return {
      diffId,
      path: mounted.path,
      release: () => {
        if (released) return;
        released = true;
        mounted.users--;
        if (mounted.users > 0) return;
        this.#shrinkTo(warmLimit).catch((error: unknown) =>
          this.#log.warn('cannot unmount a layer', { diffId, reason: messageOf(error) }),
        );
      },
    };
  }

  async #shrinkTo(limit: number): Promise<void> {
    const unused = [...this.#mounted].filter(([, mounted]) => mounted.users === 0);
    for (const [diffId] of unused.slice(0, Math.max(0, unused.length - limit))) {
      await this.#order.run(diffId, async () => {
        if (this.users(diffId) === 0) await this.#unmount(diffId);
      });
    }
  }

  async #unmount(diffId: DiffId): Promise<void> {
    const mounted = this.#mounted.get(diffId);
    if (mounted === undefined) return;
    if (mounted.users > 0) throw conflict(`layer ${diffId} is in use`);
    await unmount(mounted.path, { lazy: true });
    this.#mounted.delete(diffId);
    await rmdir(mounted.path).catch(() => undefined);
  }
}
