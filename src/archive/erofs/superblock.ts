import { blockSize, rootAt, slotSize, superblockAt, writeU64 } from './_format.ts';

export { blockSize } from './_format.ts';

const magic = 0xe0f5e1e2;
/** EROFS_FEATURE_COMPAT_SB_CHKSUM and _MTIME. */
const compatibleFeatures = 0x1 | 0x2;
const blocksOffset = 36;

/** How long an image must be, out of its first block; undefined when that is no EROFS image of this kind. */
export function imageSize(first: Buffer): number | undefined {
  if (first.readUInt32LE(superblockAt) !== magic || first[superblockAt + 12] !== Math.log2(blockSize)) return undefined;
  return first.readUInt32LE(superblockAt + blocksOffset) * blockSize;
}

/** struct erofs_super_block, without its checksum. */
export function encodeSuperblock(into: Buffer, fields: { inodes: number; blocks: number; uuid: Uint8Array }): void {
  const at = superblockAt;
  into.writeUInt32LE(magic, at);
  into.writeUInt32LE(compatibleFeatures, at + 8);
  into[at + 12] = Math.log2(blockSize);
  into.writeUInt16LE(rootAt / slotSize, at + 14);
  writeU64(into, fields.inodes, at + 16);
  into.writeUInt32LE(fields.blocks, at + blocksOffset);
  into.set(fields.uuid.subarray(0, 16), at + 48);
}

/** Fills in the checksum: CRC-32C over the first block from the superblock on, without the final inversion. */
export function sealSuperblock(block: Buffer): void {
  block.writeUInt32LE(0, superblockAt + 4);
  block.writeUInt32LE(crc32c(block.subarray(superblockAt, blockSize)), superblockAt + 4);
}

function crc32c(bytes: Buffer): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f6_3b78;
  }
  return crc >>> 0;
}
