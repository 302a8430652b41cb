import { attribute, attributesIn, flags, type NetlinkMessage, type ReceivedMessage, u32Attribute } from './message.ts';

/** Requests about addresses and routes: rtnetlink(7). Addresses are 4 or 16 bytes in network order: IPv4 or IPv6. */

const type = {
  newAddress: 20,
  deleteAddress: 21,
  getAddress: 22,
  newRoute: 24,
  deleteRoute: 25,
  getRoute: 26,
} as const;
const AF_UNSPEC = 0;
const AF_INET = 2;
const AF_INET6 = 10;
const addressAttr = { address: 1, local: 2, broadcast: 4 } as const;
const routeAttr = { destination: 1, outInterface: 4, gateway: 5, table: 15 } as const;
/** The address is used at once: nobody else on a network of the engine's own can have it. */
const IFA_F_NODAD = 0x02;
const mainTable = 254;
const protocolBoot = 3;
const typeUnicast = 1;

const familyOf = (address: Uint8Array): number => (address.length === 4 ? AF_INET : AF_INET6);

const request = (messageType: number, extra: number, ...parts: Uint8Array[]): NetlinkMessage => ({
  type: messageType,
  flags: flags.request | extra,
  body: Buffer.concat(parts),
});

/** struct ifaddrmsg. */
function addressHeader(family: number, prefixLength: number, index: number, addressFlags = 0): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt8(family, 0);
  bytes.writeUInt8(prefixLength, 1);
  bytes.writeUInt8(addressFlags, 2);
  bytes.writeUInt32LE(index, 4);
  return bytes;
}

/** Gives a link an address; the route to its subnet comes by itself. */
export function addAddress(index: number, address: Uint8Array, prefixLength: number): NetlinkMessage {
  const isIpv4 = address.length === 4;
  const broadcast = address.map((byte, at) => {
    const hostBits = Math.min(8, Math.max(0, (at + 1) * 8 - prefixLength));
    return byte | ((1 << hostBits) - 1);
  });
  return request(
    type.newAddress,
    flags.create | flags.exclusive,
    addressHeader(familyOf(address), prefixLength, index, isIpv4 ? 0 : IFA_F_NODAD),
    attribute(addressAttr.address, address),
    attribute(addressAttr.local, address),
    ...(isIpv4 ? [attribute(addressAttr.broadcast, broadcast)] : []),
  );
}

/** Takes an address from a link, with the route to its subnet. */
export const deleteAddress = (index: number, address: Uint8Array, prefixLength: number): NetlinkMessage =>
  request(
    type.deleteAddress,
    0,
    addressHeader(familyOf(address), prefixLength, index),
    attribute(addressAttr.local, address),
  );

export const dumpAddresses = (): NetlinkMessage => request(type.getAddress, flags.dump, addressHeader(AF_UNSPEC, 0, 0));

export interface InterfaceAddress {
  /** Index of the link. */
  readonly index: number;
  readonly address: Uint8Array;
  readonly prefixLength: number;
}

/** The addresses in an answer to `dumpAddresses`. */
export function addressesIn(messages: readonly ReceivedMessage[]): InterfaceAddress[] {
  const found: InterfaceAddress[] = [];
  for (const { type: messageType, body } of messages) {
    if (messageType !== type.newAddress || body.length < 8 || !isIp(body.readUInt8(0))) continue;
    const attributes = attributesIn(body, 8);
    const address = attributes.get(addressAttr.local) ?? attributes.get(addressAttr.address);
    if (address === undefined) continue;
    found.push({ index: body.readUInt32LE(4), address: Uint8Array.from(address), prefixLength: body.readUInt8(1) });
  }
  return found;
}

const isIp = (family: number): boolean => family === AF_INET || family === AF_INET6;

/** struct rtmsg. */
const routeHeader = (family: number, prefixLength: number): Buffer =>
  Buffer.from([family, prefixLength, 0, 0, mainTable, protocolBoot, 0, typeUnicast, 0, 0, 0, 0]);

/** The default route of the namespace, through `gateway`, which must be reachable on the link. */
export const addDefaultRoute = (gateway: Uint8Array, index: number): NetlinkMessage =>
  request(
    type.newRoute,
    flags.create | flags.exclusive,
    routeHeader(familyOf(gateway), 0),
    attribute(routeAttr.gateway, gateway),
    u32Attribute(routeAttr.outInterface, index),
  );

/** Takes a default route away again. */
export const deleteDefaultRoute = (gateway: Uint8Array, index: number): NetlinkMessage =>
  request(
    type.deleteRoute,
    0,
    routeHeader(familyOf(gateway), 0),
    attribute(routeAttr.gateway, gateway),
    u32Attribute(routeAttr.outInterface, index),
  );

export const dumpRoutes = (): NetlinkMessage => request(type.getRoute, flags.dump, routeHeader(AF_UNSPEC, 0));

export interface Route {
  /** All zeros for the default route. */
  readonly destination: Uint8Array;
  readonly prefixLength: number;
  /** Index of the link it goes out by; 0 for none. */
  readonly index: number;
  readonly table: number;
  /** The next host; undefined for what is on the link itself. */
  readonly gateway: Uint8Array | undefined;
}

/** The unicast routes in an answer to `dumpRoutes`, of all tables but the one of local addresses. */
export function routesIn(messages: readonly ReceivedMessage[]): Route[] {
  const localTable = 255;
  const found: Route[] = [];
  for (const { type: messageType, body } of messages) {
    if (messageType !== type.newRoute || body.length < 12) continue;
    const family = body.readUInt8(0);
    if (!isIp(family) || body.readUInt8(7) !== typeUnicast) continue;
    const attributes = attributesIn(body, 12);
    const table = attributes.get(routeAttr.table)?.readUInt32LE(0) ?? body.readUInt8(4);
    if (table === localTable) continue;
    const gateway = attributes.get(routeAttr.gateway);
    found.push({
      destination: Uint8Array.from(
        attributes.get(routeAttr.destination) ?? new Uint8Array(family === AF_INET ? 4 : 16),
      ),
      prefixLength: body.readUInt8(1),
      index: attributes.get(routeAttr.outInterface)?.readUInt32LE(0) ?? 0,
      table,
      gateway: gateway === undefined ? undefined : Uint8Array.from(gateway),
    });
  }
  return found;
}
