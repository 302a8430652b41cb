import {
  priority,
  type FieldSource,
  type IpPrefix,
  type Match,
  type MapElement,
  type NatMap,
  type Rule,
  type Table,
  type Verdict,
} from '../../sys/nftables/ruleset.ts';
import {
  type Address,
  baseOf,
  bytesOf,
  type Family,
  formatAddress,
  isUnspecified,
  parseAddress,
  type Prefix,
  sizeOf,
} from '../../base/address.ts';
import { withoutNested } from '../ports/access.ts';
import type { PortProtocol, PublishedPort } from '../ports/binding.ts';

/**
 * The engine's whole firewall, as data out of its bridges and published ports: one table for each family of addresses.
 * Other tables are never touched; a packet that another table drops stays dropped, whatever these say.
 */

/** A subnet of a bridge network, and what its containers are to the world outside. */
export interface FirewallSubnet {
  readonly prefix: Prefix;
  /**
   * `nat`: published ports lead to containers, everything else stays out. `open`: everything may come in by a container's
   * own address. `routed`: containers have no ports of the host; their published ports are reached by their own address.
   */
  readonly mode: 'nat' | 'open' | 'routed';
  /** False: packets to the outside keep the container's own address. */
  readonly masquerade: boolean;
  /** The host's address that packets to the outside get; the one of the interface they leave by when left out. */
  readonly hostAddress?: Address | undefined;
}

/** A bridge network as the firewall sees it. */
export interface FirewallBridge {
  /** The interface. */
  readonly name: string;
  /** At most one of each family. */
  readonly subnets: readonly FirewallSubnet[];
  /** Nothing comes in or goes out. */
  readonly internal: boolean;
  /** Containers of the network reach each other. */
  readonly talking: boolean;
  /** Interfaces of the host from which published ports are reached by the container's own address, too. */
  readonly trusted: readonly string[];
  /** What the network sends to the outside at most, in bytes a second. */
  readonly sending?: number | undefined;
}

/** A published port and where it leads. */
export interface Publication extends PublishedPort {
  /** The container's address. */
  readonly target: Address;
  /** The container's address itself is reached at this port. */
  readonly direct: boolean;
}

type Maps = Readonly<
  Record<'published' | 'publishedOn' | 'direct' | 'restricted' | 'restrictedOn' | 'admitted' | 'admittedOn', NatMap>
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
    admittedOn: { name: 'admitted_on', key: ['inet_proto', address, address, 'inet_service'], value: [], ranges: true },
  };
}

const mapsOfFamily: Readonly<Record<Family, Maps>> = { 4: mapsOf('ipv4_addr'), 6: mapsOf('ipv6_addr') };

