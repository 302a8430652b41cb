/**
 * Network set-up that takes milliseconds or waits for the kernel's locks, as synchronous calls for the syscall worker
 * (`cable.ts` has their asynchronous twins). They work in the network namespace of the calling thread.
 */
import { writeFileSync } from 'node:fs';
import { systemCode } from '../ffi/errors.ts';
import { closeNetNamespace, createNetNamespace, inNetNamespace } from '../namespace/net.ts';
import { addDefaultRoute, deleteDefaultRoute, dumpRoutes, routesIn } from './address.ts';
import { deleteLink, dumpLinks, getLink, linksIn, renameLink, setLink } from './link.ts';
import { type ContainerLink, type DefaultRoute, plugAll } from './plug.ts';
import { netlinkFamily, NetlinkSocket } from './socket.ts';

export interface NamespaceRequest {
  /** Written before there is any interface, so that interfaces begin with them; what the kernel lacks is left out. */
  readonly sysctls: Readonly<Record<string, string>>;
  readonly links: readonly ContainerLink[];
  /** Default routes, at most one of each family. */
  readonly routes: readonly DefaultRoute[];
  /** A namespace that is there already, instead of a new one; it is taken over. */
  readonly namespace?: number | undefined;
}

/**
 * A new network namespace with its loopback up and its links plugged in, as a descriptor of the caller.
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
    plugAll(namespace, socket, request.links, request.routes);
    return namespace;
  } catch (error) {
    closeNetNamespace(namespace);
    throw error;
  }
}

const loopbackIndex = 1;

/** What changes in a namespace that a container lives in. */
export interface NamespaceChange {
  /** The container's namespace: a descriptor that stays the caller's. */
  readonly namespace: number;
  readonly add: readonly ContainerLink[];
  /** Names of interfaces that go; those that are gone already are no error. */
  readonly remove: readonly string[];
  /** Interfaces that go by their other end: at once they are down, under another name that nobody asks for. */
  readonly setAside?: readonly { readonly name: string; readonly as: string }[];
  /** The default routes from now on; those that there are of these families go. Undefined leaves all as they are. */
  readonly routes: readonly DefaultRoute[] | undefined;
}

/** Makes the change; when it throws NetlinkError or SystemError, what was added is gone again. */
export function changeNamespace(change: NamespaceChange): void {
  const { namespace, add, remove, setAside = [], routes } = change;
  using inside = inNetNamespace(namespace, () => new NetlinkSocket(netlinkFamily.route));
  for (const name of remove) tolerate('ENODEV', () => inside.request([deleteLink(name)], `removing ${name}`));
  for (const { name, as } of setAside) tolerate('ENODEV', () => shut(inside, name, as));
  const before = routes === undefined ? [] : dropDefaultRoutes(inside);
  try {
    plugAll(namespace, inside, add, routes ?? []);
  } catch (error) {
    for (const { gateway, index } of before) {
      tolerate('EEXIST', () => inside.request([addDefaultRoute(gateway, index)], 'restoring a route'));
    }
    throw error;
  }
}

/** Takes a link out of use before the kernel takes its time to remove it. @throws NetlinkError `ENODEV` when it is not there */
function shut(socket: NetlinkSocket, name: string, as: string): void {
  const link = linksIn(socket.query(getLink(name), `looking up ${name}`))[0];
  if (link === undefined) return;
  socket.request([setLink(link.index, { up: false })], `shutting ${name}`);
  socket.request([renameLink(link.index, as)], `renaming ${name}`);
}

function tolerate(code: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (systemCode(error) !== code) throw error;
  }
}

/** Takes the default routes of the main table away; gives them. */
function dropDefaultRoutes(inside: NetlinkSocket): { gateway: Uint8Array; index: number }[] {
  const found = routesIn(inside.query(dumpRoutes(), 'reading routes')).flatMap(
    ({ prefixLength, gateway, index, table }) =>
      prefixLength === 0 && gateway !== undefined && table === mainTable ? [{ gateway, index }] : [],
  );
  for (const { gateway, index } of found) inside.request([deleteDefaultRoute(gateway, index)], 'removing a route');
  return found;
}

const mainTable = 254;

/** The names of all interfaces in a namespace. */
export function interfacesIn(namespace: number): string[] {
  using inside = inNetNamespace(namespace, () => new NetlinkSocket(netlinkFamily.route));
  return linksIn(inside.query(dumpLinks(), 'reading interfaces')).map(({ name }) => name);
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
