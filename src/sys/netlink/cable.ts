import { callBlocking } from '../blocking/blocking.ts';
import type { NameSockets } from '../socket/name-sockets.ts';
import type { LinkLimits } from './limit-calls.ts';
import type { NamespaceChange, NamespaceRequest } from './calls.ts';

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

/** `deleteLinks` in the syscall worker: 10 ms and more for each. */
export const deleteLinks = (names: readonly string[]): Promise<void> => callBlocking('deleteLinks', names);

/** `limitLinks` in the syscall worker: 0.2 ms for each, 10 ms and more where a limit of what comes in is lifted. */
export const limitLinks = (links: readonly LinkLimits[]): Promise<void> => callBlocking('limitLinks', links);

/** `forgetUdpFlows` in the syscall worker. */
export const forgetUdpFlows = (ports: readonly number[]): Promise<number> => callBlocking('forgetUdpFlows', ports);
