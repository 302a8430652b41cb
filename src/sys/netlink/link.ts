import {
  attribute,
  attributesIn,
  flags,
  nested,
  type NetlinkMessage,
  type ReceivedMessage,
  textAttribute,
  textOf,
  u8Attribute,
  u16Attribute,
  u32Attribute,
} from './message.ts';

/** Requests about network interfaces: rtnetlink(7) and linux/if_link.h. A link is named by its index. */

const type = { new: 16, delete: 17, get: 18, set: 19 } as const;
const IFF_UP = 1;
const IFF_NOARP = 0x80;
const AF_BRIDGE = 7;

const attr = {
  address: 1,
  name: 3,
  mtu: 4,
  parent: 5,
  master: 10,
  protocolInfo: 12,
  linkInfo: 18,
  namespaceFd: 28,
} as const;
const infoAttr = { kind: 1, data: 2 } as const;
const vethPeer = 1;
const bridgeAttr = { forwardDelay: 1, stpState: 5 } as const;
const portAttr = { hairpin: 4, isolated: 33 } as const;

/** struct ifinfomsg. */
function linkHeader(options: { family?: number; index?: number; up?: boolean; arp?: boolean }): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt8(options.family ?? 0, 0);
  bytes.writeInt32LE(options.index ?? 0, 4);
  const arp = options.arp === undefined ? 0 : IFF_NOARP;
  const up = options.up === undefined ? 0 : IFF_UP;
  bytes.writeUInt32LE((options.up === true ? IFF_UP : 0) | (options.arp === false ? IFF_NOARP : 0), 8);
  bytes.writeUInt32LE(up | arp, 12);
  return bytes;
}

const request = (messageType: number, extra: number, ...parts: Uint8Array[]): NetlinkMessage => ({
  type: messageType,
  flags: flags.request | extra,
  body: Buffer.concat(parts),
});

const creation = flags.create | flags.exclusive;

/** A bridge without spanning tree, up. `mac` (6 bytes) keeps its address from following that of its ports. */
export function addBridge(name: string, mac: Uint8Array, mtu?: number): NetlinkMessage {
  return request(
    type.new,
    creation,
    linkHeader({ up: true }),
    textAttribute(attr.name, name),
    attribute(attr.address, mac),
    ...(mtu === undefined ? [] : [u32Attribute(attr.mtu, mtu)]),
    nested(
      attr.linkInfo,
      textAttribute(infoAttr.kind, 'bridge'),
      nested(infoAttr.data, u32Attribute(bridgeAttr.stpState, 0), u32Attribute(bridgeAttr.forwardDelay, 0)),
    ),
  );
}

export interface VethPair {
  /** The end in the socket's namespace; it is created up. */
  readonly name: string;
  /** Index of the bridge that it becomes a port of. */
  readonly master?: number;
  readonly mtu?: number;
  /** The other end: it appears, down, in the namespace of the descriptor, or in the socket's. */
  readonly peer: { readonly name: string; readonly namespaceFd?: number; readonly mac?: Uint8Array };
}

/** Two ends of one cable. A peer cannot be brought up by the same request. */
export function addVeth(pair: VethPair): NetlinkMessage {
  const mtu = pair.mtu === undefined ? [] : [u32Attribute(attr.mtu, pair.mtu)];
  return request(
    type.new,
    creation,
    linkHeader({ up: true }),
    textAttribute(attr.name, pair.name),
    ...mtu,
    ...(pair.master === undefined ? [] : [u32Attribute(attr.master, pair.master)]),
    nested(
      attr.linkInfo,
      textAttribute(infoAttr.kind, 'veth'),
      nested(
        infoAttr.data,
        nested(
          vethPeer,
          linkHeader({}),
          textAttribute(attr.name, pair.peer.name),
          ...mtu,
          ...(pair.peer.mac === undefined ? [] : [attribute(attr.address, pair.peer.mac)]),
          ...(pair.peer.namespaceFd === undefined ? [] : [u32Attribute(attr.namespaceFd, pair.peer.namespaceFd)]),
        ),
      ),
    ),
  );
}

/**
 * Brings a link up or down, with a new hardware address (6 bytes) or a new bridge (index) in the same step, or without
 * asking neighbours for their addresses (`arp: false`).
 */
export const setLink = (
  index: number,
  change: { up?: boolean; arp?: boolean; mac?: Uint8Array; master?: number },
): NetlinkMessage =>
  request(
    type.new,
    0,
    linkHeader({
      index,
      ...(change.up === undefined ? {} : { up: change.up }),
      ...(change.arp === undefined ? {} : { arp: change.arp }),
    }),
    ...(change.mac === undefined ? [] : [attribute(attr.address, change.mac)]),
    ...(change.master === undefined ? [] : [u32Attribute(attr.master, change.master)]),
  );

/** Another name for a link; one that is up must go down first on kernels before 6.2. */
export const renameLink = (index: number, name: string): NetlinkMessage =>
  request(type.new, 0, linkHeader({ index }), textAttribute(attr.name, name));

/** Removes a link by name. It waits for the kernel's grace periods, 9 ms and more: never on the main thread. */
export const deleteLink = (name: string): NetlinkMessage =>
  request(type.delete, 0, linkHeader({}), textAttribute(attr.name, name));

