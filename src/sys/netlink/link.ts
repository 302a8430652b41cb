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
  u32Attribute,
} from './message.ts';

/** Requests about network interfaces: rtnetlink(7) and linux/if_link.h. A link is named by its index. */

const type = { new: 16, delete: 17, get: 18, set: 19 } as const;
const IFF_UP = 1;
const AF_BRIDGE = 7;

const attr = {
  address: 1,
  name: 3,
  mtu: 4,
  master: 10,
  protocolInfo: 12,
  linkInfo: 18,
  namespaceFd: 28,
} as const;
const infoAttr = { kind: 1, data: 2 } as const;
const vethPeer = 1;
const bridgeAttr = { forwardDelay: 1, stpState: 5 } as const;
const portAttr = { hairpin: 4 } as const;

/** struct ifinfomsg. */
function linkHeader(options: { family?: number; index?: number; up?: boolean }): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt8(options.family ?? 0, 0);
  bytes.writeInt32LE(options.index ?? 0, 4);
  if (options.up !== undefined) {
    bytes.writeUInt32LE(options.up ? IFF_UP : 0, 8);
    bytes.writeUInt32LE(IFF_UP, 12);
  }
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
  /** The other end: it appears, down, in the namespace of the descriptor. */
  readonly peer: { readonly name: string; readonly namespaceFd: number; readonly mac?: Uint8Array };
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
          u32Attribute(attr.namespaceFd, pair.peer.namespaceFd),
        ),
      ),
    ),
  );
}

/** Brings a link up or down, with a new hardware address (6 bytes) or a new bridge (index) in the same step. */
export const setLink = (index: number, change: { up?: boolean; mac?: Uint8Array; master?: number }): NetlinkMessage =>
  request(
    type.new,
    0,
    linkHeader({ index, ...(change.up === undefined ? {} : { up: change.up }) }),
    ...(change.mac === undefined ? [] : [attribute(attr.address, change.mac)]),
    ...(change.master === undefined ? [] : [u32Attribute(attr.master, change.master)]),
  );

/** Removes a link by name. It waits for the kernel's grace periods, 9 ms and more: never on the main thread. */
export const deleteLink = (name: string): NetlinkMessage =>
  request(type.delete, 0, linkHeader({}), textAttribute(attr.name, name));

/**
 * Lets a bridge port send frames back out of itself. Where the kernel filters bridged packets (br_netfilter), that is how a
 * container reaches its own published port.
 */
export const enableHairpin = (index: number): NetlinkMessage =>
  request(
    type.set,
    0,
    linkHeader({ family: AF_BRIDGE, index }),
    nested(attr.protocolInfo, u8Attribute(portAttr.hairpin, 1)),
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
