import { invalid } from '../errors.ts';

const nanoseconds: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};
const greatest = (1n << 63n) - 1n;

const isDigit = (char: string | undefined): boolean => char !== undefined && char >= '0' && char <= '9';

/**
 * Nanoseconds in a duration as Go writes it: `1h2m3.5s`, `300ms`, `-2m`, `0`.
 * @throws EngineError `invalid` worded as Go's time.ParseDuration.
 */
export function parseDuration(text: string): bigint {
  const bad = (what = 'invalid duration') => invalid(`time: ${what} ${JSON.stringify(text)}`);
  let at = text[0] === '-' || text[0] === '+' ? 1 : 0;
  if (text.slice(at) === '0') return 0n;
  if (at === text.length) throw bad();
  let total = 0n;
  while (at < text.length) {
    const from = at;
    while (isDigit(text[at])) at++;
    const whole = text.slice(from, at);
    let fraction = '';
    if (text[at] === '.') {
      const point = ++at;
      while (isDigit(text[at])) at++;
      fraction = text.slice(point, at);
    }
    if (whole === '' && fraction === '') throw bad();
    const unitFrom = at;
    while (at < text.length && text[at] !== '.' && !isDigit(text[at])) at++;
    const unit = text.slice(unitFrom, at);
    if (unit === '') throw bad('missing unit in duration');
    const scale = Object.hasOwn(nanoseconds, unit) ? nanoseconds[unit] : undefined;
    if (scale === undefined) {
      throw invalid(`time: unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}`);
    }
    total += BigInt(whole === '' ? 0 : whole) * scale;
    if (fraction !== '') total += (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length);
    if (total > greatest) throw bad();
  }
  return text[0] === '-' ? -total : total;
}

/** Nanoseconds as Go prints a duration: `1h2m3.5s`, `1.5ms`, `0s`. */
export function formatDuration(ns: bigint): string {
  if (ns < 0n) return `-${formatDuration(-ns)}`;
  if (ns === 0n) return '0s';
  if (ns < 1_000n) return `${ns}ns`;
  if (ns < 1_000_000n) return `${decimalOf(ns, 1_000n)}µs`;
  if (ns < 1_000_000_000n) return `${decimalOf(ns, 1_000_000n)}ms`;
  const seconds = `${decimalOf(ns % 60_000_000_000n, 1_000_000_000n)}s`;
  const minutes = ns / 60_000_000_000n;
  if (minutes === 0n) return seconds;
  return minutes < 60n ? `${minutes}m${seconds}` : `${minutes / 60n}h${minutes % 60n}m${seconds}`;
}

function decimalOf(value: bigint, scale: bigint): string {
  const rest = value % scale;
  if (rest === 0n) return `${value / scale}`;
  const digits = rest.toString().padStart(scale.toString().length - 1, '0');
  let end = digits.length;
  while (digits[end - 1] === '0') end--;
  return `${value / scale}.${digits.slice(0, end)}`;
}

/** How long something took or has lasted, in Docker's words: `Less than a second`, `About a minute`, `3 weeks`. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.trunc(milliseconds / 3_600_000 + 0.5);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(milliseconds / 3_600_000 / 24 / 365)} years`;
}
