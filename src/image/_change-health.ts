import { invalid } from '../base/errors.ts';
import { parseDuration } from '../base/text/duration.ts';
import { isSpace } from './_change-words.ts';

const durations = new Map([
  ['interval', 'Interval'],
  ['timeout', 'Timeout'],
  ['start-period', 'StartPeriod'],
  ['start-interval', 'StartInterval'],
]);
const leastNs = 1_000_000n;

/**
 * What stands behind HEALTHCHECK: flags, then `NONE`, or `CMD` and a command. `jsonArray` reads the exec form.
 * @throws EngineError `invalid`
 */
export function healthcheckOf(
  rest: string,
  jsonArray: (text: string) => readonly string[] | undefined,
): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  let left = rest;
  while (left.startsWith('--')) {
    const flag = firstWord(left);
    setFlag(found, flag);
    left = left.slice(flag.length).trimStart();
  }
  const kind = firstWord(left);
  const command = left.slice(kind.length).trim();
  switch (kind.toUpperCase()) {
    case '':
      throw invalid('HEALTHCHECK requires at least one argument');
    case 'NONE':
      if (command !== '') throw invalid('HEALTHCHECK NONE takes no arguments');
      return { Test: ['NONE'] };
    case 'CMD': {
      const words = jsonArray(command);
      if (command === '' || words?.length === 0) throw invalid('Missing command after HEALTHCHECK CMD');
      return { Test: words === undefined ? ['CMD-SHELL', command] : ['CMD', ...words], ...found };
    }
    default:
      throw invalid(`Unknown type ${JSON.stringify(kind.toUpperCase().slice(0, 100))} in HEALTHCHECK (try CMD)`);
  }
}

function firstWord(text: string): string {
  let at = 0;
  while (at < text.length && !isSpace(text.charAt(at))) at++;
  return text.slice(0, at);
}

function setFlag(found: Record<string, unknown>, flag: string): void {
  const equals = flag.indexOf('=');
  const name = flag.slice(2, equals < 0 ? undefined : equals);
  const value = equals < 0 ? '' : flag.slice(equals + 1);
  if (name === 'retries') {
    if (!/^-?[0-9]{1,9}$/.test(value)) throw invalid(`HEALTHCHECK --retries=${value.slice(0, 100)} is no number`);
    if (Number(value) < 0) throw invalid(`--retries cannot be negative (${value})`);
    if (Number(value) > 0) found['Retries'] = Number(value);
    return;
  }
  const field = durations.get(name);
  if (field === undefined) throw invalid(`unknown flag: --${name.slice(0, 100)}`);
  const ns = value === '' ? 0n : parseDuration(value);
  if (ns === 0n) return;
  if (ns < leastNs) throw invalid(`Interval "${name}" cannot be less than 1ms`);
  found[field] = Number(ns);
}
