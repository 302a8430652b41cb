import { conflict, EngineError, invalid, notFound } from '../../base/errors.ts';
import { newNetworkId } from '../../base/ids.ts';
import type { CreateNetworkRequest } from '../../spec/engine/network.ts';
import {
  type Address,
  baseOf,
  contains,
  type Family,
  formatAddress,
  formatPrefix,
  overlaps,
  parsePrefix,
  type Prefix,
  sameAddress,
  sizeOf,
} from '../../base/address.ts';
import { ratesOf } from '../bridge/describe.ts';
import { type NetworkDefinition, type NetworkRecord, type PoolRecord, predefinedNames } from '../record.ts';
import { type AddressSpace, chooseSubnet } from '../subnets.ts';
import { checkIpv6Subnet, firstGateway, readIpamConfig, type WantedPool } from './ipam.ts';
import { bridgeSettings, checkOptionNames, familyOption } from './options.ts';
import { stackedSettings } from './stacked.ts';

/** What a new network is checked against. */
export interface Surroundings {
  readonly networks: readonly NetworkRecord[];
  /** Subnets of the engine's networks. */
  readonly subnets: readonly Prefix[];
  /** What the host uses otherwise: chosen subnets keep away from it. */
  readonly hostPrefixes: () => readonly Prefix[];
  readonly spaces: readonly AddressSpace[];
  /** Options of new networks by driver, where the request says nothing else. */
  readonly defaultOptions: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** The interface of a bridge network. */
  readonly bridgeName: (record: NetworkRecord) => string | undefined;
  readonly createdNs: string;
}

type Driver = 'bridge' | 'macvlan' | 'ipvlan';
const ownDrivers: ReadonlySet<string> = new Set(['bridge', 'macvlan', 'ipvlan']);

const forbidden = (message: string): EngineError => new EngineError('forbidden', message);

/**
 * The record of a network that a client asks for; nothing is changed yet. Errors are Docker's.
 * @throws EngineError `invalid`, `forbidden`, `conflict`, `not-found`
 */
export function defineNetwork(request: CreateNetworkRequest, around: Surroundings): NetworkRecord {
  checkPlace(request);
  const wanted = withDefaults(request, around);
  const ipv4 = wanted.EnableIPv4 ?? familyOption(wanted.Options, 4) ?? true;
  const ipv6 = wanted.EnableIPv6 ?? familyOption(wanted.Options, 6) ?? false;
  // Read before the name is looked at, as Docker does.
  readIpamConfig(wanted.IPAM.Config ?? [], ipv6);
  checkName(wanted.Name, around.networks);
  const id = newNetworkId();
  const base = { id, name: wanted.Name, createdNs: around.createdNs };
  const asked = definitionOf(wanted, ipv4, ipv6);
  if (wanted.ConfigOnly) {
    checkConfigOnly(wanted);
    return { ...base, driver: 'null', definition: asked };
  }
  const driver = driverOf(wanted.Driver);
  checkScope(wanted);
  const definition = wanted.ConfigFrom === null ? asked : fromConfig(asked, wanted, around.networks);
  checkIpamDriver(definition.ipam.Driver);
  if (!definition.ipv4 && !definition.ipv6) throw invalid('IPv4 or IPv6 must be enabled');
  checkOptionNames(driver, definition.options);
  const pools = choosePools(definition, driver, around);
  const record = { ...base, driver, definition: { ...definition, pools } };
  if (driver === 'bridge') checkBridge(record, around);
  else checkParent(driver, record, around.networks);
  return record;
}

function checkPlace({ Name, Driver }: CreateNetworkRequest): void {
  if (predefinedNames.has(Name) || Name === 'default') {
    throw forbidden(`operation is not permitted on predefined ${Name} network `);
  }
  if (Driver === 'overlay') {
    throw forbidden(
      'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
    );
  }
}

function withDefaults(request: CreateNetworkRequest, around: Surroundings): CreateNetworkRequest {
  if (request.ConfigFrom !== null) return request;
  const driver = request.Driver === '' ? 'bridge' : request.Driver;
  const defaults = Object.hasOwn(around.defaultOptions, driver) ? around.defaultOptions[driver] : {};
  return { ...request, Options: { ...defaults, ...request.Options } };
}

const longestName = 4096;

function checkName(name: string, networks: readonly NetworkRecord[]): void {
  if (name.trim() === '') throw invalid('invalid name: name is empty');
  if (name.length > longestName || name.includes('\0')) {
    throw invalid(`invalid name: expected at most ${longestName} characters, none of them NUL`);
  }
  if (networks.some((network) => network.name === name)) throw conflict(`network with name ${name} already exists`);
}

