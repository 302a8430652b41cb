import { printValue, typeNameOf } from './values.ts';

interface Verb {
  readonly letter: string;
  readonly minus: boolean;
  readonly plus: boolean;
  readonly zero: boolean;
  readonly sharp: boolean;
  readonly width: number;
  readonly precision: number | undefined;
}

/** Go's Sprintf, for the verbs and flags that make sense on template values. */
export function formatVerbs(format: string, values: readonly unknown[]): string {
  let output = '';
  let used = 0;
  let at = 0;
  while (at < format.length) {
    const percent = format.indexOf('%', at);
    if (percent < 0) break;
    output += format.slice(at, percent);
    const { verb, next, stars } = readVerb(format, percent + 1, values.slice(used));
    used += stars;
    at = next;
    if (verb === undefined) output += '%!(NOVERB)';
    else if (verb.letter === '%') output += '%';
    else if (used >= values.length) output += `%!${verb.letter}(MISSING)`;
    else output += padded(formatOne(verb, values[used++]), verb);
  }
  output += format.slice(at);
  if (used >= values.length) return output;
  const extra = values.slice(used).map((value) => `${typeNameOf(value)}=${printValue(value)}`);
  return `${output}%!(EXTRA ${extra.join(', ')})`;
}

function readVerb(
  format: string,
  from: number,
  values: readonly unknown[],
): { verb: Verb | undefined; next: number; stars: number } {
  let at = from;
  let stars = 0;
  const flags = new Set<string>();
  while ('-+# 0'.includes(format[at] ?? 'x')) flags.add(format[at++] as string);
  const number = (): number => {
    if (format[at] === '*') {
      at++;
      return Number(values[stars++] ?? 0);
    }
    const start = at;
    while (/[0-9]/.test(format[at] ?? '')) at++;
    return Math.min(Number(format.slice(start, at) || 0), 1_000_000);
  };
  const width = number();
  let precision: number | undefined;
  if (format[at] === '.') {
    at++;
    precision = number();
  }
  const letter = format[at];
  const verb =
    letter === undefined
      ? undefined
      : {
          letter,
          minus: flags.has('-'),
          plus: flags.has('+'),
          zero: flags.has('0'),
          sharp: flags.has('#'),
          width,
          precision,
        };
  return { verb, next: at + 1, stars };
}

function padded(text: string, verb: Verb): string {
  const missing = verb.width - Array.from(text).length;
  if (missing <= 0) return text;
  if (verb.minus) return text + ' '.repeat(missing);
  if (!verb.zero) return ' '.repeat(missing) + text;
  const sign = /^[+-]/.test(text) ? (text[0] as string) : '';
  return sign + '0'.repeat(missing) + text.slice(sign.length);
}

function formatOne(verb: Verb, value: unknown): string {
  const wrong = () => `%!${verb.letter}(${typeNameOf(value)}=${printValue(value)})`;
  switch (verb.letter) {
    case 'v':
      return value === null || value === undefined ? '<nil>' : printValue(value);
    case 'T':
      return typeNameOf(value);
    case 's':
      if (typeof value === 'number' || typeof value === 'boolean') return wrong();
      return cut(printValue(value), verb.precision);
    case 'q':
      if (Array.isArray(value)) return `[${value.map((item) => formatOne(verb, item)).join(' ')}]`;
      return typeof value === 'string' ? JSON.stringify(value) : wrong();
    case 't':
      return typeof value === 'boolean' ? String(value) : wrong();
    case 'x':
    case 'X':
      return hexadecimal(verb, value) ?? wrong();
    default:
      return typeof value === 'number' || typeof value === 'bigint' ? (numeric(verb, value) ?? wrong()) : wrong();
  }
}

const cut = (text: string, precision: number | undefined): string =>
  precision === undefined ? text : Array.from(text).slice(0, precision).join('');

function hexadecimal(verb: Verb, value: unknown): string | undefined {
  let text: string;
  if (typeof value === 'string') text = new TextEncoder().encode(value).toHex();
  else if (typeof value === 'number' && Number.isInteger(value)) text = value.toString(16);
  else return undefined;
  if (verb.sharp) text = `0x${text}`;
  return verb.letter === 'X' ? text.toUpperCase() : text;
}

function numeric(verb: Verb, value: number | bigint): string | undefined {
  const sign = verb.plus && value >= 0 ? '+' : '';
  const isWhole = typeof value === 'bigint' || Number.isInteger(value);
  switch (verb.letter) {
    case 'd':
      return isWhole ? sign + BigInt(value).toString() : undefined;
    case 'b':
    case 'o':
      return isWhole ? sign + value.toString(verb.letter === 'b' ? 2 : 8) : undefined;
    case 'c':
      return isWhole ? String.fromCodePoint(Number(value)) : undefined;
    case 'f':
    case 'F':
      return sign + Number(value).toFixed(Math.min(verb.precision ?? 6, 100));
    case 'e':
      return (
        sign +
        Number(value)
          .toExponential(Math.min(verb.precision ?? 6, 100))
          .replace(/e([+-])(\d)$/, 'e$10$2')
      );
    case 'g':
      return (
        sign +
        (verb.precision === undefined
          ? printValue(value)
          : String(Number(Number(value).toPrecision(verb.precision || 1))))
      );
    default:
      return undefined;
  }
}
