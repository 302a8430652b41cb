import { readFileSync, writeFileSync } from 'node:fs';
import { EngineError } from '../../base/errors.ts';
import { addAddress, addressesIn, dumpAddresses, dumpRoutes, routesIn } from '../../sys/netlink/address.ts';
import { linkIndex } from '../../sys/netlink/calls.ts';
import { addBridge, dumpLinks, getLink, type Link, linksIn, setLink } from '../../sys/netlink/link.ts';
import { netlinkFamily, NetlinkSocket } from '../../sys/netlink/socket.ts';
import { bytesOf, ipv4Of, type Prefix, prefixOf } from '../ipv4.ts';

/** The kernel's side of bridges: short synchronous requests, made at boot and when something has gone missing. */

/** A bridge interface as it is. */
export interface BridgeLink {
  readonly index: number;
  /** Its first IPv4 address with the prefix length of its subnet. */
  readonly address: { readonly address: number; readonly length: number } | undefined;
}

/** The bridge of a name, or undefined. @throws EngineError `conflict` when the name is another kind of interface. */
export function findBridge(name: string): BridgeLink | undefined {
  if (linkIndex(name) === 0) return undefined;
  using socket = new NetlinkSocket(netlinkFamily.route);
  const link = linksIn(socket.query(getLink(name), `looking up ${name}`))[0];
  if (link === undefined) return undefined;
  if (link.kind !== 'bridge') {
    throw new EngineError('conflict', `the interface ${name} exists and is no bridge; the engine needs that name`);
  }
  const addresses = addressesIn(socket.query(dumpAddresses(), 'reading addresses'));
  const own = addresses.find(({ index }) => index === link.index);
  const address = own === undefined ? undefined : { address: ipv4Of(own.address), length: own.prefixLength };
  return { index: link.index, address };
}

/** Makes a bridge with its address. `mac` is fixed: left alone it would change with the containers that come and go. */
export function createBridge(bridge: {
  readonly name: string;
  readonly mac: Uint8Array;
  readonly gateway: number;
  readonly length: number;
  readonly mtu: number;
}): void {
  using socket = new NetlinkSocket(netlinkFamily.route);
  socket.request([addBridge(bridge.name, bridge.mac, bridge.mtu)], `making the bridge ${bridge.name}`);
  const index = linkIndex(bridge.name);
  socket.request([addAddress(index, bytesOf(bridge.gateway), bridge.length)], `addressing the bridge ${bridge.name}`);
}

/**
 * Lets packets pass between the bridge and other interfaces, and from this host's loopback to the bridge. Gives the
 * sysctls that were not so before. @throws Error when they cannot be written.
 */
export function enableForwarding(bridge: string, everywhere: boolean): string[] {
  const wanted = [...(everywhere ? ['net/ipv4/ip_forward'] : []), `net/ipv4/conf/${bridge}/route_localnet`];
  return wanted.filter((name) => {
    const path = `/proc/sys/${name}`;
    if (readFileSync(path, 'utf8').trim() === '1') return false;
    writeFileSync(path, '1');
    return true;
  });
}

/** Everything that the host reaches by other ways than the link `except`: no subnet may touch it. */
export function prefixesInUse(except: string): Prefix[] {
  using socket = new NetlinkSocket(netlinkFamily.route);
  const exceptIndex = linkIndex(except);
  const used: Prefix[] = [];
  for (const { index, address, prefixLength } of addressesIn(socket.query(dumpAddresses(), 'reading addresses'))) {
    if (index !== exceptIndex) used.push(prefixOf(ipv4Of(address), prefixLength));
  }
  for (const { index, destination, prefixLength } of routesIn(socket.query(dumpRoutes(), 'reading routes'))) {
    // A default route, or one of the halves that VPNs use instead, leads everywhere.
    if (index !== exceptIndex && prefixLength > 1) used.push(prefixOf(ipv4Of(destination), prefixLength));
  }
  return used;
}

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
