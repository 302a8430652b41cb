/**
 * Scanners of the reference grammar. Each takes a text and a start offset and returns the offset after the longest
 * match, or -1 where the rule does not match there. Hand-written: every one is linear in its input.
 */

const isDigit = (code: number): boolean => code >= 48 && code <= 57;
const isLower = (code: number): boolean => code >= 97 && code <= 122;
const isUpper = (code: number): boolean => code >= 65 && code <= 90;
const isLowerAlphaNumeric = (code: number): boolean => isDigit(code) || isLower(code);
const isAlphaNumeric = (code: number): boolean => isDigit(code) || isLower(code) || isUpper(code);
const isHexDigit = (code: number): boolean =>
  isDigit(code) || (code >= 97 && code <= 102) || (code >= 65 && code <= 70);

const dash = 45;
const dot = 46;
const slash = 47;
const colon = 58;
const underscore = 95;

const skipWhile = (text: string, from: number, holds: (code: number) => boolean): number => {
  let at = from;
  while (at < text.length && holds(text.charCodeAt(at))) at++;
  return at;
};

/** `alpha-numeric [separator alpha-numeric]*`, where a separator is `.`, `_`, `__` or any number of `-`. */
function scanPathComponent(text: string, from: number): number {
  let end = skipWhile(text, from, isLowerAlphaNumeric);
  if (end === from) return -1;
  for (;;) {
    const next = scanSeparator(text, end);
    const after = skipWhile(text, next, isLowerAlphaNumeric);
    if (next === end || after === next) return end;
    end = after;
  }
}

function scanSeparator(text: string, from: number): number {
  const code = text.charCodeAt(from);
  if (code === dot) return from + 1;
  if (code === underscore) return text.charCodeAt(from + 1) === underscore ? from + 2 : from + 1;
  return skipWhile(text, from, (c) => c === dash);
}

/** `path-component ['/' path-component]*` */
export function scanPath(text: string, from: number): number {
  let end = scanPathComponent(text, from);
  while (end >= 0 && text.charCodeAt(end) === slash) {
    const next = scanPathComponent(text, end + 1);
    if (next < 0) return end;
    end = next;
  }
  return end;
}

/** Letters, digits and inner dashes; a dash at either end does not belong. */
function scanHostLabel(text: string, from: number): number {
  const end = skipWhile(text, from, (code) => isAlphaNumeric(code) || code === dash);
  if (end === from || text.charCodeAt(from) === dash || text.charCodeAt(end - 1) === dash) return -1;
  return end;
}

function scanHostName(text: string, from: number): number {
  let end = scanHostLabel(text, from);
  while (end >= 0 && text.charCodeAt(end) === dot) {
    const next = scanHostLabel(text, end + 1);
    if (next < 0) return -1;
    end = next;
  }
  return end;
}

/** `host [':' port]`, where a host is a name, an IPv4 address or an IPv6 address in brackets. */
export function scanDomain(text: string, from: number): number {
  let end: number;
  if (text[from] === '[') {
    const close = skipWhile(text, from + 1, (code) => isHexDigit(code) || code === colon);
    if (close === from + 1 || text[close] !== ']') return -1;
    end = close + 1;
  } else {
    end = scanHostName(text, from);
  }
  if (end < 0 || text.charCodeAt(end) !== colon) return end;
  const port = skipWhile(text, end + 1, isDigit);
  return port === end + 1 ? -1 : port;
}

/** A letter, digit or underscore, then up to 127 of these, dots and dashes. */
export function scanTag(text: string, from: number): number {
  const isWord = (code: number) => isAlphaNumeric(code) || code === underscore;
  if (!isWord(text.charCodeAt(from))) return -1;
  const end = skipWhile(text, from, (code) => isWord(code) || code === dot || code === dash);
  return end - from > 128 ? -1 : end;
}
