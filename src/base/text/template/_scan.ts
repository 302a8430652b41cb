import { TemplateError } from './nodes.ts';

export interface Token {
  readonly kind: 'field' | 'variable' | 'dot' | 'word' | 'value' | 'mark' | 'end';
  readonly at: number;
  readonly text: string;
  /** Decoded constant of a `value`. */
  readonly value?: unknown;
  /** Blanks came before it. */
  readonly spaced: boolean;
}

export type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly at: number; readonly tokens: readonly Token[] };

/** The line of `at` in `source`, counted from one: where Go says that parsing failed. */
export const lineOf = (source: string, at: number): number => source.slice(0, at).split('\n').length;

export const parseError = (source: string, at: number, what: string): TemplateError =>
  new TemplateError(`template: :${lineOf(source, at)}: ${what}`);

const isBlank = (char: string | undefined): boolean => char === ' ' || char === '\t' || char === '\r' || char === '\n';
const isWordChar = (char: string | undefined): boolean =>
  char !== undefined && (/[A-Za-z0-9_]/.test(char) || char > '\u007f');
const trimEnd = (text: string): string => {
  let end = text.length;
  while (isBlank(text[end - 1])) end--;
  return text.slice(0, end);
};

/** Cuts a template into text and actions, applying the trim markers `{{-` and `-}}` and dropping comments. */
export function scanTemplate(source: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  let trimNext = false;
  while (at <= source.length) {
    const open = source.indexOf('{{', at);
    let text = open < 0 ? source.slice(at) : source.slice(at, open);
    if (trimNext) text = text.trimStart();
    trimNext = false;
    const trims = open >= 0 && source[open + 2] === '-' && isBlank(source[open + 3]);
    if (trims) text = trimEnd(text);
    if (text !== '') pieces.push({ kind: 'text', text });
    if (open < 0) break;
    const from = open + (trims ? 4 : 2);
    if (source.startsWith('/*', from)) {
      const close = source.indexOf('*/', from + 2);
      if (close < 0) throw parseError(source, open, 'unclosed comment');
      const rest = source.slice(close + 2);
      const trimmed = isBlank(rest[0]) && rest[1] === '-';
      if (!rest.slice(trimmed ? 2 : 0).startsWith('}}')) {
        throw parseError(source, open, 'comment ends before closing delimiter');
      }
      trimNext = trimmed;
      at = close + 2 + (trimmed ? 4 : 2);
      continue;
    }
    const action = scanAction(source, from);
    pieces.push({ kind: 'action', at: open, tokens: action.tokens });
    trimNext = action.trims;
    at = action.next;
  }
  return pieces;
}

interface ScannedAction {
  readonly tokens: Token[];
  readonly next: number;
  readonly trims: boolean;
}

function scanAction(source: string, from: number): ScannedAction {
  const tokens: Token[] = [];
  let at = from;
  let depth = 0;
  for (;;) {
    const blanksFrom = at;
    while (isBlank(source[at])) at++;
    const spaced = at > blanksFrom;
    const trims = spaced && source.startsWith('-}}', at);
    if (trims || source.startsWith('}}', at)) {
      if (depth > 0) throw parseError(source, at, 'unclosed left paren');
      tokens.push({ kind: 'end', at, text: '}}', spaced });
      return { tokens, next: at + (trims ? 3 : 2), trims };
    }
    if (at >= source.length) throw parseError(source, at, 'unclosed action');
    const token = scanToken(source, at, spaced);
    if (token.text === '(') depth++;
    if (token.text === ')' && --depth < 0) throw parseError(source, at, 'unexpected right paren');
    tokens.push(token);
    at += token.text.length;
  }
}

function scanToken(source: string, at: number, spaced: boolean): Token {
  const char = source[at] as string;
  const next = source[at + 1];
  if (char === '"' || char === '`' || char === "'") return scanQuoted(source, at, spaced);
  if (source.startsWith(':=', at)) return { kind: 'mark', at, text: ':=', spaced };
  if ('()|,='.includes(char)) return { kind: 'mark', at, text: char, spaced };
  if (char === '$' || (char === '.' && isWordChar(next) && !/[0-9]/.test(next as string))) {
    let end = at + 1;
    while (isWordChar(source[end])) end++;
    return { kind: char === '$' ? 'variable' : 'field', at, text: source.slice(at, end), spaced };
  }
  if (/[0-9]/.test(char) || ('+-.'.includes(char) && /[0-9.]/.test(next ?? ''))) return scanNumber(source, at, spaced);
  if (char === '.') return { kind: 'dot', at, text: '.', spaced };
  if (isWordChar(char)) {
    let end = at;
    while (isWordChar(source[end])) end++;
    return { kind: 'word', at, text: source.slice(at, end), spaced };
  }
  throw parseError(source, at, `unexpected ${JSON.stringify(char)} in command`);
}

function scanNumber(source: string, at: number, spaced: boolean): Token {
  let end = at + 1;
  while (
    isWordChar(source[end]) ||
    source[end] === '.' ||
    (/[+-]/.test(source[end] ?? '') && /[eE]/.test(source[end - 1] ?? ''))
  )
    end++;
  const text = source.slice(at, end);
  const value = Number(text.replaceAll('_', ''));
  if (Number.isNaN(value)) throw parseError(source, at, `bad number syntax: ${JSON.stringify(text)}`);
  return { kind: 'value', at, text, value, spaced };
}

const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '\\': '\\',
  '"': '"',
  "'": "'",
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
};

function scanQuoted(source: string, at: number, spaced: boolean): Token {
  const quote = source[at] as string;
  const unterminated = () =>
    parseError(
      source,
      at,
      quote === '"'
        ? 'unterminated quoted string'
        : quote === '`'
          ? 'unterminated raw quoted string'
          : 'unterminated character constant',
    );
  let value = '';
  let end = at + 1;
  while (source[end] !== quote) {
    const char = source[end];
    if (char === undefined || (char === '\n' && quote !== '`')) throw unterminated();
    if (char !== '\\' || quote === '`') {
      value += char;
      end++;
      continue;
    }
    const escape = source[end + 1] ?? '';
    const digits = escape === 'x' ? 2 : escape === 'u' ? 4 : escape === 'U' ? 8 : 0;
    if (digits > 0) {
      const hex = source.slice(end + 2, end + 2 + digits);
      if (hex.length < digits || /[^0-9A-Fa-f]/.test(hex)) throw parseError(source, at, 'invalid syntax');
      value += String.fromCodePoint(Math.min(Number.parseInt(hex, 16), 0x10ffff));
    } else if (Object.hasOwn(escapes, escape)) value += escapes[escape];
    else throw parseError(source, at, 'invalid syntax');
    end += 2 + digits;
  }
  const text = source.slice(at, end + 1);
  return { kind: 'value', at, text, value: quote === "'" ? value.codePointAt(0) : value, spaced };
}
