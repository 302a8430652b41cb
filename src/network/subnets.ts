import { EngineError } from '../base/errors.ts';
import { overlaps, type Prefix, prefixOf, sizeOf } from './ipv4.ts';

/** Address space that networks take their subnets from: `base` is cut into subnets of `length`. */
export interface AddressSpace {
  readonly base: Prefix;
  /** Prefix length of each subnet. */
  readonly length: number;
}

const space = (a: number, b: number, baseLength: number, length: number): AddressSpace => ({
  base: prefixOf((a * 256 + b) * 65536, baseLength),
  length,
});

/** Docker's default pools, in its order. */
export const defaultAddressSpaces: readonly AddressSpace[] = [
  space(172, 17, 16, 16),
  space(172, 18, 16, 16),
  space(172, 19, 16, 16),
  space(172, 20, 14, 16),
  space(172, 24, 14, 16),
  space(172, 28, 14, 16),
  space(192, 168, 16, 20),
];

/** The first subnet that touches nothing in `used`. @throws EngineError `unavailable` when there is none left. */
export function chooseSubnet(spaces: readonly AddressSpace[], used: readonly Prefix[]): Prefix {
  for (const { base, length } of spaces) {
    const end = base.base + sizeOf(base.length);
    for (let at = base.base; at < end; at += sizeOf(length)) {
      const subnet = { base: at, length };
      if (!used.some((prefix) => overlaps(prefix, subnet))) return subnet;
    }
  }
  throw new EngineError('unavailable', 'all predefined address pools have been fully subnetted');
}
