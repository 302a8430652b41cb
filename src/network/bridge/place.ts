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
  const wantedGateway = keep ? undefined : gatewayOf(config);
  const gateway =
    wantedGateway ??
    (before !== undefined && before.base === subnet.base
      ? (parseIpv4(record.gateway ?? '') ?? subnet.base + 1)
      : subnet.base + 1);
  const same = record.subnet === formatPrefix(subnet) && record.gateway === formatIpv4(gateway);
  return {
    record: same ? record : { ...record, subnet: formatPrefix(subnet), gateway: formatIpv4(gateway) },
    subnet,
    gateway,
    mac,
  };
}

const gatewayOf = ({ bridgeAddress }: NetworkConfig): number | undefined =>
  bridgeAddress === undefined ? undefined : parseIpv4(bridgeAddress.split('/', 1)[0] ?? '');

/** A whole subnet for containers. @throws EngineError `invalid` */
function configuredSubnet(text: string): Prefix {
  const configured = parsePrefix(text);
  if (configured === undefined || configured.length > 30) {
    throw new EngineError('invalid', `invalid subnet for the default network: ${text}`);
  }
  return configured;
}

function chooseFor(before: Prefix | undefined, config: NetworkConfig): Prefix {
  const wanted = config.bridgeAddress ?? config.bridgeSubnet ?? config.bridgeRange;
  if (wanted !== undefined) return configuredSubnet(wanted);
  const used = prefixesInUse(config.bridgeName);
  if (before !== undefined && !used.some((prefix) => overlaps(prefix, before))) return before;
  return chooseSubnet(config.addressSpaces ?? defaultAddressSpaces, used);
}
