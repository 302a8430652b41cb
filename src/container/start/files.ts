import type { OpenSandbox } from '../../spec/contract/network.ts';
import type { LaunchMount } from '../../spec/contract/launch.ts';
import { rootOwner } from '../../spec/contract/user-namespace.ts';
import { type ContainerContext, dataDirectory, runDirectory } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';
import { linkHosts } from '../links/hosts.ts';
import { resolverChoice } from '../networks/request.ts';
import { joinedContainer } from './namespaces.ts';
import { renderHosts } from './hosts.ts';

/** The engine's own small files inside a container: name on disk, and where the container sees them. */
const engineFiles = [
  ['resolv.conf', '/etc/resolv.conf'],
  ['hostname', '/etc/hostname'],
  ['hosts', '/etc/hosts'],
] as const;

/** The container's own host name, or the host's when it shares the host's network. */
export function hostnameOf(ctx: ContainerContext, entry: ContainerEntry): string {
  const { config, hostConfig } = entry.record;
  if (config.Hostname !== '') return config.Hostname;
  return hostConfig.NetworkMode === 'host' || hostConfig.UTSMode === 'host'
    ? ctx.host.hostname()
    : entry.id.slice(0, 12);
}

/**
 * Makes the container's directories, writes hosts, hostname and resolv.conf, and returns the mounts for them (targets still as the user sees them). A
 * container that joins another one's network sees that one's files.
 */
export async function prepareFiles(
  ctx: ContainerContext,
  entry: ContainerEntry,
  network: OpenSandbox | undefined,
): Promise<LaunchMount[]> {
  const joined = joinedContainer(ctx, entry.record.hostConfig.NetworkMode);
  const directory = dataDirectory(ctx, (joined ?? entry).id);
  const files = joined === undefined ? await fileTexts(ctx, entry, network) : [];
  const { ids } = entry.record;
  const owner = ids === undefined ? undefined : rootOwner(ids);
  await ctx.host.place(
    [dataDirectory(ctx, entry.id), runDirectory(ctx, entry.id)],
    files.map(({ name, text }) => ({ path: `${directory}/${name}`, text, mode: 0o644, owner })),
  );
  return fileMounts(entry, directory);
}

/** The engine's own files in `directory` as mounts, but for those that the user mounts something over. */
function fileMounts(entry: ContainerEntry, directory: string): LaunchMount[] {
  const replaced = new Set(entry.record.mounts.map((mount) => mount.destination));
  return engineFiles
    .filter(([, target]) => !replaced.has(target))
    .map(([name, target]) => ({
      kind: 'bind',
      source: `${directory}/${name}`,
      target,
      readOnly: entry.record.hostConfig.ReadonlyRootfs,
      recursive: true,
      propagation: 'rprivate',
      engineOwned: true,
    }));
}

/** The mounts of the engine's own files as the last start left them; none of a container that was never started. */
export async function keptFiles(ctx: ContainerContext, entry: ContainerEntry): Promise<LaunchMount[]> {
  const { startedNs } = entry.record.state;
  if (startedNs === 0n) return [];
  const joined = joinedContainer(ctx, entry.record.hostConfig.NetworkMode);
  const directory = dataDirectory(ctx, (joined ?? entry).id);
  const found = await ctx.host.list(directory);
  return fileMounts(entry, directory).filter(
    (mount) => mount.kind === 'bind' && found.includes(mount.source.slice(directory.length + 1)),
  );
}

async function fileTexts(
  ctx: ContainerContext,
  entry: ContainerEntry,
  network: OpenSandbox | undefined,
): Promise<{ name: (typeof engineFiles)[number][0]; text: string }[]> {
  const { config, hostConfig } = entry.record;
  const hostname = hostnameOf(ctx, entry);
  const endpoints = Object.values(network?.sandbox.endpoints ?? {});
  const names = config.Domainname === '' ? [hostname] : [`${hostname}.${config.Domainname}`, hostname];
  const own = endpoints
    .flatMap((endpoint) => [endpoint.IPAddress, endpoint.GlobalIPv6Address])
    .filter((address) => address !== '')
    .map((address) => ({ address, names }));
  const ofBridge = endpoints
    .flatMap(({ Gateway, IPv6Gateway }) => [Gateway, IPv6Gateway])
    .filter((gateway) => gateway !== '');
  const { hostGateways: chosen } = ctx.settings.defaults;
  const hostGateways = chosen.length > 0 ? chosen : ofBridge.slice(0, 1);
  const hosts =
    network?.sandbox.mode === 'host' && (hostConfig.ExtraHosts ?? []).length === 0
      ? ((await ctx.host.read('/etc/hosts')) ?? renderHosts([], [], []))
      : renderHosts([...linkHosts(ctx, entry), ...own], hostConfig.ExtraHosts ?? [], hostGateways);
  const resolvConf = await ctx.networks.resolvConf(entry.id, hostConfig.NetworkMode, resolverChoice(hostConfig));
  return [
    { name: 'hosts', text: hosts },
    { name: 'hostname', text: `${hostname}\n` },
    { name: 'resolv.conf', text: resolvConf },
  ];
}
