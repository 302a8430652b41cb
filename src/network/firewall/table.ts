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
  isUnspecified,
  parseAddress,
  type Prefix,
} from '../../base/address.ts';
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
}

/** A published port and where it leads. */
export interface Publication extends PublishedPort {
  /** The container's address. */
  readonly target: Address;
  /** The container's address itself is reached at this port. */
  readonly direct: boolean;
}

type Maps = Readonly<Record<'published' | 'publishedOn' | 'direct', NatMap>>;

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

/** What a publication comes to. One whose host port is of another family is not the firewall's business. */
export function elementsOf(publication: Publication): PlacedElement[] {
  const { hostIp, hostPort, port, target, direct } = publication;
  const maps = mapsOfFamily[target.family];
  const protocol = protocolNumbers[publication.protocol];
  const value = [bytesOf(target), port];
  const host = parseAddress(hostIp);
  const elements: PlacedElement[] = direct
    ? [{ map: maps.direct, element: { key: [protocol, bytesOf(target), port], value: [] } }]
    : [];
  if (host?.family !== target.family || hostPort === 0) return elements;
  elements.push(
    isUnspecified(host)
      ? { map: maps.published, element: { key: [protocol, hostPort], value } }
      : { map: maps.publishedOn, element: { key: [protocol, bytesOf(host), hostPort], value } },
  );
  return elements;
}

/** The tables that bridges and publications call for: the one of IPv6 only when there is any. */
export function firewallTables(
  name: string,
  bridges: readonly FirewallBridge[],
  publications: readonly Publication[],
): Table[] {
  const hasIpv6 = bridges.some(({ subnets }) => subnets.some(({ prefix }) => prefix.family === 6));
  return (hasIpv6 ? ([4, 6] as const) : ([4] as const)).map((family) => {
    const elements = publications.filter(({ target }) => target.family === family).flatMap(elementsOf);
    const { published, publishedOn, direct } = mapsOfFamily[family];
    return {
      name,
      family,
      maps: [published, publishedOn, direct].map((map) => ({ ...map, elements: distinct(elements, map) })),
      chains: chainsOf(bridges, family),
    };
  });
}

/** Two ports of the host may lead to one of a container, which is then reached directly only once. */
function distinct(elements: readonly PlacedElement[], map: NatMap): MapElement[] {
  const found = elements.filter((element) => element.map === map).map(({ element }) => element);
  return [...new Map(found.map((element) => [String(element.key), element])).values()];
}

function chainsOf(bridges: readonly FirewallBridge[], family: Family): Table['chains'] {
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
      // What belongs to an internal network is decided first: no other network's rule may let it through.
      rules: [
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
