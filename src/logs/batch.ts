import type { LogBatch } from '../spec/contract/logs.ts';
import { isFull, isStderr, parseTime, tagAt, TIME_LENGTH, timeEnd } from './line.ts';

const NEWLINE = 0x0a;
/** A record has at least a short time, a stream and a tag: no block holds more of them than its bytes through this. */
const LEAST_RECORD = 16;
const NINE_DIGITS = 1_000_000_000n;

/** The entries of one block of a log file. It is filled again and again: nothing is made for a single line. */
export class Batch implements LogBatch {
  readonly block: Buffer;
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  readonly kinds: Uint8Array;
  /** Identity of the file that the block is of, and where in it the block begins and ends. */
  file = '';
  base = 0;
  end = 0;
  readonly #records: Uint32Array;
  readonly #tags: Uint32Array;
  #count = 0;

  constructor(block: Buffer) {
    this.block = block;
    const most = Math.ceil(block.length / LEAST_RECORD);
    this.starts = new Uint32Array(most);
    this.ends = new Uint32Array(most);
    this.kinds = new Uint8Array(most);
    this.#records = new Uint32Array(most);
    this.#tags = new Uint32Array(most);
  }

  get count(): number {
    return this.#count;
  }

  /** Finds the entries of the block's first `length` bytes, which end with a newline; damaged lines are left out. */
  scan(length: number): void {
    const { block } = this;
    let count = 0;
    for (let start = 0; start < length; ) {
      const end = block.indexOf(NEWLINE, start);
      if (end < 0 || end >= length) break;
      const tag = tagAt(block, start, end);
      if (tag >= 0) {
        const full = isFull(block, tag);
        this.#records[count] = start;
        this.#tags[count] = tag;
        this.starts[count] = Math.min(tag + 2, end);
        // The newline of a whole line is the container's own one, and stands right behind its content.
        this.ends[count] = full ? end + 1 : end;
        this.kinds[count++] = (isStderr(block, tag) ? 2 : 1) | (full ? 0 : 4);
      }
      start = end + 1;
    }
    this.#count = count;
  }

  /** Where in the file the record of an entry begins; for the one behind the last, where reading goes on. */
  place(index: number): number {
    return index < this.#count ? this.base + (this.#records[index] ?? 0) : this.end;
  }

  timeNs(index: number): bigint {
    return parseTime(this.#time(index)) ?? 0n;
  }

  copyTime(index: number, target: Buffer, at: number): number {
    const tag = this.#tags[index] ?? 0;
    const start = this.#records[index] ?? 0;
    const end = timeEnd(tag);
    // conmon writes UTC as +00:00 and nine decimals: only the zone is to be said otherwise.
    if (end - start === TIME_LENGTH && this.block.toString('latin1', end - 6, end) === '+00:00') {
      this.block.copy(target, at, start, end - 6);
      target[at + TIME_LENGTH - 6] = 0x5a;
      return at + TIME_LENGTH - 5;
    }
    return at + target.write(fixedTime(this.timeNs(index)), at, 'latin1');
  }

  /** Keeps the entries that `wanted` says yes to. */
  retain(wanted: (index: number) => boolean): void {
    let kept = 0;
    for (let index = 0; index < this.#count; index++) {
      if (!wanted(index)) continue;
      if (kept < index) {
        for (const marks of [this.starts, this.ends, this.kinds, this.#records, this.#tags]) {
          marks[kept] = marks[index] ?? 0;
        }
      }
      kept++;
    }
    this.#count = kept;
  }

  /** Leaves out the entries from `count` on. */
  cut(count: number): void {
    this.#count = Math.min(this.#count, count);
  }

  #time(index: number): string {
    return this.block.toString('latin1', this.#records[index] ?? 0, timeEnd(this.#tags[index] ?? 0));
  }
}

/** RFC 3339 in UTC with exactly nine digits of a second, so that the lines of a log align. */
function fixedTime(ns: bigint): string {
  const seconds = new Date(Number(ns / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}.${(ns % NINE_DIGITS).toString().padStart(9, '0')}Z`;
}

/** A batch of one entry that no container wrote: what the engine has to say in a log. */
export function noticeBatch(timeNs: bigint, text: string): Batch {
  const batch = new Batch(Buffer.from(`${fixedTime(timeNs)} stderr F [${text}]\n`));
  batch.scan(batch.block.length);
  return batch;
}
