import { invalid } from '../../base/errors.ts';
import { isDecimal } from '../../base/text/digits.ts';
import { parseDuration } from '../../base/text/duration.ts';

/**
 * A point in time as `since` and `until` say it, in nanoseconds since 1970: Unix seconds with an optional fraction
 * (`1700000000.000000001`), RFC 3339 down to the day (`2026-01-02`, `2026-01-02T15:04:05.5+01:00`; without a zone it
 * is UTC), or a duration before `nowNs` (`10m`, `1h30m`).
 * @throws EngineError `invalid`, naming `what`.
 */
export function parseTimestamp(text: string, nowNs: bigint, what: string): bigint {
  const time = text.length > 64 ? undefined : (unixTime(text) ?? calendarTime(text));
  if (time !== undefined) return time;
  try {
    return nowNs - parseDuration(text);
  } catch {
    throw invalid(`invalid value for "${what}": ${JSON.stringify(text.slice(0, 64))} is no time`);
  }
}

const isDigit = (char: string): boolean => char >= '0' && char <= '9';

function unixTime(text: string): bigint | undefined {
  const negative = text.startsWith('-');
  const [seconds = '', fraction, ...more] = (negative ? text.slice(1) : text).split('.');
  if (more.length > 0 || !isDecimal(seconds) || seconds.length > 12) return undefined;
  if (fraction !== undefined && fraction !== '' && !isDecimal(fraction)) return undefined;
  const ns = BigInt(seconds) * 1_000_000_000n + BigInt((fraction ?? '').slice(0, 9).padEnd(9, '0'));
  return negative ? -ns : ns;
}

/** Reads fixed-width digit groups and separators: `dddd-dd-dd`. */
function digitsAt(text: string, at: number, count: number): number {
  const part = text.slice(at, at + count);
  return part.length === count && isDecimal(part) ? Number(part) : Number.NaN;
}

function calendarTime(text: string): bigint | undefined {
  if (text[4] !== '-' || text[7] !== '-') return undefined;
  const parts = [digitsAt(text, 0, 4), digitsAt(text, 5, 2), digitsAt(text, 8, 2), 0, 0, 0];
  let at = 10;
  if (text[at] === 'T' || text[at] === 't' || text[at] === ' ') {
    parts[3] = digitsAt(text, at + 1, 2);
    at += 3;
    for (const index of [4, 5]) {
      if (text[at] !== ':') break;
      parts[index] = digitsAt(text, at + 1, 2);
      at += 3;
    }
  }
  let fraction = '';
  if (text[at] === '.') {
    for (at++; at < text.length && isDigit(text.charAt(at)); at++) fraction += text.charAt(at);
    if (fraction === '') return undefined;
  }
  const zoneMinutes = zoneOffset(text.slice(at));
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts;
  const ranges = month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour <= 24 && minute <= 59 && second <= 60;
  if (zoneMinutes === undefined || !ranges) return undefined;
  // Not Date.UTC: it takes the year 1, which Go's zero time has, for 1901.
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const ms = date.setUTCHours(hour, minute, second) - zoneMinutes * 60_000;
  return Number.isNaN(ms) ? undefined : BigInt(ms) * 1_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
}

/** Minutes east of UTC; undefined when it is no zone. */
function zoneOffset(text: string): number | undefined {
  if (text === '' || text === 'Z' || text === 'z') return 0;
  const sign = text[0] === '+' ? 1 : text[0] === '-' ? -1 : 0;
  const minutes = digitsAt(text, 1, 2) * 60 + digitsAt(text, 4, 2);
  return sign !== 0 && text.length === 6 && text[3] === ':' && !Number.isNaN(minutes) ? sign * minutes : undefined;
}
