import { fstatSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, invalid, notFound } from '../../base/errors.ts';
import type { ContainerId, DiffId } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import type { RunMounts } from '../../spec/contract/storage.ts';
import { closeFd } from '../../sys/ffi/descriptor.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import { ensureDirectory } from '../../sys/file/durable.ts';
import { bindMount, mountFileSystem, type OverlayMethod } from '../../sys/mount/mount.ts';
import { openPlaceAsync } from '../../sys/paths/paths.ts';
import type { LayerBackend } from '../layers/backend.ts';
import { NamedMounts } from './_named-mounts.ts';
import { OverlayFolders } from './_overlays.ts';
import { withOwners } from './_owners.ts';
import { LayerStacks } from './_stack.ts';

export interface RunMountOptions {
  /** Holds a directory for each running container: `<id>/shm`, `<id>/image-N`, `<id>/place-N`, `<id>/overlay-N`. */
  readonly directory: string;
  /** Holds what containers write into overlays, on a file system that overlayfs can write to. */
  readonly overlays: string;
  /** An empty directory: overlayfs wants two layers at least. */
  readonly emptyDirectory: string;
  readonly layers: LayerBackend;
  readonly overlay: OverlayMethod;
  readonly log: Logger;
}

/** The mounts of runs, and which layers they need. */
export interface OwnedRunMounts extends RunMounts {
  /** The layers of all images that containers show: they must stay. */
  layersInUse(): ReadonlySet<DiffId>;
}

const sharedMemoryName = 'shm';
const imageName = (index: number): string => `image-${index}`;
const placePrefix = 'place-';
const overlayName = (index: number): string => `overlay-${index}`;

/** Opens it; `keepImages` for all known containers and then `restore` must be called before any other method. */
export async function openRunMounts(options: RunMountOptions): Promise<OwnedRunMounts> {
  await ensureDirectory(options.directory);
  const stacks = new LayerStacks(options);
  const mounts = new NamedMounts(options.directory, options.log);
  const overlays = new OverlayFolders(options.overlays, options.overlay);
  await overlays.open();
  const images = new Map<ContainerId, readonly (readonly DiffId[])[]>();
  return {
    layersInUse: () => new Set([...images.values()].flat(2)),
    keepImages(id, shown) {
      if (shown.length > 0) images.set(id, shown);
    },
    forgetImages: (id) => void images.delete(id),
    shareMemory: (id, bytes) => mounts.mount(id, sharedMemoryName, (target) => mountSharedMemory(target, bytes)),
    sharedMemory: (id) => (mounts.has(id, sharedMemoryName) ? mounts.pathOf(id, sharedMemoryName) : undefined),
    async showImage(id, index, holder = id) {
      const layers = images.get(id)?.[index];
      if (layers === undefined) throw new EngineError('internal', `container ${id} shows no image ${index}`);
      return mounts.mount(holder, imageName(index), (target) => stacks.mountReadOnly(layers, target));
    },
    imagePath: (id, index) => mounts.pathOf(id, imageName(index)),
    ...placeHolders(mounts),
    layOver: (id, index, lower, own) =>
      mounts.mount(id, overlayName(index), async (target) => {
        await overlays.mount(id, index, lower, target, own);
        return [];
      }),
    overlayPath: (id, index) =>
      mounts.has(id, overlayName(index)) ? mounts.pathOf(id, overlayName(index)) : undefined,
    releasePlaces: (id) => mounts.release(id, (name) => name.startsWith(placePrefix)),
    async release(id) {
      await mounts.release(id, () => true);
      await overlays.remove(id);
    },
    async restore(running) {
      await mounts.restore(async (id, name) => {
        if (!running.has(id)) return undefined;
        if (name === sharedMemoryName || name.startsWith('overlay-')) return [];
        const layers = images.get(id)?.find((_, index) => imageName(index) === name);
        return layers === undefined ? undefined : stacks.hold(layers);
      });
      await overlays.restore(running);
    },
  };
}

async function mountSharedMemory(target: string, bytes: number): Promise<[]> {
  const attributes = { noSuid: true, noDev: true, noExec: true };
  const options = [['source', 'shm'] as const, ['size', String(bytes)] as const, ['mode', '1777'] as const];
  await mountFileSystem('tmpfs', options, target, attributes);
  return [];
}

function placeHolders(mounts: NamedMounts): Pick<RunMounts, 'holdPlace' | 'shiftOwners'> {
  let places = 0;
  const nextName = (): string => `${placePrefix}${places++}`;
  return {
    async holdPlace(id, root, path, { recursive = true } = {}) {
      const place = await openPlace(root, path);
      try {
        const isFile = !fstatSync(place).isDirectory();
        const bind = async (target: string): Promise<[]> => {
          await bindMount(place, target, { recursive });
          return [];
        };
        return await mounts.mount(id, nextName(), bind, isFile);
      } finally {
        closeFd(place);
      }
    },
    shiftOwners(id, source, mapping, { recursive, isFile }) {
      const lacks = `the kernel or the file system of ${source} cannot show files with other owners (idmapped mounts)`;
      const bind = async (target: string): Promise<[]> => {
        await withOwners(mapping, lacks, (userNamespace) =>
          bindMount(source, target, { recursive, ...(userNamespace === undefined ? {} : { idMap: userNamespace }) }),
        );
        return [];
      };
      return mounts.mount(id, nextName(), bind, isFile);
    },
  };
}

/** @throws not-found and invalid in Docker's words. */
async function openPlace(root: string, path: string): Promise<number> {
  try {
    return await openPlaceAsync(root, path);
  } catch (error) {
    const code = systemCode(error);
    const full = join(root, path);
    if (code === 'ENOENT') throw notFound(`cannot access path ${full}: lstat ${full}: no such file or directory`);
    if (code === 'ENOTDIR') throw notFound(`cannot access path ${full}: lstat ${full}: not a directory`);
    if (code === 'EXDEV' || code === 'ELOOP') {
      throw invalid(`path concatenation escapes the base directory, base: ${root}, subpath: ${path}`);
    }
    throw error;
  }
}
