import { blockSize, slotSize } from './_format.ts';
import type { SequentialOutput } from './_output.ts';

const firstRegion = 16 << 10;
const largestRegion = 1 << 20;
/** So many blocks with room left are looked through for each inode. */
const openBlocks = 8;

/**
 * Places the records of inodes (inode, extended attributes, inline content) into metadata regions: stretches of the
 * file that are reserved, filled in memory, and written when they are full. So memory stays bounded, while the inodes
 * of a small image, or of any thousand files, lie close together.
 */
export class InodeRegions {
  readonly #output: SequentialOutput;
  #nextSize = firstRegion;
  #start = 0;
  #region = Buffer.alloc(0);
  #usedBlocks = 0;
  /** Free space of open blocks: at what offset of the region it begins. */
  #open: number[] = [];

  constructor(output: SequentialOutput) {
    this.#output = output;
  }

  /** Stores a record at a free slot and returns its offset in the image. One of up to 4 KiB stays inside one block. */
  place(record: Buffer): number {
    const at = record.length > blockSize ? this.#newBlocks(record.length) : this.#fitting(record.length);
    record.copy(this.#region, at);
    return this.#start + at;
  }

  /** Changes a 32-bit number in a record that was placed before. */
  patch(position: number, value: number): void {
    if (position >= this.#start && position < this.#start + this.#region.length) {
      this.#region.writeUInt32LE(value, position - this.#start);
      return;
    }
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    this.#output.writeAt(bytes, position);
  }

  /** Writes the last region. */
  flush(): void {
    this.#output.writeAt(this.#region.subarray(0, this.#usedBlocks * blockSize), this.#start);
    this.#region = Buffer.alloc(0);
    this.#open = [];
    this.#usedBlocks = 0;
  }

  /** The open block in which the record leaves the least room, or a new one. */
  #fitting(length: number): number {
    let best = -1;
    let bestLeft = blockSize + 1;
    for (let i = 0; i < this.#open.length; i++) {
      const left = blockSize - ((this.#open[i] as number) % blockSize) - length;
      if (left >= 0 && left < bestLeft) {
        best = i;
        bestLeft = left;
      }
    }
    if (best < 0) {
      const at = this.#newBlocks(length);
      this.#remember(at + alignUp(length, slotSize));
      return at;
    }
    const at = this.#open[best] as number;
    const next = at + alignUp(length, slotSize);
    if (next % blockSize === 0) this.#open.splice(best, 1);
    else this.#open[best] = next;
    return at;
  }

  #remember(freeAt: number): void {
    if (freeAt % blockSize === 0) return;
    this.#open.push(freeAt);
    if (this.#open.length <= openBlocks) return;
    let fullest = 0;
    for (let i = 1; i < this.#open.length; i++) {
      if ((this.#open[i] as number) % blockSize > (this.#open[fullest] as number) % blockSize) fullest = i;
    }
    this.#open.splice(fullest, 1);
  }

  #newBlocks(length: number): number {
    const blocks = Math.ceil(length / blockSize);
    if ((this.#usedBlocks + blocks) * blockSize > this.#region.length) this.#newRegion(blocks * blockSize);
    const at = this.#usedBlocks * blockSize;
    this.#usedBlocks += blocks;
    return at;
  }

  #newRegion(least: number): void {
    this.flush();
    const size = Math.max(this.#nextSize, least);
    this.#nextSize = Math.min(this.#nextSize * 2, largestRegion);
    this.#output.skipTo(alignUp(this.#output.position, blockSize));
    this.#start = this.#output.position;
    this.#region = Buffer.alloc(size);
    this.#output.reserve(size);
  }
}

export const alignUp = (value: number, unit: number): number => Math.ceil(value / unit) * unit;
