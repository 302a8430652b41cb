/** EROFS mounts for the syscall worker: straight from the file, or through a loop device on kernels before 6.12. */
import { type MountOption, mountNew } from './calls.ts';
import { mountByLoopSync } from './loop-calls.ts';

/**
 * How an image comes to be mounted. From its file (Linux 6.12), past the page cache of the file where the kernel can do
 * that (6.15): otherwise what is read is cached twice. Or through a loop device, with direct I/O for the same reason.
 */
export type ErofsMethod = 'file-direct' | 'file' | 'loop';

/** Mounts the EROFS image in `file` read-only. @throws SystemError: `ENOTBLK` or `EINVAL` when the kernel cannot do it so. */
export function mountErofsSync(file: string, target: string, method: ErofsMethod): void {
  if (method === 'loop') return mountByLoopSync(file, 'erofs', ['ro'], target, false);
  const options: MountOption[] = [['source', file], 'ro', ...(method === 'file-direct' ? ['directio'] : [])];
  mountNew('erofs', options, target, { readOnly: true });
}
