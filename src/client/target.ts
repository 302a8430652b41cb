import type { QueryValue } from './client.ts';

/** The query with its question mark; values that are undefined or false are left out, true is `1`. */
export function queryText(query: Readonly<Record<string, QueryValue>> = {}): string {
  const parts: string[] = [];
  const add = (name: string, value: string) => parts.push(`${name}=${encodeURIComponent(value)}`);
  for (const name of Object.keys(query).sort()) {
    const value = query[name];
    if (value === undefined || value === false) continue;
    if (typeof value === 'object') for (const item of value) add(name, item);
    else add(name, value === true ? '1' : String(value));
  }
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}

/** Negative when API version `a` is older than `b`. */
export function compareVersions(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split('.').map(Number);
  const [majorB = 0, minorB = 0] = b.split('.').map(Number);
  return majorA - majorB || minorA - minorB;
}

/** A name as a part of a path: slashes, colons and at-signs stay, as Docker's client sends them. */
export const pathPart = (name: string): string =>
  encodeURIComponent(name).replaceAll('%2F', '/').replaceAll('%3A', ':').replaceAll('%40', '@');
