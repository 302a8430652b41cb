/**
 * The line format of conmon's `k8s-file` log driver (the Kubernetes CRI logging format):
 *
 *     2026-11-23T02:18:20.263048793+00:00 stdout F a whole line, or the end of one
 *     2026-11-23T02:18:20.584526379+00:00 stdout P a part: what follows belongs to the same line
 *
 * The content is raw bytes. conmon writes what it read at once: at most 8 KiB, split at newlines.
 */
import type { LogEntry } from '../spec/contract/logs.ts';

const NEWLINE = 0x0a;
const SPACE = 0x20;
const FULL = 0x46;
const PART = 0x50;
const BEFORE_OUT = 'stdout'.length;
/** `2026-11-23T02:18:20`, the part of a time that changes once a second. */
const SECONDS_LENGTH = 19;

let lastSeconds = '';
let lastZone = '';
let lastBase = 0n;

/** Nanoseconds since 1970 of an RFC 3339 time with any number of decimals; undefined when it is none. */
export function parseTime(text: string): bigint | undefined {
  let at = SECONDS_LENGTH;
  let nanos = 0;
  if (text[at] === '.') {
    let digits = 0;
    for (at++; at < text.length; at++) {
      const digit = text.charCodeAt(at) - 48;
      if (digit < 0 || digit > 9) break;
      if (digits++ < 9) nanos = nanos * 10 + digit;
    }
    for (; digits < 9; digits++) nanos *= 10;
  }
  const seconds = text.slice(0, SECONDS_LENGTH);
  const zone = text.slice(at);
  // Lines come in bursts: the calendar is computed once a second.
  if (seconds !== lastSeconds || zone !== lastZone) {
    const millis = Date.parse(seconds + zone);
    if (Number.isNaN(millis)) return undefined;
    lastSeconds = seconds;
    lastZone = zone;
    lastBase = BigInt(millis) * 1_000_000n;
  }
  return lastBase + BigInt(nanos);
}

/** Where the tag of the line at [start, end) is; -1 when it is not a line of this format. */
function tagAt(block: Buffer, start: number, end: number): number {
  const afterTime = block.indexOf(SPACE, start);
  const tag = afterTime + BEFORE_OUT + 2;
  if (afterTime < 0 || tag >= end || block[tag - 1] !== SPACE) return -1;
  if (block[tag] !== FULL && block[tag] !== PART) return -1;
  return tag + 1 === end || block[tag + 1] === SPACE ? tag : -1;
}

/**
 * The entry of the line at [start, end), `end` being its newline. The bytes are a view of `block`. Undefined for a
 * damaged line.
 */
export function parseLine(block: Buffer, start: number, end: number): LogEntry | undefined {
  const tag = tagAt(block, start, end);
  if (tag < 0) return undefined;
  const name = tag - 1 - BEFORE_OUT;
  const fourth = block[name + 3];
  // stdOut or stdErr.
  if (fourth !== 0x6f && fourth !== 0x65) return undefined;
  const timeNs = parseTime(block.toString('latin1', start, name - 1));
  if (timeNs === undefined) return undefined;
  const content = Math.min(tag + 2, end);
  // The newline of a whole line is the container's own one, and stands right behind its content.
  const bytes = block.subarray(content, block[tag] === FULL ? end + 1 : end);
  return { stream: fourth === 0x6f ? 'stdout' : 'stderr', timeNs, bytes };
}

/** All entries of a block that ends with a newline; damaged lines are left out. */
export function parseBlock(block: Buffer): LogEntry[] {
  const entries: LogEntry[] = [];
  for (let start = 0; start < block.length; ) {
    const end = block.indexOf(NEWLINE, start);
    if (end < 0) break;
    const entry = parseLine(block, start, end);
    if (entry !== undefined) entries.push(entry);
    start = end + 1;
  }
  return entries;
}

/** Does the line at [start, end) end a line of the container? */
export function endsLine(block: Buffer, start: number, end: number): boolean {
  const tag = tagAt(block, start, end);
  return tag >= 0 && block[tag] === FULL;
}
