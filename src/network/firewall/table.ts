import {
  priority,
  type FieldSource,
  type IpPrefix,
  type Match,
  type NatMap,
  type Rule,
  type Table,
  type Verdict,
} from '../../sys/nftables/ruleset.ts';
import { type Address, baseOf, bytesOf, type Family, type Prefix } from '../../base/address.ts';
import {
  distinct,
  elementsOf,
  linkElement,
  type LinkedPort,
  mapsOfFamily,
  type Publication,
  withoutContradictions,
} from './elements.ts';
import type { PacketMark } from '../config.ts';
import { type Reentry, reentryRouter } from './reentry.ts';

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
  /** They are so from everywhere. */
  readonly directRouting?: boolean;
  /** What is let through because an administrator's own rules have marked it. */
  readonly acceptMark?: PacketMark | undefined;
}

const loopback: IpPrefix = { address: Uint8Array.of(127, 0, 0, 0), length: 8 };
const loopback6: IpPrefix = { address: bytesOf({ family: 6, value: 1n }), length: 128 };

/** Which parts the tables have; when it changes with a publication they are written as a whole. */
export interface FirewallShape {
  readonly families: readonly Family[];
  readonly restricted: boolean;
  readonly hostRules: boolean;
}

export function shapeOf(bridges: readonly FirewallBridge[], publications: readonly Publication[]): FirewallShape {
  const restricted = publications.filter(({ from }) => from !== undefined);
  const hasIpv6 =
    bridges.some(({ subnets }) => subnets.some(({ prefix }) => prefix.family === 6)) ||
    restricted.some(({ hostIp }) => hostIp.includes(':'));
  return {
    families: hasIpv6 ? [4, 6] : [4],
    restricted: restricted.length > 0,
    hostRules: publications.some(({ hostRules }) => hostRules === true),
  };
}

/**
 * The tables that bridges and publications call for: the one of IPv6 only when there is any. `reentry` must be there when a
 * publication wants the host's rules.
 */
export function firewallTables(
  name: string,
  bridges: readonly FirewallBridge[],
  publications: readonly Publication[],
  more: { readonly links?: readonly LinkedPort[]; readonly reentry?: Reentry | undefined } = {},
): Table[] {
  const { links = [], reentry } = more;
  const all = withoutContradictions(publications);
  const shape = shapeOf(bridges, all);
  return shape.families.map((family) => {
    const elements = all.flatMap((publication) => elementsOf(publication, family));
    const linked = links.filter(({ server }) => server.family === family);
    elements.push(...linked.map(linkElement));
    const maps = mapsOfFamily[family];
    return {
      name,
      family,
      maps: [
        maps.published,
        maps.publishedOn,
        maps.direct,
        ...(shape.restricted ? [maps.restricted, maps.restrictedOn, maps.admitted, maps.admittedOn] : []),
        ...(reentry === undefined ? [] : [maps.hosted, maps.hostedOn, maps.hostedPorts, maps.hostedPortsOn]),
        ...(linked.length > 0 ? [maps.linked] : []),
      ].map((map) => ({ ...map, elements: distinct(elements, map) })),
      chains: chainsOf(bridges, family, { ...shape, linked: linked.length > 0, reentry }),
    };
  });
}

/** Which parts one table has. */
type Parts = FirewallShape & { readonly linked: boolean; readonly reentry: Reentry | undefined };

function chainsOf(bridges: readonly FirewallBridge[], family: Family, shape: Parts): Table['chains'] {
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
        ...(shape.reentry === undefined ? [] : hostedRules(family, [{ on: 'in-interface', name: shape.reentry.in }])),
        ...publishedRules(family),
      ],
    },
    ...(shape.reentry === undefined ? [] : [hostRulesChain(family, shape.reentry)]),
    {
      name: 'published-local',
      type: 'nat',
      hook: 'output',
      priority: priority.destinationNat,
      rules: [
        ...(ipv4 ? [] : [proxiedRule]),
        ...(shape.reentry === undefined ? [] : hostedRules(family, [])),
        ...publishedRules(family),
      ],
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
          .flatMap(({ bridge, subnet }) => isolationRules(bridge, subnet, shape)),
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
      then: { do: 'dnat', key: portKey, map: published.name },
      comment: 'ports published on all addresses',
    },
  ];
}

/** The same for ports that the host's rules decide about, when they have. */
function hostedRules(family: Family, decided: readonly Match[]): readonly Rule[] {
  const { hosted, hostedOn } = mapsOfFamily[family];
  return [
    {
      when: decided,
      then: { do: 'dnat', key: addressedKey, map: hostedOn.name },
      comment: "ports of one address that the host's rules let in",
    },
    {
      when: [...decided, { on: 'destination-local' }],
      then: { do: 'dnat', key: portKey, map: hosted.name },
      comment: "ports of all addresses that the host's rules let in",
    },
  ];
}

/** After all rules that other programs have for incoming packets. */
function hostRulesChain(family: Family, { out }: Reentry): Table['chains'][number] {
  const { hostedPorts, hostedPortsOn } = mapsOfFamily[family];
  const again = { do: 'send-again', address: reentryRouter[family], ...out } as const;
  const letIn = (key: readonly FieldSource[], set: NatMap): Rule => ({
    when: [{ on: 'new' }, { on: 'in-interface', not: true, name: 'lo' }, { on: 'in-set', key, set: set.name }],
    then: again,
    comment: "the host's rules let it in: it comes in once more",
  });
  return {
    name: 'host-rules',
    type: 'filter',
    hook: 'input',
    priority: priority.last,
    rules: [letIn(addressedKey, hostedPortsOn), letIn(portKey, hostedPorts)],
  };
}

const portKey: readonly FieldSource[] = ['protocol', 'destination-port'];
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
function isolationRules(bridge: FirewallBridge, { prefix, mode }: FirewallSubnet, { linked }: Parts): Rule[] {
  const toBridge: Match = { on: 'out-interface', name: bridge.name };
  const direct: Match = { on: 'in-set', key: addressedKey, set: mapsOfFamily[prefix.family].direct.name };
  const accept = (comment: string, ...when: Match[]): Rule => ({ when, then: { do: 'accept' }, comment });
  return [
    ...(bridge.acceptMark === undefined
      ? []
      : [accept('marked to be let through', toBridge, { on: 'mark', ...bridge.acceptMark })]),
    accept('answers', toBridge, { on: 'established' }),
    accept('published ports', toBridge, { on: 'destination-rewritten' }),
    ...(mode === 'routed'
      ? [
          accept('ping by the own address', toBridge, { on: 'protocol', number: icmp[prefix.family] }),
          accept('published ports by the own address', toBridge, direct),
        ]
      : []),
    ...(bridge.directRouting === true && mode === 'nat'
      ? [accept('published ports by the own address', toBridge, direct)]
      : []),
    ...bridge.trusted.map((name) =>
      accept('published ports for a trusted interface', { on: 'in-interface', name }, toBridge, direct),
    ),
    ...(linked && !bridge.talking
      ? [
          accept('links', { on: 'in-interface', name: bridge.name }, toBridge, {
            on: 'in-set',
            key: ['protocol', 'source', 'destination', 'destination-port'],
            set: mapsOfFamily[prefix.family].linked.name,
          }),
        ]
      : []),
    ownNetwork(bridge),
    mode === 'open'
      ? accept('everything may come in', toBridge)
      : { when: [toBridge], then: { do: 'drop' }, comment: 'everything else stays out' },
  ];
}
