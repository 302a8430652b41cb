import { EngineError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import {
  type Address,
  contains,
  type Family,
  formatPrefix,
  parseAddress,
  parsePrefix,
  type Prefix,
} from '../../base/address.ts';
import { defaultMtu, defaultReadyNamespaces, hasNames, type NetworkConfig } from '../config.ts';
import { type BridgeSettings, bridgeSettings } from '../define/options.ts';
import type { Publishing } from '../driver.ts';
import type { FirewallBridge, FirewallSubnet } from '../firewall/table.ts';
import type { NetworkRecord, PoolRecord } from '../record.ts';
import { ratesIn } from '../rates/rate.ts';
import { rateOptions, totalRateOptions } from '../../spec/engine/network.ts';
import type { BridgeOptions, BridgeSubnet } from './network.ts';
import type { NetworkRates } from './rates.ts';

/** A bridge network as its driver and as the firewall see it. */
export interface DescribedBridge {
  readonly options: BridgeOptions;
  readonly firewall: FirewallBridge;
}

/** The interface of a bridge network, at most 15 bytes. */
export function bridgeNameOf(record: NetworkRecord, config: NetworkConfig): string {
  if (record.definition === undefined) return config.bridgeName;
  const { name } = bridgeSettings(record.definition.options);
  return name ?? `${config.networkPrefix}${record.id}`.slice(0, 15);
}

/**
 * What a stored bridge network comes to on the host; the default one has its addresses in the record, too.
 * @throws EngineError `invalid` for a record or a configuration that contradicts itself
 */
export function describeBridge(record: NetworkRecord, config: NetworkConfig, log: Logger): DescribedBridge {
  const settings = settingsOf(record, config);
  const internal = record.definition?.internal ?? false;
  const subnets = poolsOf(record).map((pool) => subnetOf(pool, settings, record, config));
  const name = bridgeNameOf(record, config);
  const options: BridgeOptions = {
    name,
    owned: record.definition === undefined || record.definition.ownInterface !== undefined,
    mac: Uint8Array.from([0x02, 0x42, ...Buffer.from(record.id.slice(0, 8), 'hex')]),
    subnets,
    internal,
    talking: settings.icc,
    interfacePrefix: settings.interfacePrefix,
    hasNames: hasNames(record, config),
    rates: ratesOf(record),
    publishing: internal ? undefined : publishingOf(settings, config),
    forwarding: config.forwarding ?? true,
    mtu: settings.mtu ?? config.mtu ?? defaultMtu,
    cablePrefix: config.interfacePrefix,
    ready: record.definition === undefined ? (config.readyNamespaces ?? defaultReadyNamespaces) : 0,
    log,
  };
  const firewall: FirewallBridge = {
    name,
    internal,
    talking: settings.icc,
    sending: options.rates.total.out ?? undefined,
    trusted: settings.trusted,
    directRouting: config.directRouting ?? false,
    acceptMark: config.acceptMark,
    subnets: subnets.map(({ subnet }) => firewallSubnet(subnet, settings)),
  };
  return { options, firewall };
}

/** What a network says of bandwidth. @throws EngineError `invalid` */
export function ratesOf(record: NetworkRecord): NetworkRates {
  const options = record.definition?.options ?? record.rates ?? {};
  return { each: ratesIn(options, rateOptions), total: ratesIn(options, totalRateOptions) };
}

function settingsOf(record: NetworkRecord, config: NetworkConfig): BridgeSettings {
  if (record.definition !== undefined) return bridgeSettings(record.definition.options);
  return { ...bridgeSettings({}), icc: config.talking ?? true, masquerade: config.masquerade ?? true };
}

/** The subnets of a network. */
export function poolsOf(record: NetworkRecord): readonly PoolRecord[] {
  if (record.definition !== undefined) return record.definition.pools;
  const pool = (subnet: string | undefined, gateway: string | undefined): PoolRecord[] =>
    subnet === undefined ? [] : [{ subnet, ...(gateway === undefined ? {} : { gateway }), auxiliary: {} }];
  return [...pool(record.subnet, record.gateway), ...pool(record.subnet6, record.gateway6)];
}

function subnetOf(
  pool: PoolRecord,
  settings: BridgeSettings,
  record: NetworkRecord,
  config: NetworkConfig,
): BridgeSubnet {
  const subnet = parsePrefix(pool.subnet);
  if (subnet === undefined) throw new EngineError('invalid', `network ${record.name} has a bad subnet: ${pool.subnet}`);
  const isDefaultIpv4 = record.definition === undefined && subnet.family === 4;
  const range = isDefaultIpv4 ? rangeWithin(config.bridgeRange, subnet) : parsePrefix(pool.range ?? '');
  const reserved = Object.values(pool.auxiliary).flatMap((text) => parseAddress(text) ?? []);
  const own = parseAddress(pool.gateway ?? '');
  return {
    subnet,
    gateway: own,
    onBridge: !(subnet.family === 4 && settings.inhibitIpv4),
    range,
    reserved,
  };
}

/** The part of a subnet that addresses come from. @throws EngineError `invalid` when it is no part of it */
function rangeWithin(text: string | undefined, subnet: Prefix): Prefix | undefined {
  if (text === undefined) return undefined;
  const range = parsePrefix(text);
  const base: Address | undefined = range === undefined ? undefined : { family: range.family, value: range.base };
  if (range === undefined || base === undefined || range.length < subnet.length || !contains(subnet, base)) {
    throw new EngineError('invalid', `${text} is no part of the default network's subnet ${formatPrefix(subnet)}`);
  }
  return range;
}

function publishingOf({ gatewayModes, trusted }: BridgeSettings, config: NetworkConfig): Publishing {
  const mode = (family: Family) => (gatewayModes[family] === 'routed' ? 'routed' : 'nat');
  const modes = { 4: mode(4), 6: mode(6) } as const;
  return {
    modes,
    direct: trusted.length > 0 || config.directRouting === true,
  };
}

function firewallSubnet(prefix: Prefix, { gatewayModes, masquerade, hostAddresses }: BridgeSettings): FirewallSubnet {
  const mode = gatewayModes[prefix.family];
  return {
    prefix,
    mode: mode === 'nat-unprotected' ? 'open' : mode === 'routed' ? 'routed' : 'nat',
    masquerade,
    hostAddress: hostAddresses[prefix.family],
  };
}
