import { contains, overlaps, parseAddress, parsePrefix, type Prefix } from '../../base/address.ts';
import type { IpamConfig } from '../../spec/engine/network.ts';
import { CliError } from '../errors.ts';

/** The flags of `network create` that say something about addresses. */
export interface IpamFlags {
  readonly subnets: readonly string[];
  readonly ranges: readonly string[];
  readonly gateways: readonly string[];
  readonly auxiliary: ReadonlyMap<string, string>;
}

interface Wanted {
  readonly text: string;
  readonly subnet: Prefix;
  readonly config: IpamConfig;
}

/**
 * Puts ranges, gateways and auxiliary addresses to the subnets that they are in, as docker's client does.
 * @throws CliError when one is in none, or a second one in the same
 */
export function consolidate({ subnets, ranges, gateways, auxiliary }: IpamFlags): IpamConfig[] {
  if (subnets.length < ranges.length || subnets.length < gateways.length) {
    throw new CliError('every ip-range or gateway must have a corresponding subnet');
  }
  const wanted: Wanted[] = [];
  for (const text of subnets) {
    const subnet = parsePrefix(text);
    if (subnet === undefined || !text.includes('/'))
      throw new CliError(`invalid subnet: invalid CIDR address: ${text}`);
    if (wanted.some((other) => overlaps(other.subnet, subnet))) {
      throw new CliError('multiple overlapping subnet configuration is not supported');
    }
    wanted.push({ text, subnet, config: { Subnet: text } });
  }
  const holding = (text: string): Wanted[] => wanted.filter(({ subnet }) => holds(subnet, text));
  assign(ranges, 'range', 'ranges', 'IPRange', holding);
  assign(gateways, 'gateway', 'gateways', 'Gateway', holding);
  for (const [name, address] of auxiliary) {
    const found = holding(address);
    if (found.length === 0) throw new CliError(`no matching subnet for aux-address ${address}`);
    for (const { config } of found) {
      const others = config.AuxiliaryAddresses ?? (Object.create(null) as Record<string, string>);
      others[name] = address;
      config.AuxiliaryAddresses = others;
    }
  }
  return wanted.map(({ config }) => config);
}

function assign(
  values: readonly string[],
  one: string,
  many: string,
  field: 'IPRange' | 'Gateway',
  holding: (text: string) => Wanted[],
): void {
  for (const value of values) {
    const found = holding(value);
    if (found.length === 0) throw new CliError(`no matching subnet for ${one} ${value}`);
    for (const { config, text } of found) {
      const before = config[field];
      if (before !== undefined) {
        const where = one === 'range' ? 'on the same subnet' : 'for the same subnet';
        throw new CliError(`cannot configure multiple ${many} (${value}, ${before}) ${where} (${text})`);
      }
      config[field] = value;
    }
  }
}

function holds(subnet: Prefix, text: string): boolean {
  const address = parseAddress(text.split('/', 1)[0] ?? '');
  return address !== undefined && contains(subnet, address);
}
