import { mkdir, readdir, rmdir, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KeyedMutex } from '../../base/async.ts';
import { messageOf } from '../../base/errors.ts';
import type { ContainerId } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import { unmount } from '../../sys/mount/mount.ts';
import { readMountTable } from '../../sys/mount/table.ts';
import type { MountedLayer } from '../layers/backend.ts';

/** The layers that a mount holds. */
type Held = readonly MountedLayer[];

/** Mounts at `<directory>/<id>/<name>`, where the id is a container's or another one, each with the layers that it holds. */
export class NamedMounts<Id extends string = ContainerId> {
  readonly #directory: string;
  readonly #log: Logger;
  readonly #mounted = new Map<Id, Map<string, Held>>();
  readonly #order = new KeyedMutex<Id>();

  constructor(directory: string, log: Logger) {
    this.#directory = directory;
    this.#log = log;
  }

  pathOf(id: Id, name: string): string {
    return join(this.#directory, id, name);
  }

  has(id: Id, name: string): boolean {
    return this.#mounted.get(id)?.has(name) === true;
  }

  /** Mounts once, at a new directory or file; `make` does it and gives the layers that the mount holds. */
  mount(id: Id, name: string, make: (target: string) => Promise<Held>, isFile = false): Promise<string> {
    return this.#order.run(id, async () => {
      const target = this.pathOf(id, name);
      if (this.has(id, name)) return target;
      await mkdir(isFile ? join(this.#directory, id) : target, { recursive: true, mode: 0o700 });
      if (isFile) await writeFile(target, '', { mode: 0o600 });
      try {
        this.#remember(id, name, await make(target));
      } catch (error) {
        await removeMountPoints(join(this.#directory, id)).catch(() => undefined);
        throw error;
      }
      return target;
    });
  }

  /** Unmounts those of a container whose name is `chosen`. */
  release(id: Id, chosen: (name: string) => boolean): Promise<void> {
    if (!this.#mounted.has(id)) return Promise.resolve();
    return this.#order.run(id, async () => {
      const mounted = this.#mounted.get(id) ?? new Map<string, Held>();
      for (const [name, held] of [...mounted].filter(([one]) => chosen(one))) {
        await unmount(this.pathOf(id, name), { lazy: true });
        for (const layer of held) layer.release();
        mounted.delete(name);
      }
      if (mounted.size === 0) this.#mounted.delete(id);
      await removeMountPoints(join(this.#directory, id));
    });
  }

  /** At boot: `adopt` gives the layers of a mount that stays, and undefined for one that goes. */
  async restore(adopt: (id: Id, name: string) => Promise<Held | undefined>): Promise<void> {
    for (const { target } of (await readMountTable()).reverse()) {
      if (!target.startsWith(`${this.#directory}/`)) continue;
      const [id = '', name = ''] = target.slice(this.#directory.length + 1).split('/');
      const known = id as Id;
      const held = this.has(known, name) ? undefined : await adopt(known, name);
      if (held === undefined) await unmount(target, { lazy: true });
      else this.#remember(known, name, held);
    }
    for (const id of await readdir(this.#directory)) {
      if (this.#mounted.has(id as Id)) continue;
      await removeMountPoints(join(this.#directory, id)).catch((error: unknown) =>
        this.#log.warn('cannot remove mount points of a container', { container: id, reason: messageOf(error) }),
      );
    }
  }

  #remember(id: Id, name: string, held: Held): void {
    const mounted = this.#mounted.get(id) ?? new Map<string, Held>();
    mounted.set(name, held);
    this.#mounted.set(id, mounted);
  }
}

/** Removes empty directories and files at which nothing is mounted any more. Never deletes what is inside of a mount. */
async function removeMountPoints(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true }).catch(() => [])) {
    const path = join(directory, entry.name);
    await (entry.isDirectory() ? rmdir(path) : unlink(path)).catch(ignoreBusy);
  }
  await rmdir(directory).catch(ignoreBusy);
}

function ignoreBusy(error: unknown): void {
  const code = systemCode(error);
  if (code !== 'EBUSY' && code !== 'ENOTEMPTY' && code !== 'ENOENT') throw error;
}
