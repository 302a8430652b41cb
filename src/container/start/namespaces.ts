import { conflict, invalid } from '../../base/errors.ts';
import type { LaunchRequest, NamespaceChoice } from '../../spec/contract/launch.ts';
import type { OpenSandbox } from '../../spec/contract/network.ts';
import type { ContainerContext } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';

const prefix = 'container:';

/** The container that a mode `container:NAME` refers to; undefined for every other mode. @throws not-found. */
export function joinedContainer(ctx: ContainerContext, mode: string): ContainerEntry | undefined {
  return mode.startsWith(prefix) ? ctx.table.find(mode.slice(prefix.length)) : undefined;
}

/** @throws conflict when the other container does not run: it has no namespace to join. */
function joinNamespace(ctx: ContainerContext, mode: string, name: string, what: string): NamespaceChoice {
  const other = joinedContainer(ctx, mode);
  if (other === undefined) throw invalid(`invalid namespace mode ${JSON.stringify(mode)}`);
  const { state } = other.record;
  if (state.phase === 'running') return { kind: 'join', path: `/proc/${state.pid}/ns/${name}` };
  const why =
    state.phase === 'restarting'
      ? `Container ${other.id} is restarting, wait until the container is running`
      : `container ${other.id} is not running`;
  throw conflict(`failed to join ${what} namespace: ${why}`);
}

/** Where each namespace of a container comes from, from its HostConfig modes. */
export function chooseNamespaces(
  ctx: ContainerContext,
  entry: ContainerEntry,
  network: OpenSandbox | undefined,
): LaunchRequest['namespaces'] {
  const { hostConfig } = entry.record;
  return {
    network: chooseNetwork(ctx, hostConfig.NetworkMode, network),
    pid: choose(ctx, 'PidMode', hostConfig.PidMode, 'pid'),
    ipc: choose(ctx, 'IpcMode', hostConfig.IpcMode, 'ipc'),
    uts: choose(ctx, 'UTSMode', hostConfig.UTSMode, 'uts'),
    cgroup: hostConfig.CgroupnsMode === 'host' ? { kind: 'host' } : { kind: 'new' },
  };
}

function chooseNetwork(ctx: ContainerContext, mode: string, network: OpenSandbox | undefined): NamespaceChoice {
  if (network === undefined) return joinNamespace(ctx, mode, 'net', 'network');
  if (network.namespacePath === undefined) return { kind: 'host' };
  return { kind: 'join', path: network.namespacePath };
}

function choose(ctx: ContainerContext, field: string, mode: string, name: string): NamespaceChoice {
  switch (mode) {
    case '':
    case 'private':
    case 'none':
    case 'shareable':
      return { kind: 'new' };
    case 'host':
      return { kind: 'host' };
  }
  if (!mode.startsWith(prefix)) throw invalid(`invalid ${field}: ${JSON.stringify(mode)}`);
  return joinNamespace(ctx, mode, name, name.toUpperCase());
}
