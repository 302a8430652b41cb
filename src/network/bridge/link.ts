import { readFileSync, writeFileSync } from 'node:fs';
import { EngineError } from '../../base/errors.ts';
import {
  addAddress,
  addressesIn,
  deleteAddress,
  dumpAddresses,
  dumpRoutes,
  routesIn,
} from '../../sys/netlink/address.ts';
import { addBridge, dumpLinks, getLink, type Link, linksIn, renameLink, setLink } from '../../sys/netlink/link.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import { linkIndex } from '../../sys/netlink/plug.ts';
import { netlinkFamily, NetlinkSocket } from '../../sys/netlink/socket.ts';
import { linkLocalOf } from '../mac.ts';
import { type Address, addressOf, bytesOf, type Prefix, prefixOf, sameAddress } from '../../base/address.ts';

/** The kernel's side of bridges: short synchronous requests, made at boot and when something has gone missing. */

/** An address with the length of its subnet's prefix. */
export interface LinkAddress {
  readonly address: Address;
  readonly length: number;
}

/** A bridge interface as it is. */
export interface BridgeLink {
  readonly index: number;
  readonly addresses: readonly LinkAddress[];
}

/** The bridge of a name, or undefined. @throws EngineError `conflict` when the name is another kind of interface. */
export function findBridge(name: string): BridgeLink | undefined {
  if (linkIndex(name) === 0) return undefined;
  using socket = new NetlinkSocket(netlinkFamily.route);
  const link = linksIn(socket.query(getLink(name), `looking up ${name}`))[0];
  if (link === undefined) return undefined;
  if (link.kind !== 'bridge') throw new EngineError('conflict', `existing interface ${name} is not a bridge`);
  const addresses = addressesIn(socket.query(dumpAddresses(), 'reading addresses'));
  return {
    index: link.index,
    addresses: addresses
      .filter(({ index }) => index === link.index)
      .map(({ address, prefixLength }) => ({ address: addressOf(address), length: prefixLength })),
  };
}

/** True when a bridge has all these addresses. */
export const hasAddresses = (bridge: BridgeLink, wanted: readonly LinkAddress[]): boolean =>
  wanted.every((one) =>
    bridge.addresses.some(({ address, length }) => length === one.length && sameAddress(address, one.address)),
  );

/**
 * Makes a bridge with its addresses. `mac` is fixed: left alone it would change with the containers that come and go.
 * @throws NetlinkError; an incomplete bridge stays
 */
export function createBridge(bridge: {
  readonly name: string;
  readonly mac: Uint8Array;
  readonly addresses: readonly LinkAddress[];
  readonly ipv6: boolean;
  readonly mtu: number;
}): void {
  using socket = new NetlinkSocket(netlinkFamily.route);
  socket.request([addBridge(bridge.name, bridge.mac, bridge.mtu)], `making the bridge ${bridge.name}`);
  setIpv6(bridge.name, bridge.ipv6);
  // The kernel would give itself the same one, and look for duplicates, that cannot be, for the first second with a container:
  // until then it finds no container that something is forwarded to.
  const own = bridge.ipv6 ? [{ address: linkLocalOf(bridge.mac), length: 64 }] : [];
  addAddresses(bridge.name, [...own, ...bridge.addresses]);
}

/**
 * Takes name, addresses and routes from a bridge, 0.5 ms: what makes anybody notice it. The kernel takes 10 to 50 ms to remove
 * it then. False when it is not there. While namespaces of containers end the kernel's lock is taken for as long as 30 ms, so
 * the event loop does not wait for it. @throws NetlinkError
 */
export async function setAside(name: string, as: string, addresses: readonly LinkAddress[]): Promise<boolean> {
  const index = linkIndex(name);
  if (index === 0) return false;
  using socket = new NetlinkSocket(netlinkFamily.route);
  await socket.requestAside([setLink(index, { up: false }), renameLink(index, as)], `setting the bridge ${name} aside`);
  for (const { address, length } of addresses) {
    try {
      await socket.requestAside([deleteAddress(index, bytesOf(address), length)], `taking the addresses from ${name}`);
    } catch (error) {
      // Those of IPv6 go when a link goes down.
      if (systemCode(error) !== 'EADDRNOTAVAIL') throw error;
    }
  }
  return true;
}

/** Shuts the host's end of a cable; nothing to do when it is gone. @throws NetlinkError */
export function shutLink(name: string): void {
  const index = linkIndex(name);
  if (index === 0) return;
  using socket = new NetlinkSocket(netlinkFamily.route);
  socket.request([setLink(index, { up: false })], `shutting ${name}`);
}

