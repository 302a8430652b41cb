import { createHash } from 'node:crypto';
import { invalid } from '../base/errors.ts';
import { type Family, overlaps, parsePrefix, type Prefix, sizeOf } from '../base/address.ts';

/** Address space that networks take their subnets from: `base` is cut into subnets of `length`. */
export interface AddressSpace {
  readonly base: Prefix;
  /** Prefix length of each subnet. */
  readonly length: number;
}

function space(base: string, length: number): AddressSpace {
  const prefix = parsePrefix(base);
  if (prefix === undefined) throw invalid(`invalid base pool ${base}`);
  return { base: prefix, length };
}

/** Docker's default pools, in its order. */
export const defaultAddressSpaces: readonly AddressSpace[] = [
  space('172.17.0.0/16', 16),
  space('172.18.0.0/16', 16),
  space('172.19.0.0/16', 16),
  space('172.20.0.0/14', 16),
  space('172.24.0.0/14', 16),
  space('172.28.0.0/14', 16),
  space('192.168.0.0/16', 20),
];

/**
 * The engine's own IPv6 addresses (RFC 4193): a /48 out of fd00::/8 that follows from `seed`, so that no two engines have
 * the same by chance, in subnets of /64.
 */
export function localSpace(seed: string): AddressSpace {
  const digits = createHash('sha256').update(seed).digest('hex').slice(0, 10);
  return space(`fd${digits.slice(0, 2)}:${digits.slice(2, 6)}:${digits.slice(6)}::/48`, 64);
}

/**
 * The first subnet of a family that touches nothing in `used`. @throws EngineError `invalid` when there is none left.
 */
export function chooseSubnet(spaces: readonly AddressSpace[], used: readonly Prefix[], family: Family = 4): Prefix {
  for (const { base, length } of spaces) {
    if (base.family !== family) continue;
    const end = base.base + sizeOf(base);
    const step = sizeOf({ family, length });
    for (let at = base.base; at < end; ) {
      const subnet: Prefix = { family, base: at, length };
      const taken = used.find((prefix) => overlaps(prefix, subnet));
      if (taken === undefined) return subnet;
      // Behind the taken one, however many subnets it covers.
      const behind = taken.base + sizeOf(taken) - base.base;
      const next = base.base + ((behind + step - 1n) / step) * step;
      at = next > at ? next : at + step;
    }
  }
  throw invalid('all predefined address pools have been fully subnetted');
}
