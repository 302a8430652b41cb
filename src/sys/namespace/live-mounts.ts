/** container-mounts.ts as promises, for the engine's main thread. */
import { callBlocking } from '../blocking/blocking.ts';
import type { ProcessIdentity } from '../process/pidfd.ts';
import type { ContainerMountRequest } from './container-mounts.ts';

export const mountIntoContainerAsync = (request: ContainerMountRequest): Promise<void> =>
  callBlocking('mountIntoContainer', request);

export const unmountFromContainerAsync = (process: ProcessIdentity, target: string, source: string): Promise<void> =>
  callBlocking('unmountFromContainer', process, target, source);
