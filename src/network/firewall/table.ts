import {
  priority,
  type Match,
  type NatMap,
  type MapElement,
  type Rule,
  type Table,
} from '../../sys/nftables/ruleset.ts';
import { bytesOf, parseIpv4, type Prefix } from '../ipv4.ts';
import type { PortProtocol, PublishedPort } from '../ports/binding.ts';

/**
 * The engine's whole firewall, as data out of its bridges and published ports. Other tables are never touched; a
 * packet that another table drops stays dropped, whatever this one says.
 */

/** A bridge network as the firewall sees it. */
export interface FirewallBridge {
  /** The interface. */
  readonly name: string;
  readonly subnet: Prefix;
  /** False: packets to the outside keep the container's own address. */
  readonly masquerade?: boolean;
}

/** A published port and where it leads. */
export interface Publication extends PublishedPort {
  /** The container's address. */
  readonly target: number;
}

/** Ports published on all addresses. */
export const publishedMap: NatMap = {
  name: 'published',
  key: ['inet_proto', 'inet_service'],
  value: ['ipv4_addr', 'inet_service'],
};
/** Ports published on one address of the host. */
export const publishedOnMap: NatMap = {
  name: 'published_on',
  key: ['inet_proto', 'ipv4_addr', 'inet_service'],
  value: ['ipv4_addr', 'inet_service'],
};

const protocolNumbers: Readonly<Record<PortProtocol, number>> = { tcp: 6, udp: 17, sctp: 132 };
const loopback = { address: Uint8Array.of(127, 0, 0, 0), length: 8 };

/** The map that a publication belongs to, and its element. */
export function elementOf(publication: Publication): { map: NatMap; element: MapElement } {
  const { hostIp, hostPort, port, target } = publication;
  const protocol = protocolNumbers[publication.protocol];
  const value = [bytesOf(target), port];
  const address = parseIpv4(hostIp) ?? 0;
  return address === 0
    ? { map: publishedMap, element: { key: [protocol, hostPort], value } }
    : { map: publishedOnMap, element: { key: [protocol, bytesOf(address), hostPort], value } };
}

/** The table that bridges and publications call for. */
export function firewallTable(
  name: string,
  bridges: readonly FirewallBridge[],
  publications: readonly Publication[],
): Table {
  const elements = publications.map(elementOf);
  const maps = [publishedMap, publishedOnMap].map((map) => ({
    ...map,
    elements: elements.filter((element) => element.map === map).map((element) => element.element),
  }));
  return {
    name,
    maps,
    chains: [
      { name: 'guard', type: 'filter', hook: 'prerouting', priority: priority.raw, rules: bridges.map(guardRule) },
      {
        name: 'published-in',
        type: 'nat',
        hook: 'prerouting',
        priority: priority.destinationNat,
        rules: [
          {
            // Ports published on 127.0.0.1 are for this host alone: a neighbour may put any address on the wire.
            when: [{ on: 'destination', prefix: loopback }],
            then: { do: 'return' },
            comment: 'loopback addresses are not served to the outside',
          },
          ...publishedRules,
        ],
      },
      {
        name: 'published-local',
        type: 'nat',
        hook: 'output',
        priority: priority.destinationNat,
        rules: publishedRules,
      },
      {
        name: 'outgoing',
        type: 'nat',
        hook: 'postrouting',
        priority: priority.sourceNat,
        rules: bridges.flatMap(masqueradeRules),
      },
      {
        name: 'isolate',
        type: 'filter',
        hook: 'forward',
        priority: priority.filter,
        rules: bridges.flatMap(isolationRules),
      },
    ],
  };
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

const publishedRules: readonly Rule[] = [
  {
    when: [],
    then: { do: 'dnat', key: ['protocol', 'destination', 'destination-port'], map: publishedOnMap.name },
    comment: 'ports published on one address',
  },
  {
    when: [{ on: 'destination-local' }],
    then: { do: 'dnat', key: ['protocol', 'destination-port'], map: publishedMap.name },
    comment: 'ports published on all addresses',
  },
];

function masqueradeRules(bridge: FirewallBridge): Rule[] {
  const fromSubnet: Match = {
    on: 'source',
    prefix: { address: bytesOf(bridge.subnet.base), length: bridge.subnet.length },
  };
  const toBridge: Match = { on: 'out-interface', name: bridge.name };
  const outside: Rule = {
    when: [fromSubnet, { ...toBridge, not: true }],
    then: { do: 'masquerade' },
    comment: 'containers reach the outside',
  };
  return [
    ...(bridge.masquerade === false ? [] : [outside]),
    {
      when: [fromSubnet, toBridge, { on: 'destination-rewritten' }],
      then: { do: 'masquerade' },
      comment: 'containers reach published ports of their own network',
    },
    {
      when: [{ on: 'source', prefix: loopback }, toBridge],
      then: { do: 'masquerade' },
      comment: 'localhost reaches published ports',
    },
  ];
}

/** What may be forwarded to a bridge: answers, published ports and its own containers; nothing else. */
function isolationRules(bridge: FirewallBridge): Rule[] {
  const toBridge: Match = { on: 'out-interface', name: bridge.name };
  return [
    { when: [toBridge, { on: 'established' }], then: { do: 'accept' }, comment: 'answers' },
    { when: [toBridge, { on: 'destination-rewritten' }], then: { do: 'accept' }, comment: 'published ports' },
    {
      when: [{ on: 'in-interface', name: bridge.name }, toBridge],
      then: { do: 'accept' },
      comment: 'containers of the same network',
    },
    { when: [toBridge], then: { do: 'drop' }, comment: 'everything else stays out' },
  ];
}
