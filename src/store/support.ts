import { mkdir, open, readdir, rm, rmdir, statfs, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newDirectory } from '../archive/erofs/tree.ts';
import { ErofsWriter } from '../archive/erofs/writer.ts';
import { impliedDirectory } from '../archive/layer/paths.ts';
import { EngineError, messageOf } from '../base/errors.ts';
import { ensureDirectory } from '../sys/file/durable.ts';
import { type ErofsMethod, mountErofs, mountOverlay, type OverlayMethod, unmount } from '../sys/mount/mount.ts';

/** What the storage may be asked for; left out is chosen by what the host can do. */
export interface StorageWishes {
  readonly kind?: 'erofs' | 'dir';
  readonly erofs?: ErofsMethod;
  readonly overlay?: OverlayMethod;
}

/** How this host's layers are kept and stacked. */
export interface StorageSupport {
  readonly kind: 'erofs' | 'dir';
  /** How EROFS images are mounted; undefined where they cannot be. */
  readonly erofs: ErofsMethod | undefined;
  readonly overlay: OverlayMethod;
  /** Of the data root, in Docker's names (`extfs`). */
  readonly backingFileSystem: string;
}

/**
 * Finds out by trying, below `directory` (the engine's own, on the data root's file system): kernels have features
 * turned off, and file systems under a data root lack what overlayfs or direct I/O need. Some ten milliseconds.
 * `mountImage` is how an image is mounted: a test lets some ways fail.
 * @throws EngineError `unavailable` when containers could not have a root file system here, or a wish is not to be had.
 */
export async function probeStorage(
  directory: string,
  wishes: StorageWishes,
  mountImage: typeof mountErofs = mountErofs,
): Promise<StorageSupport> {
  await ensureDirectory(directory);
  const backingFileSystem = fileSystemName((await statfs(directory)).type);
  try {
    const overlay = await firstThatWorks(
      wishes.overlay === undefined ? ['append', 'links'] : [wishes.overlay],
      (method) => tryOverlay(join(directory, 'overlay'), method),
    );
    if ('reason' in overlay) {
      throw new EngineError(
        'unavailable',
        `the file system of the data root (${backingFileSystem}) cannot hold the layers of containers: ${overlay.reason}`,
      );
    }
    const methods: readonly ErofsMethod[] =
      wishes.erofs === undefined ? ['file-direct', 'file', 'loop'] : [wishes.erofs];
    const erofs = await firstThatWorks(methods, (method) =>
      tryErofs(join(directory, 'erofs'), (image, target) => mountImage(image, target, method)),
    );
    if ('reason' in erofs && (wishes.kind === 'erofs' || wishes.erofs !== undefined)) {
      throw new EngineError('unavailable', `the storage driver "erofs" does not work on this host: ${erofs.reason}`);
    }
    const method = 'method' in erofs ? erofs.method : undefined;
    const kind = wishes.kind ?? (method === undefined ? 'dir' : 'erofs');
    return { kind, erofs: method, overlay: overlay.method, backingFileSystem };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The first of some ways that works, or why the last one does not. */
async function firstThatWorks<Method extends string>(
  methods: readonly Method[],
  attempt: (method: Method) => Promise<void>,
): Promise<{ readonly method: Method } | { readonly reason: string }> {
  let reason = 'there is no way';
  for (const method of methods) {
    try {
      await attempt(method);
      return { method };
    } catch (error) {
      reason = messageOf(error);
    }
  }
  return { reason };
}

/** Hides a file and a directory's content, as containers do: that needs whiteouts, attributes and types of entries. */
async function tryOverlay(directory: string, method: OverlayMethod): Promise<void> {
  const at = (name: string): string => join(directory, name);
  await mkdir(at('lower/replaced'), { recursive: true });
  for (const name of ['upper', 'work', 'merged']) await mkdir(at(name), { recursive: true });
  for (const name of ['lower/hidden', 'lower/replaced/hidden']) await writeFile(at(name), '');
  await mountOverlay({
    method,
    lower: [at('lower')],
    upper: at('upper'),
    work: at('work'),
    target: at('merged'),
    options: [['index', 'off']],
  });
  try {
    await unlink(at('merged/hidden'));
    await unlink(at('merged/replaced/hidden'));
    await rmdir(at('merged/replaced'));
    await mkdir(at('merged/replaced'));
    const [top, below] = await Promise.all([readdir(at('merged')), readdir(at('merged/replaced'))]);
    if (top.join() !== 'replaced')
      throw new EngineError('unavailable', 'it tells no types of directory entries (d_type)');
    if (below.length > 0) throw new EngineError('unavailable', 'it keeps no extended attributes (trusted.overlay.*)');
  } finally {
    await unmount(at('merged'), { lazy: true });
    await rm(directory, { recursive: true, force: true });
  }
}

/** Longer than what an image keeps beside its inodes, so that content is read from its blocks. */
const probeContent = Buffer.alloc(9000, 'read back');

async function tryErofs(directory: string, mountAt: (image: string, target: string) => Promise<void>): Promise<void> {
  const [image, target] = [join(directory, 'image'), join(directory, 'mounted')];
  await mkdir(target, { recursive: true });
  try {
    await writeImage(image);
    await mountAt(image, target);
    try {
      await compareContent(join(target, 'file'));
    } finally {
      await unmount(target, { lazy: true });
    }
  } finally {
    // Also when it could not be mounted: the next way is tried in the same place.
    await rm(directory, { recursive: true, force: true });
  }
}

async function compareContent(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    if (!(await file.readFile()).equals(probeContent))
      throw new EngineError('corrupt', 'it reads what was not written');
  } finally {
    await file.close();
  }
}

async function writeImage(path: string): Promise<void> {
  const file = await open(path, 'wx+', 0o600);
  try {
    const writer = new ErofsWriter(file.fd);
    const root = newDirectory(impliedDirectory);
    writer.beginFile(impliedDirectory, probeContent.length);
    writer.data(probeContent);
    root.children.set('file', writer.endFile());
    writer.finish(root, Buffer.alloc(16), () => Buffer.alloc(0));
    // Direct I/O reads what is on the disk.
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** statfs(2)'s numbers, by the names that Docker shows. */
const fileSystems: ReadonlyMap<number, string> = new Map([
  [0xef53, 'extfs'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x01021994, 'tmpfs'],
  [0x2fc12fc1, 'zfs'],
  [0x794c7630, 'overlayfs'],
  [0xf2f52010, 'f2fs'],
  [0x6969, 'nfs'],
  [0x65735546, 'fuse'],
  [0xca451a4e, 'bcachefs'],
  [0x01021997, '9p'],
]);

const fileSystemName = (type: number): string => fileSystems.get(type) ?? `0x${type.toString(16)}`;
