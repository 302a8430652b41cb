import { readFileSync, writeFileSync } from 'node:fs';
import { addAddress } from '../../sys/netlink/address.ts';
import { addVeth, setLink } from '../../sys/netlink/link.ts';
import { linkIndex } from '../../sys/netlink/plug.ts';
import { netlinkFamily, NetlinkSocket } from '../../sys/netlink/socket.ts';
import type { Family } from '../../base/address.ts';
import { newInterfaceName } from '../bridge/network.ts';

/**
 * Where a connection begins once more that the host's own rules have let in. Rules for incoming packets (the hook
 * `input`) see only what is for the host itself, and a packet whose destination is rewritten is not: so the first packet of a
 * connection goes its way to the host as it came, and after all rules of the hook a copy is sent out of one end of a cable.
 * At the other end it comes in again, and there its destination is rewritten. All further packets of the connection are
 * rewritten by its entry in connection tracking and take no detour; the client's address stays.
 */
export interface Reentry {
  /** Packets that come in here were let in by the host's rules. */
  readonly in: string;
  readonly out: { readonly name: string; readonly index: number };
}

/**
 * What copies are sent to, as if it were a router. 192.0.0.8 is nobody's (RFC 7600); the interface has it as
 * interfaces without an address get no packets where sources are checked (rp_filter).
 */
const inAddress = Uint8Array.of(192, 0, 0, 8);
export const reentryRouter: Readonly<Record<Family, Uint8Array>> = {
  4: Uint8Array.of(192, 0, 0, 9),
  6: Uint8Array.from({ length: 16 }, (_, at) => ({ 0: 0xfe, 1: 0x80, 15: 9 })[at] ?? 0),
};

/** Makes the cable; names begin with `prefix`. @throws NetlinkError, SystemError; an incomplete one is swept at a boot */
export function openReentry(prefix: string): Reentry {
  using socket = new NetlinkSocket(netlinkFamily.route);
  const [incoming, outgoing] = [newInterfaceName(prefix), newInterfaceName(prefix)];
  socket.request([addVeth({ name: outgoing, peer: { name: incoming } })], 'making the way back in');
  for (const name of [incoming, outgoing]) {
    // Its routes of IPv6 are needed, an address of the host's network is not.
    set(`ipv6/conf/${name}/accept_ra`, '0');
    set(`ipv6/conf/${name}/disable_ipv6`, '0');
  }
  set(`ipv4/conf/${incoming}/rp_filter`, '0');
  const index = linkIndex(outgoing);
  // Both ends have one hardware address: packets without a neighbour's go to the sender's own.
  const mac = Uint8Array.of(0x02, 0x42, 192, 0, 0, 8);
  socket.request(
    [
      setLink(index, { up: false }),
      setLink(index, { up: true, arp: false, mac }),
      setLink(linkIndex(incoming), { up: true, arp: false, mac }),
      addAddress(linkIndex(incoming), inAddress, 32),
    ],
    'setting up the way back in',
  );
  return { in: incoming, out: { name: outgoing, index } };
}

export const isReentryThere = ({ out }: Reentry): boolean => linkIndex(out.name) === out.index;

/** Why packets would not get back in on this host; undefined when they do. */
export function reentryObstacle(): string | undefined {
  const strict = readFileSync('/proc/sys/net/ipv4/conf/all/rp_filter', 'utf8').trim() === '1';
  return strict
    ? 'sources are checked strictly here (net.ipv4.conf.all.rp_filter=1); set it to 2: sysctl -w net.ipv4.conf.all.rp_filter=2'
    : undefined;
}

function set(name: string, value: string): void {
  try {
    writeFileSync(`/proc/sys/net/${name}`, value);
  } catch (error) {
    // A kernel without IPv6.
    if ((error as { code?: unknown }).code !== 'ENOENT') throw error;
  }
}
