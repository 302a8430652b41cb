import { ftruncateSync, writeSync } from 'node:fs';

/** Slices up to this size are gathered; larger ones are written as they are. */
const gatherLimit = 64 << 10;
const stagingSize = 1 << 20;
const zeros = Buffer.alloc(gatherLimit);

/**
 * Writes a fresh file from front to back; parts that are filled in later can be reserved. Synchronous: for worker
 * threads. Long runs of zeros are left as holes.
 */
export class SequentialOutput {
  readonly #fd: number;
  readonly #staging = Buffer.allocUnsafe(stagingSize);
  #staged = 0;
  #position: number;

  /** Begins at `position`; what is before it is written later. The file belongs to the caller. */
  constructor(fd: number, position: number) {
    this.#fd = fd;
    this.#position = position;
  }

  /** Where the next byte goes. */
  get position(): number {
    return this.#position + this.#staged;
  }

  append(bytes: Buffer): void {
    if (bytes.length <= gatherLimit) {
      if (this.#staged + bytes.length > stagingSize) this.#flush();
      bytes.copy(this.#staging, this.#staged);
      this.#staged += bytes.length;
      return;
    }
    this.#flush();
    if (!isZero(bytes)) this.writeAt(bytes, this.#position);
    this.#position += bytes.length;
  }

  /** Goes on at `position`, which must not be behind; the gap reads as zeros. */
  skipTo(position: number): void {
    const gap = position - this.position;
    if (gap <= gatherLimit) this.append(zeros.subarray(0, gap));
    else this.reserve(gap);
  }

  /** Leaves out `length` bytes for `writeAt`: nothing that is gathered may lie over them. */
  reserve(length: number): void {
    this.#flush();
    this.#position += length;
  }

  /** Writes at a place that was skipped. */
  writeAt(bytes: Buffer, position: number): void {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#fd, bytes, done, bytes.length - done, position + done);
    }
  }

  /** Writes out what is gathered; the file then ends at `position`. */
  finish(): void {
    this.#flush();
    ftruncateSync(this.#fd, this.#position);
  }

  #flush(): void {
    this.writeAt(this.#staging.subarray(0, this.#staged), this.#position);
    this.#position += this.#staged;
    this.#staged = 0;
  }
}

function isZero(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += zeros.length) {
    const part = bytes.subarray(at, at + zeros.length);
    if (part[0] !== 0 || !part.equals(zeros.subarray(0, part.length))) return false;
  }
  return true;
}
