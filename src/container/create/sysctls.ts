import { invalid } from '../../base/errors.ts';
import type { HostConfig } from '../../spec/engine/container.ts';

/** Kernel settings that belong to an IPC namespace (ipc_namespaces(7)). */
const ipcSysctls = new Set([
  'kernel.msgmax',
  'kernel.msgmnb',
  'kernel.msgmni',
  'kernel.sem',
  'kernel.shmall',
  'kernel.shmmax',
  'kernel.shmmni',
  'kernel.shm_rmid_forced',
]);

/**
 * A container may only set what is its own: any other setting would change the host.
 * @throws invalid for a setting that is not of a namespace, or of a namespace that the container shares with the host.
 */
export function validateSysctls(config: HostConfig): void {
  for (const name of Object.keys(config.Sysctls ?? {})) {
    const shown = JSON.stringify(name.slice(0, 200));
    if (name.includes('/') || name.includes('..') || name.includes('\0')) throw invalid(`invalid sysctl ${shown}`);
    if (name.startsWith('net.')) {
      if (config.NetworkMode === 'host') throw invalid(`sysctl ${shown} not allowed in host network namespace`);
    } else if (ipcSysctls.has(name) || name.startsWith('fs.mqueue.')) {
      if (config.IpcMode === 'host') throw invalid(`sysctl ${shown} is not allowed in the hosts ipc namespace`);
    } else if (name === 'kernel.domainname') {
      if (config.UTSMode === 'host') throw invalid(`sysctl ${shown} is not allowed in the hosts uts namespace`);
    } else throw invalid(`sysctl ${shown} is not in a separate kernel namespace`);
  }
}

/** The settings that the network writes into the container's namespace, on top of those that every one begins with. */
export function networkSysctls(config: HostConfig): Record<string, string> {
  const sysctls: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(config.Sysctls ?? {})) {
    if (name.startsWith('net.')) sysctls[name] = value;
  }
  return sysctls;
}
