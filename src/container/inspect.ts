import { formatTime } from '../base/clock.ts';
import type { ContainerConfig, ContainerInspect, MountPoint, NetworkSettingsView } from '../spec/engine/container.ts';
import type { IdMapping, IdRange } from '../spec/contract/user-namespace.ts';
import { type ContainerContext, dataDirectory, logPath } from './context.ts';
import { noEndpoint, viewEndpoints } from './endpoints.ts';
import type { ContainerEntry } from './entry.ts';
import { viewHealth } from './health/state.ts';
import { viewLinks } from './links/links.ts';
import type { ContainerRecord, MountRecord } from './record.ts';
import { joinedContainer } from './start/namespaces.ts';
import { viewState } from './state.ts';

/** `docker inspect` of a container. */
export async function inspectContainer(
  ctx: ContainerContext,
  entry: ContainerEntry,
  options: { readonly size: boolean },
): Promise<ContainerInspect> {
  const { record } = entry;
  const { config, hostConfig } = record;
  const [path = '', ...args] = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  const usage = options.size ? await ctx.snapshots.usage(entry.id) : undefined;
  const files = dataDirectory(ctx, fileOwner(ctx, entry).id);
  const execs = [...entry.execs.values()].filter((exec) => exec.phase !== 'ended').map((exec) => exec.id);
  return {
    Id: entry.id,
    Created: formatTime(record.createdNs),
    Path: path,
    Args: args,
    State: {
      ...viewState(record.state),
      ...(record.health === undefined ? {} : { Health: viewHealth(record.health) }),
    },
    Image: record.imageId,
    ResolvConfPath: `${files}/resolv.conf`,
    HostnamePath: `${files}/hostname`,
    HostsPath: `${files}/hosts`,
    LogPath: hostConfig.LogConfig.Type === 'none' ? '' : logPath(ctx, entry.id),
    Name: `/${record.name}`,
    RestartCount: record.restartCount,
    Driver: ctx.settings.storageDriver,
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: execs.length === 0 ? null : execs,
    HostConfig: { ...hostConfig, Links: viewLinks(ctx, entry) },
    GraphDriver: { Name: ctx.settings.storageDriver, Data: null },
    ...(usage === undefined ? {} : { SizeRw: usage.writable, SizeRootFs: usage.writable + usage.layers }),
    Mounts: viewMounts(ctx, entry),
    Config: withMacAddress(record),
    NetworkSettings: viewNetwork(entry),
    ...(record.ids === undefined ? {} : { Gantry: { IDMappings: viewIds(record.ids) } }),
  };
}

/** As in Podman's inspect: `inside:outside:size`. */
function viewIds({ uids, gids }: IdMapping): { UidMap: string[]; GidMap: string[] } {
  const view = ({ inside, outside, size }: IdRange): string => `${inside}:${outside}:${size}`;
  return { UidMap: uids.map(view), GidMap: gids.map(view) };
}

function fileOwner(ctx: ContainerContext, entry: ContainerEntry): ContainerEntry {
  try {
    return joinedContainer(ctx, entry.record.hostConfig.NetworkMode) ?? entry;
  } catch {
    // The container whose network it joined is gone; so are that one's files.
    return entry;
  }
}

/** Docker's `Mounts`: what is mounted by the user's wish, without the engine's own files and without `--tmpfs`. */
export function viewMounts(ctx: ContainerContext, entry: ContainerEntry): MountPoint[] {
  const fromTmpfs = entry.record.hostConfig.Tmpfs ?? {};
  const shown = entry.record.mounts.filter((mount) => mount.type !== 'tmpfs' || !(mount.destination in fromTmpfs));
  let images = 0;
  return shown.map((mount) => ({
    Type: mount.type,
    ...(mount.name === '' ? {} : { Name: mount.name }),
    Source: shownSource(ctx, entry, mount, mount.type === 'image' ? images++ : 0),
    Destination: mount.destination,
    ...(mount.type === 'volume' ? { Driver: mount.driver } : {}),
    Mode: mount.mode,
    RW: !mount.readOnly,
    Propagation: mount.propagation,
  }));
}

/** Clients before API 1.52 look for the wanted address of the main endpoint here. */
function withMacAddress({ config, hostConfig, endpoints }: ContainerRecord): ContainerConfig {
  const mac = endpoints[hostConfig.NetworkMode]?.MacAddress ?? '';
  return mac === '' ? config : { ...config, MacAddress: mac };
}

function shownSource(ctx: ContainerContext, entry: ContainerEntry, mount: MountRecord, image: number): string {
  if (mount.type === 'volume') return ctx.volumes.get(mount.name)?.mountpoint ?? '';
  return mount.type === 'image' ? ctx.runMounts.imagePath(entry.id, image) : mount.source;
}

function viewNetwork(entry: ContainerEntry): NetworkSettingsView {
  const { record } = entry;
  const { sandbox } = record;
  const isUp = record.state.phase === 'running';
  const networks = viewEndpoints(entry);
  const {
    EndpointID,
    Gateway,
    GlobalIPv6Address,
    GlobalIPv6PrefixLen,
    IPAddress,
    IPPrefixLen,
    IPv6Gateway,
    MacAddress,
  } = networks['bridge'] ?? noEndpoint;
  const hasNamespace = isUp && sandbox?.mode === 'private' && record.state.phase === 'running';
  return {
    Bridge: '',
    SandboxID: isUp ? (sandbox?.sandboxId ?? '') : '',
    SandboxKey: hasNamespace && record.state.phase === 'running' ? `/proc/${record.state.pid}/ns/net` : '',
    Ports: isUp ? (sandbox?.ports ?? {}) : {},
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID,
    Gateway,
    GlobalIPv6Address,
    GlobalIPv6PrefixLen,
    IPAddress,
    IPPrefixLen,
    IPv6Gateway,
    MacAddress,
    Networks: networks,
  };
}
