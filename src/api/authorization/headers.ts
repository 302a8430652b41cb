/** Credentials, and what is no header any more when a request was read. */
const leftOut: ReadonlySet<string> = new Set([
  'authorization',
  'x-registry-auth',
  'x-registry-config',
  'host',
  'transfer-encoding',
  'trailer',
]);

/**
 * Headers as plugins get them: names in the form `Content-Type`, the last value of each, no credentials.
 * @param raw names and values in turn
 */
export function flatHeaders(raw: readonly string[]): Record<string, string> {
  const flat = new Map<string, string>();
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] as string).toLowerCase();
    if (!leftOut.has(name)) flat.set(canonicalName(name), raw[at + 1] as string);
  }
  return Object.fromEntries(flat);
}

const canonicalName = (name: string): string =>
  name
    .split('-')
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('-');
