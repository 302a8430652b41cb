import type { ByteString } from '../tar/entry.ts';
import { blockSize, writeU64 } from './_format.ts';

/** struct erofs_dirent: nid (8 bytes), offset of the name, file type, reserved. */
const direntSize = 12;

/** One name in a directory, and where it leads. */
export interface Dirent {
  readonly name: ByteString;
  readonly nid: number;
  readonly fileType: number;
}

/** Names in the order of a directory: ascending by bytes, `.` and `..` among them. */
export function sortNames(names: Iterable<ByteString>): ByteString[] {
  const sorted = ['.', '..', ...names];
  return sorted.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

/**
 * The content of a directory is cut into blocks; each begins with its dirents, then come their names, and no name
 * crosses into the next block. This is its size: full blocks, and what is used of the last.
 */
export function directorySize(sorted: readonly ByteString[]): number {
  let full = 0;
  let used = 0;
  for (const name of sorted) {
    const length = direntSize + name.length;
    if (used + length > blockSize) {
      full += blockSize;
      used = 0;
    }
    used += length;
  }
  return full + used;
}

/** The content of a directory of `size` bytes, as `directorySize` gave it. */
export function encodeDirectory(dirents: readonly Dirent[], size: number): Buffer {
  const content = Buffer.alloc(size);
  for (let first = 0, block = 0; first < dirents.length; block += blockSize) {
    const end = blockEnd(dirents, first);
    let nameAt = (end - first) * direntSize;
    for (let i = first; i < end; i++) {
      const { name, nid, fileType } = dirents[i] as Dirent;
      const at = block + (i - first) * direntSize;
      writeU64(content, nid, at);
      content.writeUInt16LE(nameAt, at + 8);
      content[at + 10] = fileType;
      content.write(name, block + nameAt, 'latin1');
      nameAt += name.length;
    }
    first = end;
  }
  return content;
}

function blockEnd(dirents: readonly Dirent[], first: number): number {
  let used = 0;
  let end = first;
  for (; end < dirents.length; end++) {
    used += direntSize + (dirents[end] as Dirent).name.length;
    if (used > blockSize) break;
  }
  return end;
}
