import type { Metadata } from '../grpc/client.ts';

const isPlain = (text: string): boolean => {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || code >= 0x7f) return false;
  }
  return true;
};

/**
 * A list as metadata of a call: HTTP headers carry printable ASCII only, so where a text is not, all of the list is
 * query-escaped, and a second header says so. Nothing for an empty list.
 */
export function encodeMetadata(name: string, values: readonly string[]): Metadata {
  if (values.length === 0) return {};
  if (values.every(isPlain)) return { [name]: values };
  return { [name]: values.map(queryEscape), [`${name}-encoded`]: ['1'] };
}

/** As Go's url.QueryEscape: everything but letters, digits and `-_.~` is a percent sign and hex digits, blanks are `+`. */
function queryEscape(text: string): string {
  let escaped = '';
  for (const byte of Buffer.from(text)) {
    const char = String.fromCharCode(byte);
    if (/[A-Za-z0-9_.~-]/.test(char)) escaped += char;
    else escaped += char === ' ' ? '+' : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return escaped;
}

/** The other way round, from what came with a call. */
export function decodeMetadata(name: string, metadata: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const values = metadata.get(name) ?? [];
  if (metadata.get(`${name}-encoded`)?.[0] !== '1') return values;
  return values.map((value) => decodeURIComponent(value.replaceAll('+', '%20')));
}
