/** Time as the engine sees it, so that tests can turn it by hand. */
export interface Clock {
  /** Wall clock, nanoseconds since 1970: what records, events and logs carry. */
  nowNs(): bigint;
  /** Monotonic milliseconds: what intervals and time-outs are measured with. */
  monotonicMs(): number;
}

let last = 0n;
/** The system's clock; two calls never give the same `nowNs` within one process. */
export const systemClock: Clock = {
  nowNs() {
    const now = BigInt(Date.now()) * 1_000_000n + BigInt(Math.floor((performance.now() % 1) * 1e6));
    last = now > last ? now : last + 1n;
    return last;
  },
  monotonicMs: () => performance.now(),
};

/** RFC 3339 with up to nine digits of a second and no trailing zeros, as Docker prints times: `2026-01-02T03:04:05.678901234Z`. */
export function formatTime(ns: bigint): string {
  const millis = Number(ns / 1_000_000n);
  const fraction = (ns % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '');
  return `${new Date(millis).toISOString().slice(0, 19)}${fraction === '' ? '' : `.${fraction}`}Z`;
}

/** What Docker writes for a time that never was. */
export const zeroTime = '0001-01-01T00:00:00Z';
