import { endsLine } from './line.ts';
import type { LogFile } from './log-file.ts';

const NEWLINE = 0x0a;
const BLOCK_BYTES = 64 * 1024;
const MOST_CARRIED = 1024 * 1024;

/** Lines of the container counted so far, from the end backwards. */
interface Count {
  lines: number;
  readonly wanted: number;
}

/**
 * Sets the positions of `files` (newest first) so that the last `wanted` lines of the container follow; answers how
 * many of the files are needed. Reads backwards, so that only as much is read as is shown.
 */
export async function seekTail(files: readonly LogFile[], wanted: number): Promise<number> {
  const count: Count = { lines: 0, wanted };
  for (const [index, file] of files.entries()) {
    const start = await lineStart(file, count);
    file.position = start ?? 0;
    if (start !== undefined) return index + 1;
  }
  return files.length;
}

/** Where in the file the wanted lines begin; undefined when they begin in an older file. */
async function lineStart(file: LogFile, count: Count): Promise<number | undefined> {
  let at = Math.min((await file.handle.stat()).size, file.end);
  // The begin of a record whose end is in the block after this one; `whole`: it has an end at all.
  let carry: Buffer = Buffer.alloc(0);
  let whole = false;
  while (at > 0) {
    const length = Math.min(BLOCK_BYTES, at);
    const block = Buffer.allocUnsafe(length + carry.length);
    const { bytesRead } = await file.handle.read(block, 0, length, at - length);
    if (bytesRead < length) return 0;
    carry.copy(block, length);
    at -= length;
    const from: number = whole ? block.length : block.lastIndexOf(NEWLINE) + 1;
    const start = backwards(block, from, at === 0, count);
    if (typeof start === 'object') return at + start.found;
    whole ||= from > 0;
    carry = Buffer.from(block.subarray(0, whole ? start : block.length));
    // No record is that long: what this is of is damaged, and the search begins anew before it.
    if (carry.length > MOST_CARRIED) {
      carry = Buffer.alloc(0);
      whole = false;
    }
  }
  return undefined;
}

/**
 * Counts the records of `block` that end before `end` (which is behind a newline), from the last one back. Answers
 * where the wanted lines begin, or where the first record ends that was not looked at: its begin is not here.
 */
function backwards(block: Buffer, end: number, isFirst: boolean, count: Count): { found: number } | number {
  let behind = end;
  while (behind > 0) {
    const before = behind >= 2 ? block.lastIndexOf(NEWLINE, behind - 2) : -1;
    if (before < 0 && !isFirst) return behind;
    const start = before + 1;
    if (endsLine(block, start, behind - 1)) {
      if (count.lines === count.wanted) return { found: behind };
      count.lines++;
    } else if (count.lines === 0) {
      // The container has not finished its last line.
      if (count.wanted === 0) return { found: behind };
      count.lines = 1;
    }
    behind = start;
  }
  return behind;
}
