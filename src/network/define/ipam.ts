import { invalid } from '../../base/errors.ts';
import type { IpamConfig } from '../../spec/engine/network.ts';
import {
  type Address,
  baseOf,
  contains,
  formatAddress,
  formatPrefix,
  overlaps,
  parseAddress,
  parsePrefix,
  type Prefix,
} from '../../base/address.ts';

/** One wanted subnet, read and checked. */
export interface WantedPool {
  readonly subnet: Prefix;
  readonly range: Prefix | undefined;
  readonly gateway: Address | undefined;
  readonly auxiliary: ReadonlyMap<string, Address>;
}

/** What a text says, and whether its host bits are zero. */
interface Block {
  readonly prefix: Prefix;
  readonly isCanonical: boolean;
}

function readBlock(text: string): Block | undefined {
  const prefix = text.includes('/') ? parsePrefix(text) : undefined;
  const address = parseAddress(text.slice(0, text.indexOf('/')));
  if (prefix === undefined || address === undefined) return undefined;
  return { prefix, isCanonical: address.value === prefix.base };
}

/**
 * The subnets of a request, checked as Docker does, with all complaints in one error. IPv6 subnets of a network without
 * IPv6 are left out, unread. @throws EngineError `invalid`, naming each wrong value.
 */
export function readIpamConfig(configs: readonly IpamConfig[], ipv6: boolean): WantedPool[] {
  const complaints: string[] = [];
  const pools = configs.flatMap((config) => readPool(config, ipv6, (text) => void complaints.push(text)));
  if (complaints.length === 1) throw invalid(`invalid network config:\n${complaints[0]}`);
  if (complaints.length > 1) {
    throw invalid(`invalid network config:\n${complaints.map((text) => `* ${text}`).join('\n')}`);
  }
  return pools;
}

type Complain = (text: string) => void;
const shown = (text: string): string => text.slice(0, 100);

function readPool(config: IpamConfig, ipv6: boolean, complain: Complain): WantedPool[] {
  const text = config.Subnet ?? '';
  const block = readBlock(text);
  if (block === undefined) {
    complain(`invalid subnet ${shown(text)}: invalid CIDR block notation`);
    return [];
  }
  const { prefix: subnet } = block;
  if (subnet.family === 6 && !ipv6) return [];
  if (!block.isCanonical) complain(`invalid subnet ${shown(text)}: it should be ${formatPrefix(subnet)}`);
  const auxiliary = new Map<string, Address>();
  for (const [name, value] of Object.entries(config.AuxiliaryAddresses ?? {})) {
    const address = readAddress(value, subnet, (why) => complain(`invalid auxiliary address ${shown(name)}: ${why}`));
    if (address !== undefined) auxiliary.set(name, address);
  }
  const gateway = readAddress(config.Gateway ?? '', subnet, (why) =>
    complain(`invalid gateway ${shown(config.Gateway ?? '')}: ${why}`),
  );
  return [{ subnet, range: readRange(config.IPRange ?? '', subnet, complain), gateway, auxiliary }];
}

function readAddress(text: string, subnet: Prefix, complain: Complain): Address | undefined {
  if (text === '') return undefined;
  const address = parseAddress(text);
  if (address === undefined) complain('invalid address');
  else if (address.family !== subnet.family) complain(`parent subnet is an IPv${subnet.family} block`);
  else if (!contains(subnet, address)) {
    complain(`parent subnet ${formatPrefix(subnet)} doesn't contain this address`);
  }
  return address;
}

function readRange(text: string, subnet: Prefix, complain: Complain): Prefix | undefined {
  if (text === '') return undefined;
  const block = readBlock(text);
  const wrong = (why: string) => complain(`invalid ip-range ${shown(text)}: ${why}`);
  if (block === undefined) {
    wrong('invalid CIDR block notation');
    return undefined;
  }
  const { prefix: range } = block;
  if (range.family !== subnet.family) {
    wrong(`parent subnet is an IPv${subnet.family} block`);
    return undefined;
  }
  if (range.length < subnet.length) {
    wrong(`CIDR block is bigger than its parent subnet ${formatPrefix(subnet)}`);
  }
  if (!block.isCanonical) wrong(`it should be ${formatPrefix(range)}`);
  if (!overlaps(subnet, range)) wrong(`parent subnet ${formatPrefix(subnet)} doesn't contain ip-range`);
  return range;
}

const linkLocal: Prefix = parsePrefix('fe80::/64') as Prefix;
const multicast6: Prefix = parsePrefix('ff00::/8') as Prefix;

/** @throws EngineError `invalid` for IPv6 subnets that no bridge can have. */
export function checkIpv6Subnet(subnet: Prefix): void {
  if (contains(multicast6, baseOf(subnet))) throw invalid(`multicast subnet '${formatPrefix(subnet)}' is not allowed`);
  if (overlaps(linkLocal, subnet) && formatPrefix(linkLocal) !== formatPrefix(subnet)) {
    throw invalid(`'${formatPrefix(subnet)}' clashes with the Link-Local prefix 'fe80::/64'`);
  }
}

/** The first address behind a subnet's own that is not one of `taken`; the own one in subnets of at most two. */
export function firstGateway({ subnet, range, auxiliary }: WantedPool): Address {
  const taken = new Set([...auxiliary.values()].map(formatAddress));
  const from = range ?? subnet;
  const own = from.base === subnet.base && subnet.length < (subnet.family === 4 ? 31 : 127) ? 1n : 0n;
  for (let value = from.base + own; ; value++) {
    const address = { family: subnet.family, value };
    if (!contains(subnet, address)) throw invalid(`no address of ${formatPrefix(subnet)} is left for the gateway`);
    if (!taken.has(formatAddress(address))) return address;
  }
}
