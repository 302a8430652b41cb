import { EngineError } from '../../base/errors.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import { setOwnerAndMode, setTime, setXattrOf } from '../../sys/file/at.ts';
import type { NodeMeta } from '../erofs/tree.ts';

/**
 * Gives an open file or directory what a node has. The order matters: a new owner clears set-id bits and capabilities, an
 * ACL has a say in the mode, and everything changes times.
 */
export function applyMetadata(fd: number, meta: NodeMeta): void {
  setOwnerAndMode(fd, meta, meta.mode);
  for (const [name, value] of meta.xattrs ?? []) applyXattr(fd, name, value);
  setTime(fd, meta);
}

/** As Docker does, what the file system cannot keep is left out; overlayfs's own attributes are no ornament. */
function applyXattr(fd: number, name: string, value: Uint8Array): void {
  try {
    setXattrOf(fd, name, value);
  } catch (error) {
    const code = systemCode(error);
    if (code !== 'ENOTSUP' && code !== 'EOPNOTSUPP') throw error;
    if (name.startsWith('trusted.'))
      throw new EngineError('unavailable', `the file system of the data root has no extended attributes (${name})`);
  }
}
