import { BlockList, isIP, isIPv6 } from 'node:net';

/**
 * Addresses that a remote registry must never lead the engine to by a redirect or a token realm: the host itself,
 * and the link-local networks on which clouds serve credentials.
 */
const ownNetworks = new BlockList();
ownNetworks.addSubnet('0.0.0.0', 8);
ownNetworks.addSubnet('127.0.0.0', 8);
ownNetworks.addSubnet('169.254.0.0', 16);
ownNetworks.addSubnet('224.0.0.0', 3);
ownNetworks.addAddress('::', 'ipv6');
ownNetworks.addAddress('::1', 'ipv6');
ownNetworks.addSubnet('fe80::', 10, 'ipv6');
ownNetworks.addSubnet('ff00::', 8, 'ipv6');

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');

const contains = (list: BlockList, address: string): boolean => list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');

/** True for loopback, link-local, unspecified and multicast addresses, also where they are mapped into IPv6. */
export const isOwnNetwork = (address: string): boolean => contains(ownNetworks, address);

/** True for a host (no port, no brackets) that is this machine's loopback by its very name. */
export function isLoopbackHost(host: string): boolean {
  if (host === 'localhost' || host.endsWith('.localhost')) return true;
  return isIP(host) !== 0 && contains(loopback, host);
}

/** The host of `host:port` or `[v6]:port`, without port and brackets. */
export function hostOf(domain: string): string {
  if (domain.startsWith('[')) return domain.slice(1, Math.max(1, domain.indexOf(']')));
  const colon = domain.indexOf(':');
  return colon < 0 ? domain : domain.slice(0, colon);
}

/**
 * True when `entries` (dockerd's `insecure-registries`: `host`, `host:port` or a network like `10.0.0.0/8`) names the
 * registry `domain`. Networks are compared with addresses only, never with what a name resolves to at the moment.
 */
export function listsRegistry(entries: readonly string[], domain: string): boolean {
  const host = hostOf(domain);
  return entries.some((entry) => {
    const slash = entry.indexOf('/');
    if (slash < 0) return entry === domain || entry === host;
    const network = entry.slice(0, slash);
    const bits = Number(entry.slice(slash + 1));
    const family = isIPv6(network) ? 'ipv6' : 'ipv4';
    if (isIP(network) === 0 || isIP(host) === 0 || !Number.isInteger(bits)) return false;
    if (bits < 0 || bits > (family === 'ipv6' ? 128 : 32)) return false;
    const list = new BlockList();
    list.addSubnet(network, bits, family);
    return contains(list, host);
  });
}
