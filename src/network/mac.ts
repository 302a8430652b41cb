import { type Address, addressOf, bytesOf } from '../base/address.ts';

/** Hardware addresses: 6 bytes. */

/** Docker's for a container: 02:42 and the four bytes of its IPv4 address; by chance for one that has none. */
export function macOf(address: Address | undefined): Uint8Array {
  const tail = address?.family === 4 ? bytesOf(address) : crypto.getRandomValues(new Uint8Array(4));
  return Uint8Array.of(0x02, 0x42, ...tail);
}

/** The link-local address of IPv6 that an interface gives itself by its hardware address (RFC 4291, appendix A). */
export const linkLocalOf = ([first = 0, ...rest]: Uint8Array): Address =>
  addressOf(
    Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, first ^ 2, ...rest.slice(0, 2), 0xff, 0xfe, ...rest.slice(2, 5)),
  );

export const formatMac = (mac: Uint8Array): string =>
  Array.from(mac, (byte) => byte.toString(16).padStart(2, '0')).join(':');

/** Six hex pairs with colons or dashes, as people write hardware addresses; undefined for anything else. */
export function parseMac(text: string): Uint8Array | undefined {
  const separator = text.includes(':') ? ':' : '-';
  const parts = text.split(separator);
  if (parts.length !== 6) return undefined;
  const bytes = parts.map((part) => (part.length === 2 ? Number(`0x${part}`) : Number.NaN));
  return bytes.every((byte) => byte >= 0 && byte <= 255) ? Uint8Array.from(bytes) : undefined;
}
