import { formatTime } from '../base/clock.ts';
import { EngineError, invalid } from '../base/errors.ts';
import type { EndpointSettings } from '../spec/engine/container.ts';
import { type Filters, filterValues, labelsMatch } from '../spec/engine/filters.ts';
import type { IpamConfig, NetworkContainerView, NetworkView, SubnetStatus } from '../spec/engine/network.ts';
import { formatPrefix } from '../base/address.ts';
import type { SubnetUse } from './addresses.ts';
import { poolsOf } from './bridge/describe.ts';
import { isPredefined, type NetworkRecord, type PoolRecord, predefinedNames } from './record.ts';

/** Networks as Docker's API shows them, and its filters on them. */

const bridgeOption = 'com.docker.network.bridge.';

/** What the default network is by configuration. */
export interface DefaultBridgeView {
  readonly name: string;
  readonly mtu: number;
  readonly masquerade: boolean;
  readonly icc: boolean;
  readonly hostIp: string;
}

export function networkView(
  record: NetworkRecord,
  bridge: DefaultBridgeView,
  containers: Readonly<Record<string, NetworkContainerView>>,
): NetworkView {
  const { definition } = record;
  const pools = poolsOf(record).map(ipamConfig);
  const asked = definition?.configOnly === true ? definition.ipam.Config : pools;
  return {
    Name: record.name,
    Id: record.id,
    Created: formatTime(BigInt(record.createdNs)),
    Scope: 'local',
    Driver: record.driver,
    EnableIPv4: definition?.ipv4 ?? true,
    EnableIPv6: definition?.ipv6 ?? record.subnet6 !== undefined,
    IPAM: {
      Driver: definition?.ipam.Driver ?? 'default',
      Options: definition?.ipam.Options ?? null,
      Config: asked === null || asked.length === 0 ? null : asked,
    },
    Internal: definition?.internal ?? false,
    Attachable: definition?.attachable ?? false,
    Ingress: false,
    ConfigFrom: { Network: definition?.configFrom ?? '' },
    ConfigOnly: definition?.configOnly ?? false,
    Containers: containers,
    Options: definition?.options ?? (record.driver === 'bridge' ? { ...defaultOptions(bridge), ...record.rates } : {}),
    Labels: definition?.labels ?? {},
  };
}

const defaultOptions = (bridge: DefaultBridgeView): Record<string, string> => ({
  [`${bridgeOption}default_bridge`]: 'true',
  [`${bridgeOption}enable_icc`]: String(bridge.icc),
  [`${bridgeOption}enable_ip_masquerade`]: String(bridge.masquerade),
  [`${bridgeOption}host_binding_ipv4`]: bridge.hostIp,
  [`${bridgeOption}name`]: bridge.name,
  'com.docker.network.driver.mtu': String(bridge.mtu),
});

const ipamConfig = ({ subnet, range, gateway, auxiliary }: PoolRecord): IpamConfig => ({
  Subnet: subnet,
  ...(range === undefined ? {} : { IPRange: range }),
  ...(gateway === undefined ? {} : { Gateway: gateway }),
  ...(Object.keys(auxiliary).length === 0 ? {} : { AuxiliaryAddresses: auxiliary }),
});

const largest = (1n << 64n) - 1n;
const limited = (count: bigint): bigint => (count > largest ? largest : count);

/** How much of a network's subnets is taken. */
export function subnetStatus(uses: readonly SubnetUse[]): Record<string, SubnetStatus> {
  const status: Record<string, SubnetStatus> = Object.create(null);
  for (const { subnet, used, available } of uses) {
    status[formatPrefix(subnet)] = { IPsInUse: limited(used), DynamicIPsAvailable: limited(available) };
  }
  return status;
}

