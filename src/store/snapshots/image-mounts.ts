import { conflict } from '../../base/errors.ts';
import type { DiffId } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import type { ImageMountPlaces } from '../../spec/contract/storage.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import { ensureDirectory } from '../../sys/file/durable.ts';
import { type OverlayMethod, remount, unmount } from '../../sys/mount/mount.ts';
import type { LayerBackend, MountedLayer } from '../layers/backend.ts';
import { NamedMounts } from './_named-mounts.ts';
import { LayerStacks } from './_stack.ts';

export interface ImageMountOptions {
  /** Holds a directory for each mount: `<name>/root`. Only the host's root gets into it. */
  readonly directory: string;
  /** An empty directory: overlayfs wants two layers at least. */
  readonly emptyDirectory: string;
  readonly layers: LayerBackend;
  readonly overlay: OverlayMethod;
  readonly log: Logger;
}

const root = 'root';
/** What an image brings must not become a program of the host's root, nor a device of it. */
const attributes = { readOnly: true, noSuid: true, noDev: true } as const;

/** Opens it; `restore` must be called before any other method. */
export async function openImageMounts(options: ImageMountOptions): Promise<ImageMountPlaces> {
  await ensureDirectory(options.directory);
  const stacks = new LayerStacks(options);
  const mounts = new NamedMounts<string>(options.directory, options.log);
  const mount = (name: string, layers: readonly DiffId[]): Promise<string> =>
    mounts.mount(name, root, async (target) => {
      const held = await stacks.mountReadOnly(layers, target);
      try {
        await remount(target, attributes);
        return held;
      } catch (error) {
        await giveUp(target, held);
        throw error;
      }
    });
  return {
    pathOf: (name) => mounts.pathOf(name, root),
    mount,
    async unmount(name, { force }) {
      if (!force) await unmountUnused(mounts.pathOf(name, root));
      await mounts.release(name, () => true);
    },
    async restore(known) {
      await mounts.restore(async (name, part) => {
        const layers = part === root ? known.get(name) : undefined;
        return layers === undefined ? undefined : stacks.hold(layers);
      });
      const failed = new Map<string, unknown>();
      for (const [name, layers] of known) {
        await mount(name, layers).catch((error: unknown) => failed.set(name, error));
      }
      return failed;
    },
  };
}

async function giveUp(target: string, held: readonly MountedLayer[]): Promise<void> {
  await unmount(target, { lazy: true });
  for (const layer of held) layer.release();
}

/** @throws conflict while a process of the host is in there */
async function unmountUnused(path: string): Promise<void> {
  try {
    await unmount(path);
  } catch (error) {
    if (systemCode(error) !== 'EBUSY') throw error;
    throw conflict(`${path} is in use by a process: unmount it with force to take it away all the same`);
  }
}
