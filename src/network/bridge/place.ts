import { EngineError } from '../../base/errors.ts';
import {
  type Address,
  contains,
  type Family,
  formatAddress,
  formatPrefix,
  overlaps,
  parseAddress,
  parsePrefix,
  type Prefix,
  sameAddress,
} from '../../base/address.ts';
import type { NetworkConfig } from '../config.ts';
import type { NetworkRecord } from '../record.ts';
import { chooseSubnet, defaultAddressSpaces, localSpace } from '../subnets.ts';
import { prefixesInUse } from './link.ts';

/** Where one family of the default network is. */
interface Place {
  readonly subnet: Prefix;
  readonly gateway: Address;
}

/** Where the default network is: its addresses, and the record that says so. */
export interface Placement {
  readonly record: NetworkRecord;
  readonly places: readonly Place[];
}

/** What somebody wishes for one family, and what it was. */
interface Wish {
  readonly family: Family;
  /** The bridge's own address, and where it is. */
  readonly address: string | undefined;
  readonly subnet: string | undefined;
  readonly before: { readonly subnet: string | undefined; readonly gateway: string | undefined };
}

/**
 * Decides on the subnets of the default network: the configured one; else the one it had, unless the host, or another
 * network, has come to use that and no container (`keep`) depends on it; else the first free one.
 * @throws EngineError `invalid` for a malformed configuration, or when no subnet is free.
 */
export function placeBridge(
  record: NetworkRecord,
  config: NetworkConfig,
  keep: boolean,
  others: readonly Prefix[] = [],
): Placement {
  const ipv4 = place(
    {
      family: 4,
      address: config.bridgeAddress,
      subnet: config.bridgeSubnet ?? config.bridgeRange,
      before: { subnet: record.subnet, gateway: record.gateway },
    },
    config,
    keep,
    others,
  );
  const ipv6 =
    config.ipv6 === true
      ? place(
          {
            family: 6,
            address: config.bridgeAddress6,
            subnet: config.bridgeSubnet6,
            before: { subnet: record.subnet6, gateway: record.gateway6 },
          },
          config,
          keep,
          others,
        )
      : undefined;
  const next = { ...record, ...fields('', ipv4), ...(ipv6 === undefined ? {} : fields('6', ipv6)) };
  const same = (Object.keys(next) as (keyof NetworkRecord)[]).every((key) => next[key] === record[key]);
  return { record: same ? record : next, places: ipv6 === undefined ? [ipv4] : [ipv4, ipv6] };
}

const fields = (suffix: '' | '6', { subnet, gateway }: Place): Record<string, string> => ({
  [`subnet${suffix}`]: formatPrefix(subnet),
  [`gateway${suffix}`]: formatAddress(gateway),
});

function place(wish: Wish, config: NetworkConfig, keep: boolean, others: readonly Prefix[]): Place {
  const before = wish.before.subnet === undefined ? undefined : parsePrefix(wish.before.subnet);
  const subnet = keep && before !== undefined ? before : chooseFor(before, wish, config, others);
  const wanted = keep ? undefined : parseAddress(wish.address?.split('/', 1)[0] ?? '');
  const old = parseAddress(wish.before.gateway ?? '');
  const stays = old !== undefined && before !== undefined && before.base === subnet.base && contains(subnet, old);
  const first: Address = { family: wish.family, value: subnet.base + 1n };
  const gateway = wanted ?? (stays ? old : first);
  return { subnet, gateway: sameAddress(gateway, first) ? first : gateway };
}

const longest: Readonly<Record<Family, number>> = { 4: 30, 6: 126 };

/** A whole subnet for containers. @throws EngineError `invalid` */
function configuredSubnet(text: string, family: Family): Prefix {
  const configured = parsePrefix(text);
  if (configured?.family !== family || configured.length > longest[family]) {
    throw new EngineError('invalid', `invalid subnet for the default network: ${text}`);
  }
  return configured;
}

function chooseFor(
  before: Prefix | undefined,
  { family, address, subnet }: Wish,
  config: NetworkConfig,
  others: readonly Prefix[],
): Prefix {
  const wanted = address ?? subnet;
  if (wanted !== undefined) return configuredSubnet(wanted, family);
  const used = [...prefixesInUse(config.bridgeName), ...others];
  if (before !== undefined && !used.some((prefix) => overlaps(prefix, before))) return before;
  return chooseSubnet(spacesOf(config), used, family);
}

/** Where subnets of both families are taken from. */
export function spacesOf(config: NetworkConfig): ReturnType<typeof localSpace>[] {
  const spaces = config.addressSpaces ?? defaultAddressSpaces;
  const hasIpv6 = spaces.some(({ base }) => base.family === 6);
  return hasIpv6 ? [...spaces] : [...spaces, localSpace(config.seed ?? config.bridgeName)];
}
