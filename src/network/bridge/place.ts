import { EngineError } from '../../base/errors.ts';
import type { NetworkConfig } from '../config.ts';
import { formatIpv4, formatPrefix, overlaps, parseIpv4, parsePrefix, type Prefix } from '../ipv4.ts';
import type { NetworkRecord } from '../record.ts';
import { chooseSubnet, defaultAddressSpaces } from '../subnets.ts';
import { prefixesInUse } from './link.ts';

/** Where the default bridge is: its addresses, and the record that says so. */
export interface Placement {
  readonly record: NetworkRecord;
  readonly subnet: Prefix;
  readonly gateway: number;
  readonly mac: Uint8Array;
}

/**
 * Decides on the subnet of the default bridge: the configured one; else the one it had, unless the host has come to use
 * that in another way and no container (`keep`) depends on it; else the first free one.
 * @throws EngineError `invalid` for a malformed configuration, `unavailable` when no subnet is free.
 */
export function placeBridge(record: NetworkRecord, config: NetworkConfig, keep: boolean): Placement {
  const mac = Uint8Array.from([0x02, 0x42, ...Buffer.from(record.id.slice(0, 8), 'hex')]);
  const before = record.subnet === undefined ? undefined : parsePrefix(record.subnet);
  const subnet = keep && before !== undefined ? before : chooseFor(before, config);
  const gateway =
    before !== undefined && before.base === subnet.base
      ? (parseIpv4(record.gateway ?? '') ?? subnet.base + 1)
      : subnet.base + 1;
  const same = record.subnet === formatPrefix(subnet) && record.gateway === formatIpv4(gateway);
  return {
    record: same ? record : { ...record, subnet: formatPrefix(subnet), gateway: formatIpv4(gateway) },
    subnet,
    gateway,
    mac,
  };
}

function chooseFor(before: Prefix | undefined, config: NetworkConfig): Prefix {
  if (config.bridgeSubnet !== undefined) {
    const configured = parsePrefix(config.bridgeSubnet);
    if (configured === undefined || configured.length > 30) {
      throw new EngineError('invalid', `invalid subnet for the default network: ${config.bridgeSubnet}`);
    }
    return configured;
  }
  const used = prefixesInUse(config.bridgeName);
  if (before !== undefined && !used.some((prefix) => overlaps(prefix, before))) return before;
  return chooseSubnet(config.addressSpaces ?? defaultAddressSpaces, used);
}
