import { writeFileSync } from 'node:fs';
import { openLibrary } from '../ffi/library.ts';
import { inNetNamespace } from '../namespace/net.ts';
import { addAddress, addDefaultRoute } from './address.ts';
import { addStacked, addVeth, configurePort, deleteLink, getLink, linksIn, setLink, type StackedLink } from './link.ts';
import { textOf } from './message.ts';
import { netlinkFamily, NetlinkSocket } from './socket.ts';

/** Interfaces of containers: how they come into a namespace. Synchronous, for the syscall worker. */

const libc = openLibrary(null, {
  if_nametoindex: { arguments: ['pointer'], return: 'u32' },
  if_indextoname: { arguments: ['u32', 'pointer'], return: 'pointer' },
});

/** The index of a link of this namespace, 0 when there is none. It takes no lock of the kernel's: 5 us. */
export const linkIndex = (name: string): number => libc.if_nametoindex(name);

/** The name of the link of this namespace with that index, empty when there is none. */
export function linkName(index: number): string {
  const name = Buffer.alloc(16);
  return Number(libc.if_indextoname(index, name)) === 0 ? '' : textOf(name);
}

/** Where an interface of a container leads. Names of the host's interfaces have at most 15 bytes. */
export type LinkOrigin =
  /** A cable to a bridge; `hostName` is the host's end. An `isolated` one leads to the host, not to other such cables. */
  | { readonly kind: 'cable'; readonly hostName: string; readonly bridge: string; readonly isolated: boolean }
  /** An interface on top of one of the host's. */
  | { readonly kind: 'stacked'; readonly parent: string; readonly link: StackedLink };

export interface ContainerLink {
  readonly origin: LinkOrigin;
  /** The container's end: `eth0`. */
  readonly name: string;
  /** Undefined leaves it to the kernel. */
  readonly mac: Uint8Array | undefined;
  /** 4 or 16 bytes each. */
  readonly addresses: readonly { readonly address: Uint8Array; readonly prefixLength: number }[];
  readonly mtu: number | undefined;
  /** Sysctls by path, with IFNAME for the interface's name (`net/ipv4/conf/IFNAME/forwarding`); written before it goes up. */
  readonly sysctls: readonly (readonly [path: string, value: string])[];
}

/** The way to everywhere else. */
export interface DefaultRoute {
  /** Name of the interface in the container. */
  readonly link: string;
  /** 4 or 16 bytes. */
  readonly gateway: Uint8Array;
}

/**
 * Plugs all links in and sets the default routes. @throws NetlinkError, SystemError; what was plugged in is gone then.
 */
export function plugAll(
  namespaceFd: number,
  inside: NetlinkSocket,
  links: readonly ContainerLink[],
  routes: readonly DefaultRoute[],
): void {
  const made: string[] = [];
  try {
    for (const link of links) {
      create(namespaceFd, link, made);
      configure(namespaceFd, inside, link, routes);
    }
    for (const { link, gateway } of routes) {
      if (links.some(({ name }) => name === link)) continue;
      inside.request([addDefaultRoute(gateway, indexInside(inside, link))], 'setting the default route');
    }
  } catch (error) {
    for (const name of made) inside.request([deleteLink(name)], `removing ${name}`);
    throw error;
  }
}

const indexInside = (inside: NetlinkSocket, name: string): number =>
  linksIn(inside.query(getLink(name), `looking up ${name}`))[0]?.index ?? 0;

function configure(
  namespaceFd: number,
  inside: NetlinkSocket,
  link: ContainerLink,
  routes: readonly DefaultRoute[],
): void {
  const { name } = link;
  const index = indexInside(inside, name);
  const hasIpv6 = link.addresses.some(({ address }) => address.length === 16);
  const sysctls = [...(hasIpv6 ? ipv6On : []), ...link.sysctls];
  if (sysctls.length > 0) inNetNamespace(namespaceFd, () => writeInterfaceSysctls(name, sysctls));
  inside.request(
    [
      // The address comes first: the interface then announces it as it goes up, where `arp_notify` asks for that.
      ...link.addresses.map(({ address, prefixLength }) => addAddress(index, address, prefixLength)),
      setLink(index, { up: true }),
      ...routes.filter((route) => route.link === name).map(({ gateway }) => addDefaultRoute(gateway, index)),
    ],
    `configuring ${name}`,
  );
}

/** Namespaces begin with IPv6 off. */
const ipv6On: readonly (readonly [string, string])[] = [['net/ipv6/conf/IFNAME/disable_ipv6', '0']];

/** `made` learns the name as soon as the link exists. */
function create(namespaceFd: number, { origin, name, mac, mtu }: ContainerLink, made: string[]): void {
  using outside = new NetlinkSocket(netlinkFamily.route);
  const own = mac === undefined ? {} : { mac };
  const mtuOf = mtu === undefined ? {} : { mtu };
  if (origin.kind === 'stacked') {
    const place = { name, parent: linkIndex(origin.parent), namespaceFd, ...own, ...mtuOf };
    outside.request([addStacked(origin.link, place)], `putting ${name} on ${origin.parent}`);
    made.push(name);
    return;
  }
  const { hostName, bridge, isolated } = origin;
  const pair = { name: hostName, master: linkIndex(bridge), ...mtuOf, peer: { name, namespaceFd, ...own } };
  outside.request([addVeth(pair)], `plugging ${hostName} into ${bridge}`);
  made.push(name);
  outside.request([configurePort(linkIndex(hostName), { isolated })], `configuring ${hostName}`);
}

function writeInterfaceSysctls(name: string, sysctls: readonly (readonly [string, string])[]): void {
  for (const [path, value] of sysctls) writeFileSync(`/proc/sys/${path.replaceAll('IFNAME', () => name)}`, value);
}
