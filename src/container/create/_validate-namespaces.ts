import { invalid } from '../../base/errors.ts';
import type { ContainerConfig, HostConfig } from '../../spec/engine/container.ts';
import { parseUserNamespaceMode } from '../user-namespace/mode.ts';

/** Modes of namespaces, and what cannot go together with them. */
export function validateNamespaces(config: ContainerConfig, host: HostConfig): void {
  const { NetworkMode: network, UTSMode: uts, PidMode: pid, IpcMode: ipc } = host;
  if (uts !== '' && uts !== 'host') throw invalid(`invalid UTS mode: ${uts.slice(0, 100)}`);
  if (!isMode(pid, ['', 'host'])) throw invalid(`invalid PID mode: ${pid.slice(0, 100)}`);
  if (!isMode(ipc, ['', 'none', 'private', 'shareable', 'host']))
    throw invalid(`invalid IPC mode: ${ipc.slice(0, 100)}`);
  parseUserNamespaceMode(host.UsernsMode);
  if (!['', 'private', 'host'].includes(host.CgroupnsMode)) {
    throw invalid(`invalid cgroup namespace mode: ${String(host.CgroupnsMode).slice(0, 100)}`);
  }
  if (host.Isolation !== '' && host.Isolation !== 'default') {
    throw invalid(`invalid isolation (${host.Isolation.slice(0, 100)}): linux only supports 'default'`);
  }
  if (uts === 'host' && config.Hostname !== '') throw invalid('conflicting options: hostname and the UTS mode');
  if (isContainerMode(network)) validateSharedNetwork(config, host);
  else if (network.startsWith('container:')) throw invalid('invalid container format container:<name|id>');
  if (network === 'host' && hasItems(host.Links)) {
    throw invalid(
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    );
  }
}

/** `container:` must name one. */
function isMode(mode: string, plain: readonly string[]): boolean {
  return plain.includes(mode) || isContainerMode(mode);
}

const isContainerMode = (mode: string): boolean => mode.startsWith('container:') && mode.length > 'container:'.length;

const hasItems = (list: readonly unknown[] | null | undefined): boolean => (list?.length ?? 0) > 0;

/** A container in the network of another one has no settings of its own there. */
function validateSharedNetwork(config: ContainerConfig, host: HostConfig): void {
  if (config.Hostname !== '') throw invalid('conflicting options: hostname and the network mode');
  if (hasItems(host.Links)) {
    throw invalid(
      "conflicting options: container type network can't be used with links. This would result in undefined behavior",
    );
  }
  if (hasItems(host.Dns)) throw invalid('conflicting options: dns and the network mode');
  if (hasItems(host.ExtraHosts)) throw invalid('conflicting options: custom host-to-IP mapping and the network mode');
  if (Object.keys(host.PortBindings).length > 0 || host.PublishAllPorts) {
    throw invalid('conflicting options: port publishing and the container type network mode');
  }
  if (Object.keys(config.ExposedPorts ?? {}).length > 0) {
    throw invalid('conflicting options: port exposing and the container type network mode');
  }
}
