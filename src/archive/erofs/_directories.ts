import type { ByteString } from '../tar/entry.ts';
import { type Dirent, directorySize, encodeDirectory, sortNames } from './_directory.ts';
import { blockSize, encodeInode, inlineLimit, inodeSize, layout, rootAt, slotSize } from './_format.ts';
import { alignUp } from './_inodes.ts';
import type { SequentialOutput } from './_output.ts';
import { encodeXattrs } from './_xattr.ts';
import { codeOfRef, type Directory, directoryCode, isDirectory, nidOf } from './tree.ts';

/** A directory with its place in the image. */
interface Placed {
  readonly directory: Directory;
  readonly names: readonly ByteString[];
  readonly xattrs: Buffer;
  readonly size: number;
  /** Bytes of content behind the inode; those before them are in whole blocks from `firstBlock` on. */
  readonly inline: number;
  /** Offset of the inode in the image. */
  readonly at: number;
  firstBlock: number;
}

/**
 * Writes all directories at the output's position; the root's inode goes into `first`, the image's first block.
 * An entry needs the nid of a directory that comes later, so all are placed before the first is written.
 */
export function writeDirectories(
  output: SequentialOutput,
  root: Directory,
  first: Buffer,
  nextIno: () => number,
): void {
  const base = alignUp(output.position, blockSize);
  const { all, end } = placeAll(root, base);
  let block = alignUp(end, blockSize) / blockSize;
  for (const placed of all) {
    if (placed.size === placed.inline) continue;
    placed.firstBlock = block;
    block += Math.ceil((placed.size - placed.inline) / blockSize);
  }
  const nids = new Map(all.map((placed) => [placed.directory, placed.at / slotSize]));
  for (const placed of all) {
    const record = encodeRecord(placed, encodeDirectory(direntsOf(placed, nids), placed.size), nextIno());
    if (placed.directory === root) record.copy(first, rootAt);
    else {
      output.skipTo(placed.at);
      output.append(record);
    }
  }
  for (const placed of all) {
    const plain = placed.size - placed.inline;
    if (plain === 0) continue;
    output.skipTo(placed.firstBlock * blockSize);
    output.append(encodeDirectory(direntsOf(placed, nids), placed.size).subarray(0, plain));
  }
}

/** Breadth first: the entries of a directory lie side by side. */
function placeAll(root: Directory, base: number): { all: Placed[]; end: number } {
  const all = [place(root, rootAt, blockSize - rootAt)];
  let at = base;
  for (let i = 0; i < all.length; i++) {
    for (const child of (all[i] as Placed).directory.children.values()) {
      if (!isDirectory(child)) continue;
      let placed = place(child, at, blockSize);
      const length = recordLength(placed);
      // A record of up to a block stays inside one: inline content must not cross a border.
      if ((at % blockSize) + length > blockSize && length <= blockSize) {
        at = alignUp(at, blockSize);
        placed = { ...placed, at };
      }
      all.push(placed);
      at = alignUp(at + length, slotSize);
    }
  }
  return { all, end: at };
}

const recordLength = (placed: Placed): number => inodeSize + placed.xattrs.length + placed.inline;

function place(directory: Directory, at: number, room: number): Placed {
  const names = sortNames(directory.children.keys());
  const xattrs = encodeXattrs(directory.meta.xattrs);
  const size = directorySize(names);
  const tail = size % blockSize;
  const inline = tail <= inlineLimit && inodeSize + xattrs.length + tail <= room ? tail : 0;
  return { directory, names, xattrs, size, inline, at, firstBlock: 0 };
}

function direntsOf({ directory, names, at }: Placed, nids: ReadonlyMap<Directory, number>): Dirent[] {
  const own = at / slotSize;
  const parent = directory.parent === undefined ? own : (nids.get(directory.parent) ?? own);
  return names.map((name) => {
    if (name === '.') return { name, nid: own, fileType: directoryCode };
    if (name === '..') return { name, nid: parent, fileType: directoryCode };
    const node = directory.children.get(name);
    if (isDirectory(node)) return { name, nid: nids.get(node) ?? 0, fileType: directoryCode };
    return node === undefined ? { name, nid: 0, fileType: 0 } : { name, nid: nidOf(node), fileType: codeOfRef(node) };
  });
}

function encodeRecord(placed: Placed, content: Buffer, ino: number): Buffer {
  const { directory, xattrs, size, inline } = placed;
  const record = Buffer.alloc(recordLength(placed));
  let links = 2;
  for (const child of directory.children.values()) if (isDirectory(child)) links++;
  encodeInode(record, 0, {
    meta: directory.meta,
    type: 'directory',
    layout: inline > 0 ? layout.inline : layout.plain,
    size,
    union: placed.firstBlock,
    xattrLength: xattrs.length,
    ino,
    links,
  });
  xattrs.copy(record, inodeSize);
  content.copy(record, inodeSize + xattrs.length, size - inline);
  return record;
}