function checkConfigOnly({ Ingress, Internal, Attachable, Scope, ConfigFrom }: CreateNetworkRequest): void {
  if (Ingress || Internal || Attachable || Scope !== '') {
    throw forbidden(
      'configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.',
    );
  }
  if (ConfigFrom !== null) throw forbidden('a configuration network cannot depend on another configuration network');
}

function driverOf(name: string): Driver {
  if (name === '') return 'bridge';
  if (name === 'host' || name === 'null') throw forbidden(`only one instance of "${name}" network is allowed`);
  if (!ownDrivers.has(name)) throw notFound(`plugin ${JSON.stringify(name.slice(0, 200))} not found`);
  return name as Driver;
}

function checkScope({ Ingress, Scope }: CreateNetworkRequest): void {
  if (Ingress) throw forbidden('Ingress network can only be global scope network');
  if (Scope === 'swarm') throw forbidden('cannot create a swarm scoped network when swarm is not active');
  if (Scope !== '' && Scope !== 'local')
    throw invalid(`invalid scope ${JSON.stringify(Scope.slice(0, 50))}: expected local`);
}

function checkIpamDriver(driver: string): void {
  if (driver === 'null') throw invalid('ipv4 pool is empty');
  if (driver !== '' && driver !== 'default') throw notFound(`plugin ${JSON.stringify(driver.slice(0, 200))} not found`);
}

const definitionOf = (request: CreateNetworkRequest, ipv4: boolean, ipv6: boolean): NetworkDefinition => ({
  ipv4,
  ipv6,
  internal: request.Internal,
  attachable: request.Attachable,
  configOnly: request.ConfigOnly,
  configFrom: request.ConfigFrom?.Network ?? '',
  ipam: { ...request.IPAM, Driver: request.IPAM.Driver || 'default' },
  options: request.Options,
  labels: request.Labels,
  pools: [],
});

/** The settings of a configuration network, with what the request adds of the operator's. */
function fromConfig(
  asked: NetworkDefinition,
  request: CreateNetworkRequest,
  networks: readonly NetworkRecord[],
): NetworkDefinition {
  if ((request.IPAM.Config ?? []).length > 0 || Object.keys(request.IPAM.Options ?? {}).length > 0) {
    throw forbidden(
      'user specified configurations are not supported if the network depends on a configuration network',
    );
  }
  if (Object.keys(request.Options).length > 0) {
    throw forbidden('network driver options are not supported if the network depends on a configuration network');
  }
  const source = networks.find(({ name, definition }) => name === asked.configFrom && definition?.configOnly === true);
  if (source?.definition === undefined) {
    throw notFound(`configuration network ${JSON.stringify(asked.configFrom)} does not exist`);
  }
  const { ipv4, ipv6, ipam, options, labels } = source.definition;
  return { ...asked, ipv4, ipv6, ipam, options, labels: { ...labels, ...asked.labels } };
}

const families = [4, 6] as const;

function choosePools(definition: NetworkDefinition, driver: Driver, around: Surroundings): PoolRecord[] {
  const wanted = readIpamConfig(definition.ipam.Config ?? [], definition.ipv6).filter(
    ({ subnet }) => subnet.family === 6 || definition.ipv4,
  );
  const taken = [...around.subnets];
  for (const { subnet } of wanted) {
    checkSubnet(subnet, taken);
    taken.push(subnet);
  }
  if (
    driver === 'bridge' &&
    families.some((family) => wanted.filter((one) => one.subnet.family === family).length > 1)
  ) {
    throw forbidden("bridge driver doesn't support multiple subnets");
  }
  const needed = families.filter(
    (family) =>
      (family === 4 ? definition.ipv4 : definition.ipv6) && !wanted.some(({ subnet }) => subnet.family === family),
  );
  const used = needed.length > 0 ? [...taken, ...around.hostPrefixes()] : [];
  const chosen = needed.map((family) => ({
    subnet: chooseSubnet(around.spaces, used, family),
    range: undefined,
    gateway: undefined,
    auxiliary: new Map<string, Address>(),
  }));
  const hasGateway = gatewayRule(definition, driver);
  return [...wanted, ...chosen]
    .sort((a, b) => a.subnet.family - b.subnet.family)
    .map((pool) => poolRecord(pool, hasGateway(pool.subnet.family)));
}