/** A container in an inspected network. */
export const endpointView = (name: string, endpoint: EndpointSettings): NetworkContainerView => ({
  Name: name,
  EndpointID: endpoint.EndpointID,
  MacAddress: endpoint.MacAddress,
  IPv4Address: endpoint.IPAddress === '' ? '' : `${endpoint.IPAddress}/${endpoint.IPPrefixLen}`,
  IPv6Address: endpoint.GlobalIPv6Address === '' ? '' : `${endpoint.GlobalIPv6Address}/${endpoint.GlobalIPv6PrefixLen}`,
});

const knownFilters = new Set(['dangling', 'driver', 'id', 'label', 'label!', 'name', 'scope', 'type']);

/** The networks that the filters of a list request let through. @throws EngineError `invalid`, naming the filter. */
export function filterNetworks(networks: readonly NetworkView[], filters: Filters): NetworkView[] {
  for (const key of filters.keys()) {
    if (!knownFilters.has(key)) throw invalid(`invalid filter '${key}'`);
  }
  const dangling = danglingFilter(filters);
  for (const type of filterValues(filters, 'type') ?? []) {
    if (type !== 'builtin' && type !== 'custom') throw invalid(`invalid filter: 'type'='${type}'`);
  }
  return networks.filter((network) => {
    const predefined = predefinedNames.has(network.Name);
    const isDangling = !predefined && Object.keys(network.Containers).length === 0;
    return (
      matchesPattern(filters, 'name', network.Name) &&
      matchesPattern(filters, 'id', network.Id) &&
      (filterValues(filters, 'driver')?.includes(network.Driver) ?? true) &&
      (filterValues(filters, 'scope')?.includes(network.Scope) ?? true) &&
      (filterValues(filters, 'type')?.includes(predefined ? 'builtin' : 'custom') ?? true) &&
      labelsMatch(filters, network.Labels) &&
      (dangling === undefined || dangling === isDangling)
    );
  });
}

function danglingFilter(filters: Filters): boolean | undefined {
  const values = filterValues(filters, 'dangling');
  if (values === undefined) return undefined;
  if (values.length > 1) throw invalid('got more than one value for filter key "dangling"');
  if (values[0] === '1' || values[0] === 'true') return true;
  if (values[0] === '0' || values[0] === 'false') return false;
  throw invalid(`invalid value for filter 'dangling', must be "true" (or "1"), or "false" (or "0")`);
}

/** True for networks that prune may remove, as far as the record tells. */
export const isPrunable = (record: NetworkRecord): boolean =>
  !isPredefined(record) && record.definition?.configOnly !== true;

/** Docker matches parts of names and ids, with `^` and `$` as in regular expressions; the rest is taken literally. */
function matchesPattern(filters: Filters, key: string, actual: string): boolean {
  const patterns = filterValues(filters, key);
  if (patterns === undefined) return true;
  return patterns.some((pattern) => {
    const fromStart = pattern.startsWith('^');
    const toEnd = pattern.endsWith('$');
    const text = pattern.slice(fromStart ? 1 : 0, toEnd ? -1 : undefined);
    if (fromStart && toEnd) return actual === text;
    if (fromStart) return actual.startsWith(text);
    return toEnd ? actual.endsWith(text) : actual.includes(text);
  });
}

/**
 * The network of a full id, a name or an unambiguous beginning of an id, in this order; undefined when there is none.
 * @throws EngineError `invalid` when several ids begin so.
 */
export function findNetwork<T extends { readonly id: string; readonly name: string }>(
  networks: readonly T[],
  nameOrId: string,
): T | undefined {
  const exact = networks.find(({ id }) => id === nameOrId) ?? networks.find(({ name }) => name === nameOrId);
  if (exact !== undefined || nameOrId === '') return exact;
  const matching = networks.filter(({ id }) => id.startsWith(nameOrId));
  if (matching.length > 1) {
    throw new EngineError(
      'invalid',
      `network ${nameOrId} is ambiguous (${matching.length} matches found based on ID prefix)`,
    );
  }
  return matching[0];
}
