import {
  attribute,
  attributesIn,
  flags,
  nested,
  type NetlinkMessage,
  type ReceivedMessage,
  u8Attribute,
  u32Attribute,
} from './message.ts';
import { NetlinkError, netlinkFamily, NetlinkSocket } from './socket.ts';

/** Tracked connections: linux/netfilter/nfnetlink_conntrack.h. */

const subsystem = 1 << 8;
const type = { get: subsystem | 1, delete: subsystem | 2 } as const;
const familyIpv4 = 2;
const attr = { original: 1, id: 12, filter: 25 } as const;
const tupleProtocol = 2;
const protocolAttr = { number: 1, destinationPort: 3 } as const;
const filterOriginal = 1;
/** Bits of the filter: compare the protocol and the destination port. */
const compareProtocolAndPort = (1 << 3) | (1 << 5);

const message = (messageType: number, extra: number, ...parts: Uint8Array[]): NetlinkMessage => ({
  type: messageType,
  flags: flags.request | extra,
  body: Buffer.concat([Uint8Array.of(familyIpv4, 0, 0, 0), ...parts]),
});

/** All IPv4 connections of a protocol that were opened to one port, on whatever address. */
function dumpConnections(protocol: number, port: number): NetlinkMessage {
  const inProtocol = nested(
    tupleProtocol,
    u8Attribute(protocolAttr.number, protocol),
    attribute(protocolAttr.destinationPort, Uint8Array.of(port >> 8, port & 255)),
  );
  return message(
    type.get,
    flags.dump,
    nested(attr.original, inProtocol),
    nested(attr.filter, u32Attribute(filterOriginal, compareProtocolAndPort)),
  );
}

/** The request that removes a connection which a dump has shown; undefined for other messages. */
function deletion(shown: ReceivedMessage): NetlinkMessage | undefined {
  const found = attributesIn(shown.body, 4);
  const original = found.get(attr.original);
  if (original === undefined) return undefined;
  const id = found.get(attr.id);
  return message(
    type.delete,
    0,
    nested(attr.original, original),
    ...(id === undefined ? [] : [attribute(attr.id, id)]),
  );
}

const UDP = 17;

/**
 * Makes the kernel forget the UDP flows to these ports, so that the next packet of each goes by the rules of now: a
 * flow is otherwise sent on to where its first packet went for as long as packets come. It reads the whole table of
 * connections, so it is for the syscall worker. Gives the number of flows.
 */
export function forgetUdpFlows(ports: readonly number[]): number {
  using socket = new NetlinkSocket(netlinkFamily.netfilter);
  socket.reserve(4 << 20);
  let forgotten = 0;
  for (const port of ports) {
    for (const shown of socket.query(dumpConnections(UDP, port), 'reading tracked connections')) {
      const request = deletion(shown);
      if (request === undefined) continue;
      try {
        socket.request([request], 'forgetting a tracked connection');
        forgotten++;
      } catch (error) {
        // It ended by itself meanwhile.
        if (!(error instanceof NetlinkError) || error.code !== 'ENOENT') throw error;
      }
    }
  }
  return forgotten;
}