/** Whether a subnet without a wanted gateway gets one. */
function gatewayRule({ options, internal }: NetworkDefinition, driver: Driver): (family: Family) => boolean {
  // The gateway of the others is on the network itself.
  if (driver !== 'bridge') return () => false;
  const settings = bridgeSettings(options);
  if (!internal && families.some((family) => settings.gatewayModes[family] === 'isolated')) {
    throw invalid("gateway mode 'isolated' can only be used for an internal network");
  }
  return (family) =>
    settings.gatewayModes[family] !== 'isolated' && !(family === 4 && settings.inhibitIpv4 && internal);
}

const unusable: readonly (readonly [Prefix | undefined, string])[] = [
  [parsePrefix('127.0.0.0/8'), 'loopback'],
  [parsePrefix('224.0.0.0/4'), 'multicast'],
  [parsePrefix('::1/128'), 'loopback'],
];

function checkSubnet(subnet: Prefix, taken: readonly Prefix[]): void {
  if (taken.some((other) => overlaps(other, subnet))) {
    throw forbidden('invalid pool request: Pool overlaps with other one on this address space');
  }
  if (subnet.family === 6) checkIpv6Subnet(subnet);
  if (subnet.length === 0) throw invalid(`subnet ${formatPrefix(subnet)} cannot be used: it is everything`);
  for (const [prefix, what] of unusable) {
    if (prefix !== undefined && contains(prefix, baseOf(subnet))) {
      throw invalid(`subnet ${formatPrefix(subnet)} cannot be used: its addresses are for ${what}`);
    }
  }
}

function poolRecord(pool: WantedPool, chooseGateway: boolean): PoolRecord {
  const { subnet, range, auxiliary } = pool;
  const gateway = pool.gateway ?? (chooseGateway ? firstGateway(pool) : undefined);
  if (gateway !== undefined) checkGateway(gateway, pool);
  return {
    subnet: formatPrefix(subnet),
    ...(range === undefined ? {} : { range: formatPrefix(range) }),
    ...(gateway === undefined ? {} : { gateway: formatAddress(gateway) }),
    auxiliary: Object.fromEntries([...auxiliary].map(([name, address]) => [name, formatAddress(address)])),
  };
}

function checkGateway(gateway: Address, { subnet, auxiliary }: WantedPool): void {
  const last = { family: subnet.family, value: subnet.base + sizeOf(subnet) - 1n };
  const isReserved = sameAddress(gateway, baseOf(subnet)) || (subnet.family === 4 && sameAddress(gateway, last));
  if (sizeOf(subnet) > 2n && isReserved) {
    throw invalid(`failed to allocate gateway (${formatAddress(gateway)}): Address already in use`);
  }
  for (const [name, address] of auxiliary) {
    if (!sameAddress(address, gateway)) continue;
    const what = `${name}:${formatAddress(address)}`;
    throw invalid(`failed to allocate secondary ip address (${what}): Address already in use`);
  }
}

function checkBridge(record: NetworkRecord, { networks, bridgeName }: Surroundings): void {
  ratesOf(record);
  const name = bridgeName(record);
  const other = networks.find((network) => bridgeName(network) === name);
  if (other !== undefined) {
    throw forbidden(
      `cannot create network ${record.id} (${name}): conflicts with network ${other.id} (${name}): networks have same bridge name`,
    );
  }
}

/** A parent in the mode passthru, or of ipvlan, is one network's alone. */
function checkParent(driver: 'macvlan' | 'ipvlan', record: NetworkRecord, networks: readonly NetworkRecord[]): void {
  const { parent, link } = stackedSettings(driver, record.definition?.options ?? {});
  if (parent === undefined) return;
  const isPassthru = (one: typeof link): boolean => one.kind === 'macvlan' && one.mode === 'passthru';
  for (const other of networks) {
    if (other.driver !== driver) continue;
    const settings = stackedSettings(driver, other.definition?.options ?? {});
    if (settings.parent !== parent) continue;
    if (driver === 'ipvlan') throw forbidden(`network ${other.id} is already using parent interface ${parent}`);
    if (isPassthru(link)) {
      const why = `macvlan network ${other.id} is already using parent interface ${parent}`;
      throw forbidden(`cannot use mode passthru, ${why}`);
    }
    if (isPassthru(settings.link)) {
      throw forbidden(`macvlan network ${other.id} is already using parent interface ${parent} in mode passthru`);
    }
  }
}
