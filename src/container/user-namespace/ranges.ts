import { EngineError } from '../../base/errors.ts';
import type { IdRange } from '../../spec/contract/user-namespace.ts';

/** A run of ids of the host. */
export interface HostRange {
  readonly start: number;
  readonly count: number;
}

/**
 * The first `size` ids of `pool` in one piece that no range of `used` has. @throws unavailable when there are none.
 */
export function freeIds(pool: readonly HostRange[], used: readonly IdRange[], size: number): number {
  const taken = used.map(({ outside, size: length }) => ({ start: outside, end: outside + length }));
  taken.sort((a, b) => a.start - b.start);
  for (const { start, count } of pool) {
    let at = start;
    for (const range of taken) {
      if (range.end <= at) continue;
      if (range.start >= at + size) break;
      at = range.end;
    }
    if (at + size <= start + count) return at;
  }
  throw new EngineError('unavailable', `not enough unused ids for a user namespace of ${size}: see /etc/subuid`);
}

/** `size` ids from 0 on that begin at `base` on the host, but for `kept`, which is the same on both sides. */
export function rangesAround(base: number, size: number, kept: number | undefined): IdRange[] {
  if (kept === undefined) return [{ inside: 0, outside: base, size }];
  const same = { inside: kept, outside: kept, size: 1 };
  if (kept >= size) return [{ inside: 0, outside: base, size }, same];
  const after = { inside: kept + 1, outside: base + kept + 1, size: size - kept - 1 };
  return [{ inside: 0, outside: base, size: kept }, same, ...(after.size > 0 ? [after] : [])];
}
