import { invalid } from '../errors.ts';

const decimal = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB', 'YB'];
const binary = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB'];

/** `value` with `digits` significant digits and no trailing zeros, as C's and Go's `%.<digits>g` print it. */
export function significant(value: number, digits: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
  const [mantissa = '0', exponent = '0'] = value.toExponential(Math.max(digits, 1) - 1).split('e');
  const power = Number(exponent);
  if (power < -4 || power >= digits) {
    const size = Math.abs(power).toString().padStart(2, '0');
    return `${dropZeros(mantissa)}e${power < 0 ? '-' : '+'}${size}`;
  }
  return dropZeros(value.toFixed(Math.max(digits - 1 - power, 0)));
}

function dropZeros(text: string): string {
  if (!text.includes('.')) return text;
  let end = text.length;
  while (text[end - 1] === '0') end--;
  if (text[end - 1] === '.') end--;
  return text.slice(0, end);
}

function scaled(bytes: number, base: number, units: readonly string[], digits: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= base && unit < units.length - 1) {
    value /= base;
    unit++;
  }
  return `${significant(value, digits)}${units[unit]}`;
}

/** Bytes in powers of 1000 as Docker prints sizes: `humanSize(1234567, 3)` is `1.23MB`. */
export const humanSize = (bytes: number, digits = 4): string => scaled(bytes, 1000, decimal, digits);
/** Bytes in powers of 1024 as Docker prints memory: `binarySize(3 << 20)` is `3MiB`. */
export const binarySize = (bytes: number, digits = 4): string => scaled(bytes, 1024, binary, digits);

/**
 * The bytes meant by `512`, `64m`, `1.5GiB` (powers of 1024 whatever the spelling), as Docker's memory flags take them.
 * @throws EngineError `invalid` with the words of Docker's own parser.
 */
export const parseBinarySize = (text: string): number => parseSize(text, 1024);

/**
 * The bytes meant by `512`, `64m`, `1.5GB` (powers of 1000 whatever the spelling), as Docker's log options take them.
 * @throws EngineError `invalid` with the words of Docker's own parser.
 */
export const parseDecimalSize = (text: string): number => parseSize(text, 1000);

function parseSize(text: string, base: number): number {
  let end = text.length;
  while (end > 0 && !'0123456789. '.includes(text[end - 1] as string)) end--;
  if (end === 0) throw invalid(`invalid size: '${text}'`);
  const number = text[end - 1] === ' ' ? text.slice(0, end - 1) : text.slice(0, end);
  const suffix = text.slice(end);
  const value = parseFloatStrictly(number);
  if (value < 0) throw invalid(`invalid size: '${text}'`);
  if (suffix === '') return Math.trunc(value);
  const unit = suffix.toLowerCase();
  if (unit === 'b') return Math.trunc(value);
  const power = 'kmgtp'.indexOf(unit[0] as string) + 1;
  if (power === 0 || !['', 'b', 'ib'].includes(unit.slice(1))) {
    throw invalid(`invalid suffix: '${suffix.length > 3 ? suffix : unit}'`);
  }
  return Math.trunc(value * base ** power);
}

/** @throws EngineError `invalid`, worded as Go's strconv does, unless `text` is a whole decimal number with an optional fraction or exponent. */
export function parseFloatStrictly(text: string): number {
  const value = text === '' || text.trim() !== text || /[^0-9.eE+-]/.test(text) ? Number.NaN : Number(text);
  if (Number.isNaN(value)) throw invalid(`strconv.ParseFloat: parsing ${JSON.stringify(text)}: invalid syntax`);
  return value;
}
