import { formatTime } from '../base/clock.ts';
import { EngineError, invalid } from '../base/errors.ts';
import type { EndpointSettings } from '../spec/engine/container.ts';
import { booleanFilter, type Filters, filterValues, labelsMatch } from '../spec/engine/filters.ts';
import type { NetworkContainerView, NetworkView } from '../spec/engine/network.ts';
import { type NetworkRecord, predefinedNames } from './record.ts';

/** Networks as Docker's API shows them, and its filters on them. */

const bridgeOption = 'com.docker.network.bridge.';

export function networkView(
  record: NetworkRecord,
  bridge: { name: string; mtu: number; masquerade: boolean; hostIp: string },
  containers: Readonly<Record<string, NetworkContainerView>>,
): NetworkView {
  const isBridge = record.driver === 'bridge';
  const { subnet, gateway } = record;
  return {
    Name: record.name,
    Id: record.id,
    Created: formatTime(BigInt(record.createdNs)),
    Scope: 'local',
    Driver: record.driver,
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: {
      Driver: 'default',
      Options: null,
      Config: subnet === undefined ? [] : [{ Subnet: subnet, ...(gateway === undefined ? {} : { Gateway: gateway }) }],
    },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: containers,
    Options: isBridge
      ? {
          [`${bridgeOption}default_bridge`]: 'true',
          [`${bridgeOption}enable_icc`]: 'true',
          [`${bridgeOption}enable_ip_masquerade`]: String(bridge.masquerade),
          [`${bridgeOption}host_binding_ipv4`]: bridge.hostIp,
          [`${bridgeOption}name`]: bridge.name,
          'com.docker.network.driver.mtu': String(bridge.mtu),
        }
      : {},
    Labels: {},
  };
}

/** A container in an inspected network. */
export const endpointView = (name: string, endpoint: EndpointSettings): NetworkContainerView => ({
  Name: name,
  EndpointID: endpoint.EndpointID,
  MacAddress: endpoint.MacAddress,
  IPv4Address: endpoint.IPAddress === '' ? '' : `${endpoint.IPAddress}/${endpoint.IPPrefixLen}`,
  IPv6Address: '',
});

const knownFilters = new Set(['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type']);

/** The networks that the filters of a list request let through. @throws EngineError `invalid`, naming the filter. */
export function filterNetworks(networks: readonly NetworkView[], filters: Filters): NetworkView[] {
  for (const key of filters.keys()) {
    if (!knownFilters.has(key)) throw invalid(`invalid filter '${key}'`);
  }
  const dangling = booleanFilter(filters, 'dangling');
  if (dangling === 'bad') throw invalid(`invalid filter 'dangling=${filterValues(filters, 'dangling')?.join(',')}'`);
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
