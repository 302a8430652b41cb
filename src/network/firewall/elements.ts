import type { MapElement, NatMap } from '../../sys/nftables/ruleset.ts';
import {
  type Address,
  baseOf,
  bytesOf,
  type Family,
  formatAddress,
  isUnspecified,
  parseAddress,
  sizeOf,
} from '../../base/address.ts';
import { withoutNested } from '../ports/access.ts';
import type { ContainerPort, PortProtocol, PublishedPort } from '../ports/binding.ts';

/** What the firewall's tables are asked about: published ports and links as elements of maps. */

/** A published port and where it leads. */
export interface Publication extends PublishedPort {
  /** The container's address. */
  readonly target: Address;
  /** The container's address itself is reached at this port. */
  readonly direct: boolean;
}

/** A port of one container that another one reaches by a link. */
export interface LinkedPort extends ContainerPort {
  /** The address of the container that has the link. */
  readonly client: Address;
  readonly server: Address;
}

type Maps = Readonly<
  Record<
    | 'published'
    | 'publishedOn'
    | 'direct'
    | 'restricted'
    | 'restrictedOn'
    | 'admitted'
    | 'admittedOn'
    | 'linked'
    | 'hosted'
    | 'hostedOn'
    | 'hostedPorts'
    | 'hostedPortsOn',
    NatMap
  >
>;

function mapsOf(address: 'ipv4_addr' | 'ipv6_addr'): Maps {
  const value = [address, 'inet_service'] as const;
  const onAddress = ['inet_proto', address, 'inet_service'] as const;
  return {
    /** Ports published on all addresses. */
    published: { name: 'published', key: ['inet_proto', 'inet_service'], value },
    /** Ports published on one address of the host. */
    publishedOn: { name: 'published_on', key: onAddress, value },
    /** Ports of containers that are reached by the container's own address. */
    direct: { name: 'direct', key: onAddress, value: [] },
    /** Ports that are for some clients only, and these: on all addresses of the host, and on one address. */
    restricted: { name: 'restricted', key: ['inet_proto', 'inet_service'], value: [] },
    restrictedOn: { name: 'restricted_on', key: onAddress, value: [] },
    admitted: { name: 'admitted', key: onAddress, value: [], ranges: true },
    /** As `published`, where the host's rules decide, too; and the same ports for looking them up before that. */
    hosted: { name: 'hosted', key: ['inet_proto', 'inet_service'], value },
    hostedOn: { name: 'hosted_on', key: onAddress, value },
    hostedPorts: { name: 'hosted_ports', key: ['inet_proto', 'inet_service'], value: [] },
    hostedPortsOn: { name: 'hosted_ports_on', key: onAddress, value: [] },
    /** Ports of containers that others reach by a link. */
    linked: { name: 'linked', key: ['inet_proto', address, address, 'inet_service'], value: [] },
    admittedOn: { name: 'admitted_on', key: ['inet_proto', address, address, 'inet_service'], value: [], ranges: true },
  };
}

export const mapsOfFamily: Readonly<Record<Family, Maps>> = { 4: mapsOf('ipv4_addr'), 6: mapsOf('ipv6_addr') };

const protocolNumbers: Readonly<Record<PortProtocol, number>> = { tcp: 6, udp: 17, sctp: 132 };
/** An element and the map, of its target's family, that it belongs to. */
export interface PlacedElement {
  readonly map: NatMap;
  readonly element: MapElement;
}

/**
 * What a publication comes to in the table of a family. One whose host port is of another family than the container's
 * address is served by the proxy process: all that is done here is to keep clients out.
 */
export function elementsOf(publication: Publication, family: Family): PlacedElement[] {
  const { hostIp, hostPort, port, target, direct } = publication;
  const maps = mapsOfFamily[family];
  const protocol = protocolNumbers[publication.protocol];
  const elements: PlacedElement[] = [];
  if (target.family === family && direct) {
    const own = { address: target, port };
    elements.push({ map: maps.direct, element: { key: [protocol, bytesOf(target), port], value: [] } });
    elements.push(...restrictions(publication, own, maps));
  }
  const host = parseAddress(hostIp);
  if (host?.family !== family || hostPort === 0) return elements;
  elements.push(...restrictions(publication, { address: host, port: hostPort }, maps));
  if (target.family !== family) return elements;
  const value = [bytesOf(target), port];
  const onAll = isUnspecified(host);
  const key = onAll ? [protocol, hostPort] : [protocol, bytesOf(host), hostPort];
  if (publication.hostRules !== true) {
    return [...elements, { map: onAll ? maps.published : maps.publishedOn, element: { key, value } }];
  }
  return [
    ...elements,
    { map: onAll ? maps.hosted : maps.hostedOn, element: { key, value } },
    { map: onAll ? maps.hostedPorts : maps.hostedPortsOn, element: { key, value: [] } },
  ];
}

/** Where clients of a port must come from. */
function restrictions(
  publication: Publication,
  place: { readonly address: Address; readonly port: number },
  maps: Maps,
): PlacedElement[] {
  if (publication.from === undefined) return [];
  const protocol = protocolNumbers[publication.protocol];
  const { family } = place.address;
  const on = isUnspecified(place.address) ? [] : [bytesOf(place.address)];
  const restricted = { key: [protocol, ...on, place.port], value: [] };
  const admitted = publication.from
    .filter((prefix) => prefix.family === family)
    .map((prefix) => ({
      key: [protocol, bytesOf(baseOf(prefix)), ...on, place.port],
      keyEnd: [protocol, bytesOf({ family, value: prefix.base + sizeOf(prefix) - 1n }), ...on, place.port],
      value: [],
    }));
  return [
    { map: on.length === 0 ? maps.restricted : maps.restrictedOn, element: restricted },
    ...admitted.map((element) => ({ map: on.length === 0 ? maps.admitted : maps.admittedOn, element })),
  ];
}

/**
 * One port of a container may be published twice in the mode `routed`, and is then reached by the same address: for the
 * clients of both.
 */
export function withoutContradictions(publications: readonly Publication[]): readonly Publication[] {
  const shared = new Map<string, Publication[]>();
  for (const publication of publications) {
    if (!publication.direct) continue;
    const key = `${publication.protocol} ${formatAddress(publication.target)} ${publication.port}`;
    shared.set(key, [...(shared.get(key) ?? []), publication]);
  }
  const merged = new Map<Publication, Publication>();
  for (const group of shared.values()) {
    if (group.length < 2 || group.every(({ from }) => from === undefined)) continue;
    const all = group.map(({ from }) => from);
    const from = all.includes(undefined) ? undefined : withoutNested(all.flatMap((one) => one ?? []));
    // What leads there by a port of the host keeps its own clients.
    for (const one of group) if (one.hostPort === 0) merged.set(one, { ...one, from });
  }
  return publications.map((publication) => merged.get(publication) ?? publication);
}

export const linkElement = ({ protocol, client, server, port }: LinkedPort): PlacedElement => ({
  map: mapsOfFamily[server.family].linked,
  element: { key: [protocolNumbers[protocol], bytesOf(client), bytesOf(server), port], value: [] },
});

/** Names an element among all of one map. */
export const keyText = ({ key, keyEnd = [] }: MapElement): string => `${String(key)} ${String(keyEnd)}`;

/** Two ports of the host may lead to one of a container, which is then reached directly only once. */
export function distinct(elements: readonly PlacedElement[], map: NatMap): MapElement[] {
  const found = elements.filter((element) => element.map === map).map(({ element }) => element);
  return [...new Map(found.map((element) => [keyText(element), element])).values()];
}
