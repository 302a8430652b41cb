import { attribute, attributesIn, flags, type NetlinkMessage, type ReceivedMessage, u32Attribute } from './message.ts';

/** Requests about addresses and routes: rtnetlink(7). IPv4 only so far; addresses are 4 bytes in network order. */

const type = { newAddress: 20, getAddress: 22, newRoute: 24, getRoute: 26 } as const;
const AF_INET = 2;
const addressAttr = { address: 1, local: 2, broadcast: 4 } as const;
const routeAttr = { destination: 1, outInterface: 4, gateway: 5, table: 15 } as const;
const mainTable = 254;
const protocolBoot = 3;
const typeUnicast = 1;

const request = (messageType: number, extra: number, ...parts: Uint8Array[]): NetlinkMessage => ({
  type: messageType,
  flags: flags.request | extra,
  body: Buffer.concat(parts),
});

/** struct ifaddrmsg. */
function addressHeader(prefixLength: number, index: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt8(AF_INET, 0);
  bytes.writeUInt8(prefixLength, 1);
  bytes.writeUInt32LE(index, 4);
  return bytes;
}

/** Gives a link an address; the route to its subnet comes by itself. */
export function addAddress(index: number, address: Uint8Array, prefixLength: number): NetlinkMessage {
  const broadcast = address.map((byte, at) => {
    const hostBits = Math.min(8, Math.max(0, (at + 1) * 8 - prefixLength));
    return byte | ((1 << hostBits) - 1);
  });
  return request(
    type.newAddress,
    flags.create | flags.exclusive,
    addressHeader(prefixLength, index),
    attribute(addressAttr.address, address),
    attribute(addressAttr.local, address),
    attribute(addressAttr.broadcast, broadcast),
  );
}

export const dumpAddresses = (): NetlinkMessage => request(type.getAddress, flags.dump, addressHeader(0, 0));

export interface InterfaceAddress {
  /** Index of the link. */
  readonly index: number;
  readonly address: Uint8Array;
  readonly prefixLength: number;
}

/** The IPv4 addresses in an answer to `dumpAddresses`. */
export function addressesIn(messages: readonly ReceivedMessage[]): InterfaceAddress[] {
  const found: InterfaceAddress[] = [];
  for (const { type: messageType, body } of messages) {
    if (messageType !== type.newAddress || body.length < 8 || body.readUInt8(0) !== AF_INET) continue;
    const attributes = attributesIn(body, 8);
    const address = attributes.get(addressAttr.local) ?? attributes.get(addressAttr.address);
    if (address === undefined) continue;
    found.push({ index: body.readUInt32LE(4), address: Uint8Array.from(address), prefixLength: body.readUInt8(1) });
  }
  return found;
}

/** struct rtmsg. */
const routeHeader = (prefixLength: number): Buffer =>
  Buffer.from([AF_INET, prefixLength, 0, 0, mainTable, protocolBoot, 0, typeUnicast, 0, 0, 0, 0]);

/** The default route of the namespace, through `gateway`, which must be reachable on the link. */
export const addDefaultRoute = (gateway: Uint8Array, index: number): NetlinkMessage =>
  request(
    type.newRoute,
    flags.create | flags.exclusive,
    routeHeader(0),
    attribute(routeAttr.gateway, gateway),
    u32Attribute(routeAttr.outInterface, index),
  );

export const dumpRoutes = (): NetlinkMessage => request(type.getRoute, flags.dump, routeHeader(0));

export interface Route {
  /** 0.0.0.0 for the default route. */
  readonly destination: Uint8Array;
  readonly prefixLength: number;
  /** Index of the link it goes out by; 0 for none. */
  readonly index: number;
  readonly table: number;
}

/** The unicast IPv4 routes in an answer to `dumpRoutes`, of all tables but the one of local addresses. */
export function routesIn(messages: readonly ReceivedMessage[]): Route[] {
  const localTable = 255;
  const found: Route[] = [];
  for (const { type: messageType, body } of messages) {
    if (messageType !== type.newRoute || body.length < 12) continue;
    if (body.readUInt8(0) !== AF_INET || body.readUInt8(7) !== typeUnicast) continue;
    const attributes = attributesIn(body, 12);
    const table = attributes.get(routeAttr.table)?.readUInt32LE(0) ?? body.readUInt8(4);
    if (table === localTable) continue;
    found.push({
      destination: Uint8Array.from(attributes.get(routeAttr.destination) ?? [0, 0, 0, 0]),
      prefixLength: body.readUInt8(1),
      index: attributes.get(routeAttr.outInterface)?.readUInt32LE(0) ?? 0,
      table,
    });
  }
  return found;
}
