import type { FileType, NodeMeta } from './tree.ts';

/**
 * The on-disk format of EROFS, as far as Gantry writes it: uncompressed images of 4 KiB blocks. Source of all layouts:
 * Linux, fs/erofs/erofs_fs.h; all numbers are little-endian. Every kernel since 5.4 reads it.
 *
 * An inode is addressed by its nid: its byte offset in the image divided by 32 (`meta_blkaddr` is 0 here). It is
 * followed by its extended attributes and, in the "flat inline" layout, by the last part of its content, which must
 * end in the block in which it begins.
 */
export const blockSize = 4096;
/** Inodes begin at multiples of this. */
export const slotSize = 32;
/** An "extended" inode: the only form with its own mtime and 32-bit ids. */
export const inodeSize = 64;
/** The superblock's offset. What comes before it is free for other uses (boot sectors; here: Gantry's header). */
export const superblockAt = 1024;
const superblockSize = 128;
/** The root inode must have a 16-bit nid: it follows the superblock. */
export const rootAt = superblockAt + superblockSize;

/** The last part of a file up to this size goes behind its inode, not into a block of its own. */
export const inlineLimit = 3072;

const formatBits: Readonly<Record<FileType, number>> = {
  file: 0o100000,
  directory: 0o040000,
  char: 0o020000,
  block: 0o060000,
  fifo: 0o010000,
  socket: 0o140000,
  symlink: 0o120000,
};

/** EROFS_INODE_FLAT_PLAIN and _FLAT_INLINE. */
export const layout = { plain: 0, inline: 2 } as const;

export interface InodeFields {
  readonly meta: NodeMeta;
  readonly type: FileType;
  readonly layout: (typeof layout)[keyof typeof layout];
  readonly size: number;
  /** First block of the content, or the device number. */
  readonly union: number;
  readonly xattrLength: number;
  readonly ino: number;
  readonly links: number;
}

/** Where the link count is in an inode, for those that get more links later. */
export const linksOffset = 44;

/** struct erofs_inode_extended */
export function encodeInode(into: Buffer, at: number, inode: InodeFields): void {
  const { meta } = inode;
  into.writeUInt16LE(1 | (inode.layout << 1), at);
  into.writeUInt16LE(xattrUnits(inode.xattrLength), at + 2);
  into.writeUInt16LE(formatBits[inode.type] | meta.mode, at + 4);
  writeU64(into, inode.size, at + 8);
  into.writeUInt32LE(inode.union, at + 16);
  into.writeUInt32LE(inode.ino >>> 0, at + 20);
  into.writeUInt32LE(meta.uid, at + 24);
  into.writeUInt32LE(meta.gid, at + 28);
  into.writeBigInt64LE(BigInt(meta.mtime), at + 32);
  into.writeUInt32LE(meta.mtimeNsec, at + 40);
  into.writeUInt32LE(inode.links, at + linksOffset);
}

/** i_xattr_icount: 0 for none, else 1 for the 12-byte header and 1 for every 4 bytes of entries. */
const xattrUnits = (length: number): number => (length === 0 ? 0 : (length - 12) / 4 + 1);

export function writeU64(into: Buffer, value: number, at: number): void {
  into.writeUInt32LE(value % 0x1_0000_0000, at);
  into.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
}

/** The kernel's new_encode_dev(). */
export const encodeDevice = (major: number, minor: number): number =>
  ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
