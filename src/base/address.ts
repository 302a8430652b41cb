/** IP addresses and prefixes of both families. Values are whole numbers of 32 or 128 bits. */
export type Family = 4 | 6;

export interface Address {
  readonly family: Family;
  readonly value: bigint;
}

export interface Prefix {
  readonly family: Family;
  /** The network's address: all host bits are zero. */
  readonly base: bigint;
  readonly length: number;
}

export const bitsOf = (family: Family): number => (family === 4 ? 32 : 128);

/**
 * The address of a text: exactly four decimal parts from 0 to 255, or IPv6 without a zone; an IPv4 address in IPv6
 * clothing (`::ffff:1.2.3.4`) is IPv4. Undefined for anything else.
 */
export function parseAddress(text: string): Address | undefined {
  if (!text.includes(':')) {
    const value = parseIpv4(text);
    return value === undefined ? undefined : { family: 4, value };
  }
  const value = parseIpv6(text);
  if (value === undefined) return undefined;
  return value >> 32n === 0xffffn ? { family: 4, value: value & 0xffffffffn } : { family: 6, value };
}

function parseIpv4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let address = 0;
  for (const part of parts) {
    const value = parseDecimal(part);
    if (value === undefined || value > 255) return undefined;
    address = address * 256 + value;
  }
  return BigInt(address);
}

/** URL knows the grammar, and gives an address without an IPv4 tail. */
function parseIpv6(text: string): bigint | undefined {
  const url = /^[0-9a-fA-F:.]{2,45}$/.test(text) ? URL.parse(`http://[${text}]/`) : null;
  if (url === null) return undefined;
  const [head = '', tail] = url.hostname.slice(1, -1).split('::');
  const groups = (part = ''): string[] => (part === '' ? [] : part.split(':'));
  const first = groups(head);
  const last = groups(tail);
  const all = [...first, ...Array.from({ length: 8 - first.length - last.length }, () => '0'), ...last];
  return BigInt(`0x${all.map((group) => group.padStart(4, '0')).join('')}`);
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

/** In the shortest form (RFC 5952). */
export function formatAddress(address: Address): string {
  const bytes = bytesOf(address);
  if (address.family === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, at) =>
    ((bytes[at * 2] ?? 0) * 256 + (bytes[at * 2 + 1] ?? 0)).toString(16),
  );
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}

/** The 4 or 16 bytes in network order. */
export function bytesOf({ family, value }: Address): Uint8Array {
  if (family === 6) return Uint8Array.fromHex(value.toString(16).padStart(32, '0'));
  const number = Number(value);
  return Uint8Array.of(number >>> 24, (number >>> 16) & 255, (number >>> 8) & 255, number & 255);
}

/** The address of 4 or 16 bytes in network order. */
export const addressOf = (bytes: Uint8Array): Address => ({
  family: bytes.length === 4 ? 4 : 6,
  value: BigInt(`0x${bytes.toHex()}`),
});

export const sameAddress = (one: Address, other: Address): boolean =>
  one.family === other.family && one.value === other.value;

/** 0.0.0.0 or `::`. */
export const isUnspecified = ({ value }: Address): boolean => value === 0n;

/** How many addresses a prefix has. */
export const sizeOf = ({ family, length }: Pick<Prefix, 'family' | 'length'>): bigint =>
  1n << BigInt(bitsOf(family) - length);

/** The prefix that `address` lies in. */
export function prefixOf({ family, value }: Address, length: number): Prefix {
  return { family, base: value - (value % sizeOf({ family, length })), length };
}

/** `172.17.0.0/16`; host bits are cleared. Undefined for anything that is not an address and a length. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/');
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  const length = slash < 0 ? bitsOf(address.family) : parseDecimal(text.slice(slash + 1));
  return length === undefined || length > bitsOf(address.family) ? undefined : prefixOf(address, length);
}

export const baseOf = ({ family, base }: Prefix): Address => ({ family, value: base });

export const formatPrefix = (prefix: Prefix): string => `${formatAddress(baseOf(prefix))}/${prefix.length}`;

export const contains = (prefix: Prefix, { family, value }: Address): boolean =>
  family === prefix.family && value >= prefix.base && value < prefix.base + sizeOf(prefix);

export const overlaps = (one: Prefix, other: Prefix): boolean =>
  contains(one, baseOf(other)) || contains(other, baseOf(one));
