/**
 * Network set-up that takes milliseconds or waits for the kernel's locks, as synchronous calls for the syscall worker
 * (`cable.ts` has their asynchronous twins). They work in the network namespace of the calling thread.
 */
import { writeFileSync } from 'node:fs';
import { systemCode } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';
import { closeNetNamespace, createNetNamespace, inNetNamespace } from '../namespace/net.ts';
import { addAddress, addDefaultRoute } from './address.ts';
import { addVeth, deleteLink, enableHairpin, getLink, linksIn, setLink } from './link.ts';
import { netlinkFamily, NetlinkSocket } from './socket.ts';

const libc = openLibrary(null, { if_nametoindex: { arguments: ['pointer'], return: 'u32' } });

/** The index of a link of this namespace, 0 when there is none. It takes no lock of the kernel's: 5 us. */
export const linkIndex = (name: string): number => libc.if_nametoindex(name);

/** A cable between a bridge and an interface of a container, with the address that the interface gets. */
export interface Cable {
  /** The host's end; at most 15 bytes. */
  readonly hostName: string;
  /** The bridge that the host's end is plugged into. */
  readonly bridge: string;
  /** The container's end: `eth0`. */
  readonly name: string;
  readonly mac: Uint8Array;
  /** 4 bytes. */
  readonly address: Uint8Array;
  readonly prefixLength: number;
  /** The container's default route; undefined for none. */
  readonly gateway: Uint8Array | undefined;
  readonly mtu: number;
}

export interface NamespaceRequest {
  /** Written before there is any interface, so that interfaces begin with them; what the kernel lacks is left out. */
  readonly sysctls: Readonly<Record<string, string>>;
  readonly cables: readonly Cable[];
  /** A namespace that is there already, instead of a new one; it is taken over. */
  readonly namespace?: number | undefined;
}

/**
 * A new network namespace with its loopback up and its cables plugged in, as a descriptor of the caller.
 * @throws SystemError, NetlinkError; nothing is left then.
 */
export function openNamespace(request: NamespaceRequest): number {
  const namespace = request.namespace ?? createNetNamespace();
  try {
    const inside = inNetNamespace(namespace, () => {
      writeSysctls(request.sysctls, { skipMissing: true });
      return new NetlinkSocket(netlinkFamily.route);
    });
    using socket = inside;
    socket.request([setLink(loopbackIndex, { up: true })], 'bringing the loopback up');
    for (const cable of request.cables) plug(namespace, socket, cable);
    return namespace;
  } catch (error) {
    closeNetNamespace(namespace);
    throw error;
  }
}

const loopbackIndex = 1;

function plug(namespaceFd: number, inside: NetlinkSocket, cable: Cable): void {
  using outside = new NetlinkSocket(netlinkFamily.route);
  const { hostName, mtu, mac, name } = cable;
  const pair = { name: hostName, master: linkIndex(cable.bridge), mtu, peer: { name, namespaceFd, mac } };
  outside.request([addVeth(pair)], `plugging ${hostName} into ${cable.bridge}`);
  outside.request([enableHairpin(linkIndex(hostName))], `configuring ${hostName}`);
  const index = linksIn(inside.query(getLink(name), 'looking up the new interface'))[0]?.index ?? 0;
  inside.request(
    [
      // The address comes first: the interface then announces it as it goes up, where `arp_notify` asks for that.
      addAddress(index, cable.address, cable.prefixLength),
      setLink(index, { up: true }),
      ...(cable.gateway === undefined ? [] : [addDefaultRoute(cable.gateway, index)]),
    ],
    `configuring ${name}`,
  );
}

/** Writes sysctls of the net.* tree inside a namespace. @throws Error with the code of the failed write. */
export function writeNetSysctls(namespace: number, sysctls: Readonly<Record<string, string>>): void {
  inNetNamespace(namespace, () => writeSysctls(sysctls, { skipMissing: false }));
}

function writeSysctls(sysctls: Readonly<Record<string, string>>, options: { skipMissing: boolean }): void {
  for (const [name, value] of Object.entries(sysctls)) {
    try {
      writeFileSync(sysctlPath(name), value);
    } catch (error) {
      if (!options.skipMissing || systemCode(error) !== 'ENOENT') throw error;
    }
  }
}

/** Where the kernel shows a sysctl; in a name that has slashes, dots belong to interface names (sysctl(8)). */
const sysctlPath = (name: string): string => `/proc/sys/${name.includes('/') ? name : name.replaceAll('.', '/')}`;

/** Removes links of this namespace by name; those that are gone already are no error. */
export function deleteLinks(names: readonly string[]): void {
  using socket = new NetlinkSocket(netlinkFamily.route);
  for (const name of names) {
    try {
      if (linkIndex(name) !== 0) socket.request([deleteLink(name)], `removing ${name}`);
    } catch (error) {
      if (systemCode(error) !== 'ENODEV') throw error;
    }
  }
}