/** Gives a bridge addresses that it does not have yet. */
export function addAddresses(name: string, addresses: readonly LinkAddress[]): void {
  if (addresses.length === 0) return;
  using socket = new NetlinkSocket(netlinkFamily.route);
  const index = linkIndex(name);
  const requests = addresses.map(({ address, length }) => addAddress(index, bytesOf(address), length));
  socket.request(requests, `addressing the bridge ${name}`);
}

/** Without IPv6 a bridge has no link-local address either. Containers never tell the host its routes (CVE-2020-13401). */
function setIpv6(name: string, on: boolean): void {
  const values = { accept_ra: '0', disable_ipv6: on ? '0' : '1' };
  for (const [key, value] of Object.entries(values)) {
    try {
      writeFileSync(`/proc/sys/net/ipv6/conf/${name}/${key}`, value);
    } catch (error) {
      // A kernel without IPv6 has nothing to switch off.
      if (on) throw error;
    }
  }
}

/**
 * Lets packets pass between the bridge and other interfaces, and from this host's loopback to the bridge. Gives the
 * sysctls that were not so before. @throws Error when they cannot be written.
 */
export function enableForwarding(
  bridge: string,
  wishes: { everywhere: boolean; ipv4: boolean; ipv6: boolean },
): string[] {
  const { everywhere, ipv4, ipv6 } = wishes;
  const wanted = [
    ...(everywhere && ipv4 ? ['net/ipv4/ip_forward'] : []),
    ...(everywhere && ipv6 ? ['net/ipv6/conf/all/forwarding'] : []),
    ...(ipv4 ? [`net/ipv4/conf/${bridge}/route_localnet`] : []),
  ];
  return wanted.filter((name) => {
    const path = `/proc/sys/${name}`;
    if (readFileSync(path, 'utf8').trim() === '1') return false;
    writeFileSync(path, '1');
    return true;
  });
}

/**
 * Whether the host answers the questions of isolated ports for each other's addresses (RFC 3069): packets between them then
 * go by the host, and through its firewall. Nothing to do where the bridge is gone.
 */
export function answerForNeighbours(bridge: string, on: boolean): void {
  const values: readonly (readonly [string, string])[] = on
    ? [
        // At once, and without telling containers that there is a shorter way.
        [`neigh/${bridge}/proxy_delay`, '0'],
        [`conf/${bridge}/send_redirects`, '0'],
        [`conf/${bridge}/proxy_arp_pvlan`, '1'],
      ]
    : [[`conf/${bridge}/proxy_arp_pvlan`, '0']];
  for (const [name, value] of values) {
    const path = `/proc/sys/net/ipv4/${name}`;
    try {
      if (readFileSync(path, 'utf8').trim() !== value) writeFileSync(path, value);
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENOENT') throw error;
    }
  }
}

/** Everything that the host reaches by other ways than the link `except`: no subnet may touch it. */
export function prefixesInUse(except: string): Prefix[] {
  using socket = new NetlinkSocket(netlinkFamily.route);
  const exceptIndex = linkIndex(except);
  const used: Prefix[] = [];
  for (const { index, address, prefixLength } of addressesIn(socket.query(dumpAddresses(), 'reading addresses'))) {
    if (index !== exceptIndex) used.push(prefixOf(addressOf(address), prefixLength));
  }
  for (const { index, destination, prefixLength } of routesIn(socket.query(dumpRoutes(), 'reading routes'))) {
    // A default route, or one of the halves that VPNs use instead, leads everywhere.
    if (index !== exceptIndex && prefixLength > 1) used.push(prefixOf(addressOf(destination), prefixLength));
  }
  return used;
}

/** The interface that the host reaches the world by; undefined when it has no default route. */
export function outsideInterface(): string | undefined {
  using socket = new NetlinkSocket(netlinkFamily.route);
  const routes = routesIn(socket.query(dumpRoutes(), 'reading routes'));
  const index = routes.find(({ prefixLength, table }) => prefixLength === 0 && table === mainTable)?.index;
  if (index === undefined) return undefined;
  return linksIn(socket.query(dumpLinks(), 'reading interfaces')).find((link) => link.index === index)?.name;
}

/** RT_TABLE_MAIN. */
const mainTable = 254;

/** The links whose name begins with `prefix`. */
export function linksNamed(prefix: string): Link[] {
  using socket = new NetlinkSocket(netlinkFamily.route);
  return linksIn(socket.query(dumpLinks(), 'reading interfaces')).filter(({ name }) => name.startsWith(prefix));
}

/** Plugs links into a bridge; those that are gone are left out. */
export function plugInto(bridge: string, names: readonly string[]): void {
  using socket = new NetlinkSocket(netlinkFamily.route);
  const master = linkIndex(bridge);
  for (const name of names) {
    const index = linkIndex(name);
    if (index !== 0) socket.request([setLink(index, { master, up: true })], `plugging ${name} into ${bridge}`);
  }
}