/**
 * Lets a bridge port send frames back out of itself. Where the kernel filters bridged packets (br_netfilter), that is how a
 * container reaches its own published port. An `isolated` port exchanges frames with the bridge alone, not with other
 * isolated ports.
 */
export const configurePort = (index: number, { isolated }: { readonly isolated: boolean }): NetlinkMessage =>
  request(
    type.set,
    0,
    linkHeader({ family: AF_BRIDGE, index }),
    nested(
      attr.protocolInfo,
      u8Attribute(portAttr.hairpin, 1),
      ...(isolated ? [u8Attribute(portAttr.isolated, 1)] : []),
    ),
  );

/** A kind of link that stands on another one, its parent, and what that kind wants to know (linux/if_link.h). */
export type StackedLink =
  | { readonly kind: 'macvlan'; readonly mode: keyof typeof macvlanModes }
  | { readonly kind: 'ipvlan'; readonly mode: keyof typeof ipvlanModes; readonly flag: keyof typeof ipvlanFlags }
  | { readonly kind: 'vlan'; readonly id: number };

export const macvlanModes = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;
export const ipvlanModes = { l2: 0, l3: 1, l3s: 2 } as const;
export const ipvlanFlags = { bridge: 0, private: 1, vepa: 2 } as const;

function stackedData(link: StackedLink): Buffer[] {
  if (link.kind === 'macvlan') return [u32Attribute(1, macvlanModes[link.mode])];
  if (link.kind === 'vlan') return [u16Attribute(1, link.id)];
  return [u16Attribute(1, ipvlanModes[link.mode]), u16Attribute(2, ipvlanFlags[link.flag])];
}

/**
 * A link on top of the one of index `parent`, down; in the namespace of a descriptor when one is given.
 * The kernel answers EOPNOTSUPP when it lacks the kind.
 */
export const addStacked = (
  link: StackedLink,
  place: {
    readonly name: string;
    readonly parent: number;
    readonly namespaceFd?: number;
    readonly mac?: Uint8Array | undefined;
    readonly mtu?: number | undefined;
  },
): NetlinkMessage =>
  request(
    type.new,
    creation,
    linkHeader({}),
    textAttribute(attr.name, place.name),
    u32Attribute(attr.parent, place.parent),
    ...(place.mac === undefined ? [] : [attribute(attr.address, place.mac)]),
    ...(place.mtu === undefined ? [] : [u32Attribute(attr.mtu, place.mtu)]),
    ...(place.namespaceFd === undefined ? [] : [u32Attribute(attr.namespaceFd, place.namespaceFd)]),
    nested(attr.linkInfo, textAttribute(infoAttr.kind, link.kind), nested(infoAttr.data, ...stackedData(link))),
  );

/** A link that leads nowhere, up. */
export const addDummy = (name: string): NetlinkMessage =>
  request(
    type.new,
    creation,
    linkHeader({ up: true }),
    textAttribute(attr.name, name),
    nested(attr.linkInfo, textAttribute(infoAttr.kind, 'dummy')),
  );

/** A link that only holds up what is led through it (ifb), down. The kernel answers EOPNOTSUPP when it lacks the kind. */
export const addHelper = (name: string): NetlinkMessage =>
  request(
    type.new,
    creation,
    linkHeader({}),
    textAttribute(attr.name, name),
    nested(attr.linkInfo, textAttribute(infoAttr.kind, 'ifb')),
  );

/** All links of the namespace. */
export const dumpLinks = (): NetlinkMessage => request(type.get, flags.dump, linkHeader({}));

/** The link of a name; the kernel answers ENODEV when there is none. */
export const getLink = (name: string): NetlinkMessage =>
  request(type.get, 0, linkHeader({}), textAttribute(attr.name, name));

export interface Link {
  readonly index: number;
  readonly name: string;
  /** `bridge`, `veth`, `dummy`, ...; empty for physical ones. */
  readonly kind: string;
  readonly up: boolean;
  /** Index of the bridge that it is a port of; 0 for none. */
  readonly master: number;
  readonly mtu: number;
  /** Lower-case hex pairs with colons. */
  readonly mac: string;
}

/** The links in an answer to `dumpLinks` or `getLink`. */
export function linksIn(messages: readonly ReceivedMessage[]): Link[] {
  const links: Link[] = [];
  for (const { type: messageType, body } of messages) {
    if (messageType !== type.new || body.length < 16) continue;
    const found = attributesIn(body, 16);
    const info = found.get(attr.linkInfo);
    links.push({
      index: body.readInt32LE(4),
      name: textOf(found.get(attr.name)),
      kind: info === undefined ? '' : textOf(attributesIn(info).get(infoAttr.kind)),
      up: (body.readUInt32LE(8) & IFF_UP) !== 0,
      master: found.get(attr.master)?.readUInt32LE(0) ?? 0,
      mtu: found.get(attr.mtu)?.readUInt32LE(0) ?? 0,
      mac: (found.get(attr.address)?.toString('hex') ?? '').replace(/..(?!$)/g, '$&:'),
    });
  }
  return links;
}
