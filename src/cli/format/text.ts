import { humanDuration } from '../../base/text/duration.ts';

/** `text` cut to `width` characters, the last of which is an ellipsis when something was cut off. */
export function ellipsis(text: string, width: number): string {
  const chars = Array.from(text);
  return chars.length <= width ? text : `${chars.slice(0, width - 1).join('')}…`;
}

/** The 12 digits by which people know an id; `sha256:` is left out. */
export function shortId(id: string): string {
  const at = id.indexOf(':');
  return (at < 0 ? id : id.slice(at + 1)).slice(0, 12);
}

const two = (value: number): string => String(value).padStart(2, '0');

/** The local zone's offset `+0200` and name `CEST` at a moment. */
function zoneOf(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  if (minutes === 0 && (process.env['TZ'] ?? 'UTC') === 'UTC') return '+0000 UTC';
  const size = Math.abs(minutes);
  const offset = `${minutes < 0 ? '-' : '+'}${two(Math.trunc(size / 60))}${two(size % 60)}`;
  const name = new Intl.DateTimeFormat('en-GB', { timeZoneName: 'short' })
    .formatToParts(date)
    .find(({ type }) => type === 'timeZoneName')?.value;
  return `${offset} ${name === undefined || name.includes('+') || name.includes('-') ? offset.slice(0, 3) : name}`;
}

/** Seconds since 1970 as Go prints a local time: `2026-01-02 15:04:05 +0000 UTC`. */
export function goTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())} ${zoneOf(date)}`;
}

/** `3 weeks ago`, counted from now. */
export const timeAgo = (seconds: number): string => `${humanDuration(Date.now() - seconds * 1000)} ago`;

/** An RFC 3339 time as Go prints it: `2026-01-02 15:04:05.678901234 +0000 UTC`, in the zone it is written in. */
export function goTimestamp(text: string): string {
  const [day = '', rest = ''] = text.split('T');
  const zoneAt = Math.max(rest.indexOf('Z'), rest.indexOf('+'), rest.indexOf('-'));
  const zone = zoneAt < 0 ? '' : rest.slice(zoneAt);
  const time = zoneAt < 0 ? rest : rest.slice(0, zoneAt);
  if (zone === 'Z' || zone === '') return `${day} ${time} +0000 UTC`;
  const offset = zone.replace(':', '');
  return `${day} ${time} ${offset} ${offset}`;
}

/** Seconds since 1970 in RFC 3339 in the local zone, as Go prints it: `2026-01-02T15:04:05Z`, `...+02:00`. */
export function goRfc3339(seconds: number): string {
  const [day, time, zone = ''] = goTime(seconds).split(' ');
  const offset = zone === '+0000' ? 'Z' : `${zone.slice(0, 3)}:${zone.slice(3)}`;
  return `${day}T${time}${offset}`;
}
