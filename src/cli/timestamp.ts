import { messageOf } from '../base/errors.ts';
import { parseDuration } from '../base/text/duration.ts';
import { CliError } from './errors.ts';

/**
 * A point in time as users write it (`42m` ago, `2026-01-02`, RFC 3339 with or without zone, Unix seconds) as the
 * Engine API takes it: seconds, a point and nanoseconds. @throws CliError naming the flag `name`.
 */
export function timestampText(text: string, name: string, now = Date.now()): string {
  if (/^[0-9]+(\.[0-9]+)?$/.test(text)) return text;
  const duration = tryDuration(text);
  if (duration !== undefined) return fromNanoseconds(BigInt(now) * 1_000_000n - duration);
  const time = parseTime(text);
  if (time !== undefined) return time;
  throw new CliError(
    `invalid value for ${JSON.stringify(name)}: failed to parse value as time or duration: ${JSON.stringify(text)}`,
  );
}

function tryDuration(text: string): bigint | undefined {
  try {
    return parseDuration(text);
  } catch (error) {
    if (messageOf(error).startsWith('time: ')) return undefined;
    throw error;
  }
}

const fromNanoseconds = (ns: bigint): string =>
  `${ns / 1_000_000_000n}.${(ns % 1_000_000_000n).toString().padStart(9, '0')}`;

/** RFC 3339, its zone and its time of day optional: without a zone it is local time. */
function parseTime(text: string): string | undefined {
  const point = /\.([0-9]{1,9})/.exec(text);
  const whole = point === null ? text : text.replace(point[0], '');
  if (!/^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}(:[0-9]{2}(:[0-9]{2})?)?)?(Z|[+-][0-9]{2}:[0-9]{2})?$/.test(whole)) {
    return undefined;
  }
  const zone = /(Z|[+-][0-9]{2}:[0-9]{2})$/.exec(whole.slice(10))?.[0] ?? '';
  const local = whole.slice(0, whole.length - zone.length);
  const full = local.length === 10 ? `${local}T00:00:00` : local.padEnd(19, ':00');
  const milliseconds = Date.parse(full + zone);
  if (Number.isNaN(milliseconds)) return undefined;
  return `${Math.floor(milliseconds / 1000)}.${(point?.[1] ?? '').padEnd(9, '0')}`;
}
