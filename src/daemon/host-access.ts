import { chmod, chown, mkdir, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { HostFiles, RootAccess } from '../container/ports.ts';
import { invalid } from '../base/errors.ts';
import { systemCode } from '../sys/ffi/errors.ts';
import { chownTree } from '../sys/file/chown-tree.ts';
import { place, removeTrees } from '../sys/file/place.ts';
import { mountSources } from '../sys/mount/mount.ts';
import { mountOf } from '../sys/mount/table.ts';
import {
  mkdirAllInRootAsync,
  prepareMountTargetsAsync,
  readFileInRootAsync,
  resolveInRootAsync,
} from '../sys/paths/paths.ts';

/** Files below roots that containers control: every path is resolved inside the root by the kernel. */
export const rootAccess: RootAccess = {
  async readFile(root, path, limit) {
    try {
      return await readFileInRootAsync(root, path, limit);
    } catch (error) {
      switch (systemCode(error)) {
        case 'ENOENT':
        case 'ENOTDIR':
          return undefined;
        case 'EINVAL':
          throw invalid(`${path} of the container is not a regular file`, error);
        case 'EFBIG':
          throw invalid(`${path} of the container is larger than ${limit} bytes`, error);
        case 'ELOOP':
          throw invalid(`${path} of the container leads through too many links`, error);
        default:
          throw error;
      }
    }
  },
  resolve: (root, path) => resolveInRootAsync(root, path),
  prepareMountTargets: (root, targets, owner) => prepareMountTargetsAsync(root, targets, owner),
  async makeDirectory(root, path, owner) {
    if (path === '/') return;
    try {
      await mkdirAllInRootAsync(root, path, 0o755, owner);
    } catch (error) {
      const code = systemCode(error);
      if (code === 'ENOTDIR' || code === 'EEXIST') throw invalid(`cannot mkdir: ${path} is not a directory`, error);
      throw error;
    }
  },
};

/** The host's own files. Paths come from the user's request or from the engine's layout. */
export const hostFiles: HostFiles = {
  async kindOf(path) {
    try {
      return (await stat(path)).isDirectory() ? 'directory' : 'other';
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return 'missing';
      throw error;
    }
  },
  lookAt: mountSources,
  mountOf: async (path) => mountOf(await realpath(path)),
  async makeDirectory(path, mode) {
    await mkdir(path, { recursive: true, mode });
  },
  place: (directories, files) => place({ directories: directories.map((path) => ({ path, mode: 0o700 })), files }),
  async read(path) {
    try {
      return await readFile(path, 'utf8');
    } catch {
      return undefined;
    }
  },
  removeTrees,
  async list(path) {
    try {
      return await readdir(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  },
  async giveEmpty(path, owner, mode) {
    const { uid, gid } = await stat(path);
    if (uid !== 0 || gid !== 0 || (await readdir(path)).length > 0) return;
    await chown(path, owner.uid, owner.gid);
    if (mode !== undefined) await chmod(path, mode);
  },
  async chownTree(path, { uid, gid }, isOverlay) {
    if (!isOverlay) refuseSystemFolder(await realpath(path));
    await chownTree({ path, uid, gid });
  },
  hostname,
};

/** Folders that make a host one: with another owner it would not work any more. What is in them may be given away. */
const systemFolders: ReadonlySet<string> = new Set(
  '/ /bin /boot /dev /etc /home /lib /lib64 /media /mnt /opt /proc /root /run /sbin /srv /sys /tmp /usr /var'.split(
    ' ',
  ),
);

function refuseSystemFolder(path: string): void {
  const isSystem = systemFolders.has(path) || /^\/(etc|usr|proc|sys|dev|boot|var\/lib)(\/[^/]+)?$/.test(path);
  if (isSystem) throw invalid(`"U" would change the owner of everything in ${path}, a folder of the system`);
}
