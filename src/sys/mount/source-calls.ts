/** What is at a path of the host, and how it is mounted. For the syscall worker: any file system may sleep. */
import { statSync } from 'node:fs';
import { check, systemCode } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, { statvfs: { arguments: ['pointer', 'pointer'], return: 'i32' } });

export interface MountSource {
  readonly kind: 'directory' | 'other' | 'missing';
  /** Those flags of the mount that take something away: `ro`, `nosuid`, `nodev`, `noexec`. */
  readonly flags: readonly string[];
}

/** struct statvfs of glibc on 64-bit machines: `f_flag` is the tenth word. */
const sizeOfStatvfs = 112;
const flagOffset = 72;
/** statvfs(3). */
const flagBits = { ro: 1, nosuid: 2, nodev: 4, noexec: 8 } as const;

/** Looks at each path; links are followed. */
export const lookAtSources = (paths: readonly string[]): MountSource[] => paths.map(lookAtSource);

function lookAtSource(path: string): MountSource {
  let kind: MountSource['kind'];
  try {
    kind = statSync(path).isDirectory() ? 'directory' : 'other';
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'missing', flags: [] };
    throw error;
  }
  const buffer = Buffer.alloc(sizeOfStatvfs);
  check(libc.statvfs(path, buffer), 'statvfs', path);
  const bits = buffer.readUInt32LE(flagOffset);
  return {
    kind,
    flags: Object.entries(flagBits)
      .filter(([, bit]) => (bits & bit) !== 0)
      .map(([name]) => name),
  };
}
