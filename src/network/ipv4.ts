/** IPv4 addresses as unsigned 32-bit numbers, prefixes as base address and length. */
export interface Prefix {
  /** The network's address: all host bits are zero. */
  readonly base: number;
  readonly length: number;
}

/** The number of a dotted address, or undefined when `text` is not exactly four decimal parts from 0 to 255. */
export function parseIpv4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let address = 0;
  for (const part of parts) {
    const value = parseDecimal(part);
    if (value === undefined || value > 255) return undefined;
    address = address * 256 + value;
  }
  return address;
}

/** Digits only, without leading zeros, at most nine of them. */
export function parseDecimal(text: string): number | undefined {
  if (text === '' || text.length > 9 || (text.length > 1 && text.startsWith('0'))) return undefined;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 48 || code > 57) return undefined;
  }
  return Number(text);
}

export const formatIpv4 = (address: number): string => bytesOf(address).join('.');

/** The four bytes in network order. */
export const bytesOf = (address: number): Uint8Array =>
  Uint8Array.of(address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255);

export const ipv4Of = (bytes: Uint8Array): number => bytes.reduce((address, byte) => address * 256 + byte, 0);

/** How many addresses a prefix of this length has. */
export const sizeOf = (length: number): number => 2 ** (32 - length);

/** The prefix that `address` lies in. */
export const prefixOf = (address: number, length: number): Prefix => ({
  base: address - (address % sizeOf(length)),
  length,
});

/** `172.17.0.0/16`; host bits are cleared. Undefined for anything that is not an address and a length up to 32. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/');
  const address = parseIpv4(slash < 0 ? text : text.slice(0, slash));
  const length = slash < 0 ? 32 : parseDecimal(text.slice(slash + 1));
  return address === undefined || length === undefined || length > 32 ? undefined : prefixOf(address, length);
}

export const formatPrefix = (prefix: Prefix): string => `${formatIpv4(prefix.base)}/${prefix.length}`;

export const contains = (prefix: Prefix, address: number): boolean =>
  address >= prefix.base && address < prefix.base + sizeOf(prefix.length);

export const overlaps = (one: Prefix, other: Prefix): boolean => contains(one, other.base) || contains(other, one.base);

/** Docker's hardware address for a container: 02:42 and the four bytes of its IPv4 address. */
export const macOf = (address: number): Uint8Array => Uint8Array.of(0x02, 0x42, ...bytesOf(address));

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
