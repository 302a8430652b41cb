import { isIPv6 } from 'node:net';

/** IPv6 addresses: only as addresses of the host that ports are published on. */

/** The address in its shortest form (RFC 5952), or undefined when `text` is none; zones are not addresses. */
export function canonicalIpv6(text: string): string | undefined {
  if (!isIPv6(text) || text.includes('%')) return undefined;
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}

/** The 16 bytes of an address in network order. */
export function ipv6Bytes(text: string): Uint8Array {
  const [head = '', tail] = (canonicalIpv6(text) ?? '::').split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const first = groups(head);
  const last = groups(tail ?? '');
  const all = [...first, ...Array.from({ length: 8 - first.length - last.length }, () => 0), ...last];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 255]));
}
