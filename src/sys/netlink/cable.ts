import { callBlocking } from '../blocking/blocking.ts';
import { systemCode } from '../ffi/errors.ts';
import type { NameSockets } from '../socket/name-sockets.ts';
import type { LinkLimits } from './limit-calls.ts';
import type { NamespaceChange, NamespaceRequest } from './calls.ts';
import { deleteLink } from './link.ts';
import { netlinkFamily, NetlinkSocket } from './socket.ts';

/** `openNamespace` in the syscall worker: about 2 ms. */
export const openNamespace = (request: NamespaceRequest): Promise<number> => callBlocking('openNamespace', request);

/** `changeNamespace` in the syscall worker: 2 ms for what comes, 10 ms and more for what goes. */
export const changeNamespace = (change: NamespaceChange): Promise<void> => callBlocking('changeNamespace', change);

/** `interfacesIn` in the syscall worker. */
export const interfacesIn = (namespace: number): Promise<string[]> => callBlocking('interfacesIn', namespace);

/** `writeNetSysctls` in the syscall worker. */
export const writeNetSysctls = (namespace: number, sysctls: Readonly<Record<string, string>>): Promise<void> =>
  callBlocking('writeNetSysctls', namespace, sysctls);

/** `openNameSockets` in the syscall worker: 0.7 ms. */
export const openNameSockets = (namespace: number, table: string): Promise<NameSockets> =>
  callBlocking('openNameSockets', namespace, table);

/**
 * Removes links of this namespace by name, one after another: 10 to 50 ms for each, in which neither the event loop nor the
 * syscall worker waits. Those that are gone already are no error. @throws NetlinkError
 */
export async function deleteLinks(names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  using socket = new NetlinkSocket(netlinkFamily.route);
  for (const name of names) {
    try {
      await socket.requestAside([deleteLink(name)], `removing ${name}`);
    } catch (error) {
      if (systemCode(error) !== 'ENODEV') throw error;
    }
  }
}

/** `limitLinks` in the syscall worker: 0.2 ms for each, 10 ms and more where a limit of what comes in is lifted. */
export const limitLinks = (links: readonly LinkLimits[]): Promise<void> => callBlocking('limitLinks', links);

/** `forgetUdpFlows` in the syscall worker. */
export const forgetUdpFlows = (ports: readonly number[]): Promise<number> => callBlocking('forgetUdpFlows', ports);
