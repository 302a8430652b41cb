import { chmod, chown, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { invalid, messageOf } from '../../base/errors.ts';
import type { ContainerId } from '../../base/ids.ts';
import { ensureDirectory } from '../../sys/file/durable.ts';
import { removeLargeTree } from '../../sys/file/remove-large-tree.ts';
import { mountOverlay, type OverlayMethod } from '../../sys/mount/mount.ts';
import { overlayOptions } from './_stack.ts';

/** Folders for what containers write into overlays over folders of the host: `<directory>/<id>/<index>/upper` and `work`. */
export class OverlayFolders {
  readonly #directory: string;
  readonly #method: OverlayMethod;
  readonly #used = new Set<string>();

  /** `directory` is made by `open`. */
  constructor(directory: string, method: OverlayMethod) {
    this.#directory = directory;
    this.#method = method;
  }

  async open(): Promise<void> {
    await ensureDirectory(this.#directory);
    for (const id of await readdir(this.#directory)) this.#used.add(id);
  }

  /** Mounts an overlay over `lower` at `target`. @throws invalid with the kernel's words */
  async mount(
    id: ContainerId,
    index: number,
    lower: string,
    target: string,
    own: { readonly upper: string; readonly work: string } | undefined,
  ): Promise<void> {
    for (const [key, path] of [['upperdir', own?.upper] as const, ['workdir', own?.work] as const]) {
      const found = path === undefined ? undefined : await stat(path).catch(() => undefined);
      if (path !== undefined && found?.isDirectory() !== true) throw invalid(`${key} ${path} is no folder`);
    }
    const { upper, work } = own ?? (await this.#make(id, index, lower));
    try {
      await mountOverlay({ method: this.#method, lower: [lower], upper, work, target, options: overlayOptions });
    } catch (error) {
      const where = own === undefined ? '' : ` with upperdir=${upper} and workdir=${work}`;
      throw invalid(`cannot lay an overlay over ${lower}${where}: ${messageOf(error)}`, error);
    }
  }

  /** Deletes what a container wrote; no error when there is nothing. */
  async remove(id: string): Promise<void> {
    if (!this.#used.has(id)) return;
    await removeLargeTree(join(this.#directory, id));
    this.#used.delete(id);
  }

  /** At boot: deletes what containers wrote that do not run. */
  async restore(running: { has(id: ContainerId): boolean }): Promise<void> {
    for (const id of this.#used) if (!running.has(id as ContainerId)) await this.remove(id);
  }

  async #make(id: ContainerId, index: number, lower: string): Promise<{ upper: string; work: string }> {
    this.#used.add(id);
    const folder = join(this.#directory, id, String(index));
    await removeLargeTree(folder);
    const [upper, work] = [join(folder, 'upper'), join(folder, 'work')];
    for (const path of [upper, work]) await mkdir(path, { recursive: true, mode: 0o700 });
    // The overlay's own root is the upper one.
    const { uid, gid, mode } = await stat(lower);
    await chown(upper, uid, gid);
    await chmod(upper, mode & 0o7777);
    return { upper, work };
  }
}
