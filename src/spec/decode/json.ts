import { invalid, messageOf } from '../../base/errors.ts';

/**
 * Largest JSON body that is parsed. Parsing is synchronous: with this size and `maxJsonValues` it takes some 30 ms at
 * worst, and no real request comes near (an engine's largest bodies are environments and labels).
 */
export const maxJsonBytes = 4 * 1024 * 1024;
const maxJsonDepth = 64;
const maxJsonValues = 200_000;

const utf8 = new TextDecoder('utf-8');

/**
 * Parses a request body. Size, depth and number of values are looked at before anything is built from it.
 * @throws EngineError `invalid` for anything that is not one JSON value within the limits.
 */
export function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length > maxJsonBytes) throw invalid(`invalid JSON: larger than ${maxJsonBytes} bytes`);
  measure(bytes);
  const text = utf8.decode(bytes);
  if (text.trim() === '') throw invalid('invalid JSON: got EOF while reading request body');
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw invalid(`invalid JSON: ${messageOf(error)}`);
  }
}

const quote = 0x22;
const backslash = 0x5c;

/** Counts nesting and values in one pass; brackets and commas inside strings do not count. */
function measure(bytes: Uint8Array): void {
  let depth = 0;
  let values = 1;
  for (let at = 0; at < bytes.length; at++) {
    switch (bytes[at]) {
      case quote:
        at = endOfString(bytes, at + 1);
        break;
      case 0x5b: // [
      case 0x7b: // {
        values++;
        if (++depth > maxJsonDepth) throw invalid(`invalid JSON: nested deeper than ${maxJsonDepth} levels`);
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        break;
      case 0x2c: // ,
        if (++values > maxJsonValues) throw invalid(`invalid JSON: more than ${maxJsonValues} values`);
        break;
    }
  }
}

/** The index of the quote that closes a string whose content begins at `at`; the end of the bytes when none does. */
function endOfString(bytes: Uint8Array, at: number): number {
  while (at < bytes.length && bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1;
  return at;
}