const protocolNumbers: Readonly<Record<PortProtocol, number>> = { tcp: 6, udp: 17, sctp: 132 };
const loopback: IpPrefix = { address: Uint8Array.of(127, 0, 0, 0), length: 8 };
const loopback6: IpPrefix = { address: bytesOf({ family: 6, value: 1n }), length: 128 };

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
  elements.push(
    isUnspecified(host)
      ? { map: maps.published, element: { key: [protocol, hostPort], value } }
      : { map: maps.publishedOn, element: { key: [protocol, bytesOf(host), hostPort], value } },
  );
  return elements;
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
function withoutContradictions(publications: readonly Publication[]): readonly Publication[] {
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

/** Which parts the tables have; when it changes with a publication they are written as a whole. */
export interface FirewallShape {
  readonly families: readonly Family[];
  readonly restricted: boolean;
}

export function shapeOf(bridges: readonly FirewallBridge[], publications: readonly Publication[]): FirewallShape {
  const restricted = publications.filter(({ from }) => from !== undefined);
  const hasIpv6 =
    bridges.some(({ subnets }) => subnets.some(({ prefix }) => prefix.family === 6)) ||
    restricted.some(({ hostIp }) => hostIp.includes(':'));
  return { families: hasIpv6 ? [4, 6] : [4], restricted: restricted.length > 0 };
}

/** The tables that bridges and publications call for: the one of IPv6 only when there is any. */
export function firewallTables(
  name: string,
  bridges: readonly FirewallBridge[],
  publications: readonly Publication[],
): Table[] {
  const all = withoutContradictions(publications);
  const shape = shapeOf(bridges, all);
  return shape.families.map((family) => {
    const elements = all.flatMap((publication) => elementsOf(publication, family));
    const { published, publishedOn, direct, ...more } = mapsOfFamily[family];
    const maps = [published, publishedOn, direct, ...(shape.restricted ? restrictionMaps(more) : [])];
    return {
      name,
      family,
      maps: maps.map((map) => ({ ...map, elements: distinct(elements, map) })),
      chains: chainsOf(bridges, family, shape),
    };
  });
}

const restrictionMaps = (maps: Omit<Maps, 'published' | 'publishedOn' | 'direct'>): NatMap[] => [
  maps.restricted,
  maps.restrictedOn,
  maps.admitted,
  maps.admittedOn,
];

/** Names an element among all of one map. */
export const keyText = ({ key, keyEnd = [] }: MapElement): string => `${String(key)} ${String(keyEnd)}`;

/** Two ports of the host may lead to one of a container, which is then reached directly only once. */
function distinct(elements: readonly PlacedElement[], map: NatMap): MapElement[] {
  const found = elements.filter((element) => element.map === map).map(({ element }) => element);
  return [...new Map(found.map((element) => [keyText(element), element])).values()];
}

function chainsOf(bridges: readonly FirewallBridge[], family: Family, shape: FirewallShape): Table['chains'] {
  const present = bridges.flatMap((bridge) => {
    const subnet = bridge.subnets.find(({ prefix }) => prefix.family === family);
    return subnet === undefined ? [] : [{ bridge, subnet }];
  });
  const ipv4 = family === 4;
  return [
    {
      name: 'guard',
      type: 'filter',
      hook: 'prerouting',
      priority: priority.raw,
      rules: ipv4 ? present.map(({ bridge }) => guardRule(bridge)) : [],
    },
    ...(shape.restricted ? [admissionChain(family)] : []),
    {
      name: 'published-in',
      type: 'nat',
      hook: 'prerouting',
      priority: priority.destinationNat,
      rules: [
        {
          // Ports published on 127.0.0.1 are for this host alone: a neighbour may put any address on the wire.
          when: [{ on: 'destination', prefix: ipv4 ? loopback : loopback6 }],
          then: { do: 'return' },
          comment: 'loopback addresses are not served to the outside',
        },
        ...publishedRules(family),
      ],
    },
    {
      name: 'published-local',
      type: 'nat',
      hook: 'output',
      priority: priority.destinationNat,
      rules: [...(ipv4 ? [] : [proxiedRule]), ...publishedRules(family)],
    },
    {
      name: 'outgoing',
      type: 'nat',
      hook: 'postrouting',
      priority: priority.sourceNat,
      rules: present
        .filter(({ bridge }) => !bridge.internal)
        .flatMap(({ bridge, subnet }) => sourceRules(bridge, subnet)),
    },
    {
      name: 'isolate',
      type: 'filter',
      hook: 'forward',
      priority: priority.filter,
      // What belongs to an internal network is decided first: no other network's rule may let it through. Limits come before
      // all, or answers would be accepted without a look at them.
      rules: [
        ...present.flatMap(({ bridge }) => sendingRules(bridge)),
        ...present.filter(({ bridge }) => bridge.internal).flatMap(({ bridge }) => internalRules(bridge)),
        ...present
          .filter(({ bridge }) => !bridge.internal)
          .flatMap(({ bridge, subnet }) => isolationRules(bridge, subnet)),
      ],
    },
  ];
}

/** `route_localnet` is on for bridges, or localhost could not reach a container: so loopback must be shut to them here. */
const guardRule = (bridge: FirewallBridge): Rule => ({
  when: [
    { on: 'in-interface', name: bridge.name },
    { on: 'destination', prefix: loopback },
  ],
  then: { do: 'drop' },
  comment: "the host's loopback is out of the containers' reach",
});

/**
 * Keeps the clients out that a port is not published for, before anything is rewritten: by the address that they have on
 * the wire, and for the proxy process, too. What comes from the host itself passes by.
 */
function admissionChain(family: Family): Table['chains'][number] {
  const { restricted, restrictedOn, admitted, admittedOn } = mapsOfFamily[family];
  const begins: readonly Match[] = [{ on: 'new' }, { on: 'in-interface', not: true, name: 'lo' }];
  return {
    name: 'admission',
    type: 'filter',
    hook: 'prerouting',
    priority: priority.mangle,
    rules: [
      {
        when: [
          ...begins,
          { on: 'in-set', key: addressedKey, set: restrictedOn.name },
          {
            on: 'in-set',
            not: true,
            key: ['protocol', 'source', 'destination', 'destination-port'],
            set: admittedOn.name,
          },
        ],
        then: { do: 'drop' },
        comment: 'ports of one address that are published for others',
      },
      {
        when: [
          ...begins,
          { on: 'in-set', key: ['protocol', 'destination-port'], set: restricted.name },
          { on: 'destination-local' },
          { on: 'in-set', not: true, key: ['protocol', 'source', 'destination-port'], set: admitted.name },
        ],
        then: { do: 'drop' },
        comment: 'ports of all addresses that are published for others',
      },
    ],
  };
}

const proxiedRule: Rule = {
  when: [{ on: 'destination', prefix: loopback6 }],
  then: { do: 'return' },
  comment: 'localhost is served by the proxy process',
};

function publishedRules(family: Family): readonly Rule[] {
  const { published, publishedOn } = mapsOfFamily[family];
  return [
    {
      when: [],
      then: { do: 'dnat', key: addressedKey, map: publishedOn.name },
      comment: 'ports published on one address',
    },
    {
      when: [{ on: 'destination-local' }],
      then: { do: 'dnat', key: ['protocol', 'destination-port'], map: published.name },
      comment: 'ports published on all addresses',
    },
  ];
}

const addressedKey: readonly FieldSource[] = ['protocol', 'destination', 'destination-port'];

function sourceRules(bridge: FirewallBridge, { prefix, masquerade, mode, hostAddress }: FirewallSubnet): Rule[] {
  const fromSubnet: Match = { on: 'source', prefix: { address: bytesOf(baseOf(prefix)), length: prefix.length } };
  const toBridge: Match = { on: 'out-interface', name: bridge.name };
  const asHost: Verdict =
    hostAddress === undefined ? { do: 'masquerade' } : { do: 'snat', address: bytesOf(hostAddress) };
  const outside: Rule = {
    when: [fromSubnet, { ...toBridge, not: true }],
    then: asHost,
    comment: 'containers reach the outside',
  };
  const local: Rule = {
    when: [{ on: 'source', prefix: loopback }, toBridge],
    then: { do: 'masquerade' },
    comment: 'localhost reaches published ports',
  };
  return [
    ...(masquerade && mode !== 'routed' ? [outside] : []),
    {
      when: [fromSubnet, toBridge, { on: 'destination-rewritten' }],
      then: { do: 'masquerade' },
      comment: 'containers reach published ports of their own network',
    },
    ...(prefix.family === 4 ? [local] : []),
  ];
}

const leastBurst = 65_536;

/**
 * Each family has the limit for itself: they are tables of their own. The kernel adds a second's worth to the burst
 * (net/netfilter/nft_limit.c).
 */
const sendingRules = ({ name, sending }: FirewallBridge): Rule[] =>
  sending === undefined
    ? []
    : [
        {
          when: [
            { on: 'in-interface', name },
            { on: 'out-interface', name, not: true },
            { on: 'over-rate', rate: sending, burst: leastBurst },
          ],
          then: { do: 'drop' },
          comment: 'the network sends no more than that',
        },
      ];

/** Nothing passes between an internal network and anything else. */
function internalRules(bridge: FirewallBridge): Rule[] {
  const toBridge: Match = { on: 'out-interface', name: bridge.name };
  const fromBridge: Match = { on: 'in-interface', name: bridge.name };
  return [
    {
      when: [fromBridge, { ...toBridge, not: true }],
      then: { do: 'drop' },
      comment: 'nothing leaves an internal network',
    },
    {
      when: [{ ...fromBridge, not: true }, toBridge],
      then: { do: 'drop' },
      comment: 'nothing enters an internal network',
    },
    ownNetwork(bridge),
  ];
}

const ownNetwork = ({ name, talking }: FirewallBridge): Rule => ({
  when: [
    { on: 'in-interface', name },
    { on: 'out-interface', name },
  ],
  then: { do: talking ? 'accept' : 'drop' },
  comment: talking ? 'containers of the same network' : 'containers of this network are kept apart',
});

const icmp: Readonly<Record<Family, number>> = { 4: 1, 6: 58 };

/** What may be forwarded to a bridge: answers, published ports and its own containers; nothing else. */
function isolationRules(bridge: FirewallBridge, { prefix, mode }: FirewallSubnet): Rule[] {
  const toBridge: Match = { on: 'out-interface', name: bridge.name };
  const direct: Match = { on: 'in-set', key: addressedKey, set: mapsOfFamily[prefix.family].direct.name };
  const accept = (comment: string, ...when: Match[]): Rule => ({ when, then: { do: 'accept' }, comment });
  return [
    accept('answers', toBridge, { on: 'established' }),
    accept('published ports', toBridge, { on: 'destination-rewritten' }),
    ...(mode === 'routed'
      ? [
          accept('ping by the own address', toBridge, { on: 'protocol', number: icmp[prefix.family] }),
          accept('published ports by the own address', toBridge, direct),
        ]
      : []),
    ...bridge.trusted.map((name) =>
      accept('published ports for a trusted interface', { on: 'in-interface', name }, toBridge, direct),
    ),
    ownNetwork(bridge),
    mode === 'open'
      ? accept('everything may come in', toBridge)
      : { when: [toBridge], then: { do: 'drop' }, comment: 'everything else stays out' },
  ];
}
