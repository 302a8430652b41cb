/**
 * The line format of conmon's `k8s-file` log driver (the Kubernetes CRI logging format):
 *
 *     2026-11-23T02:18:20.263048793+00:00 stdout F a whole line, or the end of one
 *     2026-11-23T02:18:20.584526379+00:00 stdout P a part: what follows belongs to the same line
 *
 * The content is raw bytes. conmon writes what it read at once: at most 8 KiB, split at newlines.
 */

const SPACE = 0x20;
const FULL = 0x46;
const PART = 0x50;
const BEFORE_OUT = 'stdout'.length;
/** `2026-11-23T02:18:20`, the part of a time that changes once a second. */
const SECONDS_LENGTH = 19;
/** Of a time as conmon writes it, with nine decimals and the zone. */
export const TIME_LENGTH = 35;

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

/** Where the tag (`F` or `P`) of the line at [start, end) is; -1 when it is not a line of this format. */
export function tagAt(block: Buffer, start: number, end: number): number {
  // Nearly always the time has its full length: no need to look for its end.
  const afterTime = block[start + TIME_LENGTH] === SPACE ? start + TIME_LENGTH : block.indexOf(SPACE, start);
  const tag = afterTime + BEFORE_OUT + 2;
  if (afterTime < 0 || tag >= end || block[tag - 1] !== SPACE) return -1;
  // stdOut or stdErr.
  const fourth = block[afterTime + 4];
  if (fourth !== 0x6f && fourth !== 0x65) return -1;
  if (block[tag] !== FULL && block[tag] !== PART) return -1;
  return tag + 1 === end || block[tag + 1] === SPACE ? tag : -1;
}

/** Is the line with its tag at `tag` one of stderr? */
export const isStderr = (block: Buffer, tag: number): boolean => block[tag - 1 - BEFORE_OUT + 3] === 0x65;

/** Does the line with its tag at `tag` end a line of the container? */
export const isFull = (block: Buffer, tag: number): boolean => block[tag] === FULL;

/** Where the time of the line with its tag at `tag` ends. */
export const timeEnd = (tag: number): number => tag - BEFORE_OUT - 2;

/** Does the line at [start, end) end a line of the container? */
export function endsLine(block: Buffer, start: number, end: number): boolean {
  const tag = tagAt(block, start, end);
  return tag >= 0 && block[tag] === FULL;
}
