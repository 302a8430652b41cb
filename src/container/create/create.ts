import { newContainerId } from '../../base/ids.ts';
import { Scope } from '../../base/scope.ts';
import { rootOwner } from '../../spec/contract/user-namespace.ts';
import type { ContainerConfig, CreateContainerRequest, HostConfig } from '../../spec/engine/container.ts';
import { type ContainerContext, containerEvent, dataDirectory } from '../context.ts';
import { ContainerEntry } from '../entry.ts';
import { loggedContainer, logSettings } from '../logs.ts';
import type { IdOwner } from '../ports.ts';
import { containerKind, type ContainerRecord, encodeRecord, type MountRecord } from '../record.ts';
import { byNetworkName, checkNoRates, wholeMode } from '../networks/request.ts';
import { makeLinks } from '../links/links.ts';
import { createdState } from '../state.ts';
import { chooseIds, keptUser } from '../user-namespace/choose.ts';
import { withHostDefaults } from './defaults.ts';
import { mergeImageConfig } from './merge.ts';
import { labelledBindings } from './port-labels.ts';
import { normalizePortBindings } from './ports.ts';
import { writableLimit } from './limit.ts';
import { wantedMounts } from './mounts.ts';
import { chooseName } from './names.ts';
import { makeMounts } from './storage.ts';
import { networkSysctls } from './sysctls.ts';
import { validateCreate, validateHealthOutcome } from './validate.ts';

/**
 * `docker create`: checks the whole request first, then makes volumes and the writable layer, then the record. When a
 * step fails, nothing of it is left.
 */
export async function createContainer(
  ctx: ContainerContext,
  request: CreateContainerRequest,
): Promise<{ id: string; warnings: string[] }> {
  const warnings = validateCreate(request, ctx.settings);
  const limit = writableLimit(request.HostConfig, ctx.settings.writableLimit);
  await using scope = new Scope();
  const id = newContainerId();
  const image = await ctx.images.resolve(request.Config.Image, request.platform, { id, runs: true });
  scope.defer(() => ctx.images.release(image.id, id));
  const config = mergeImageConfig(request.Config, image.config.config);
  validateHealthOutcome(config);
  const hostConfig = completeHostConfig(ctx, request, config);
  ctx.logs.check(logSettings(hostConfig));
  warnings.push(...(await ctx.runtimeSettings.check(hostConfig)));
  const endpoints = byNetworkName(ctx, request.EndpointsConfig);
  if (!hostConfig.NetworkMode.startsWith('container:')) {
    ctx.networks.validate({
      networkMode: hostConfig.NetworkMode,
      endpoints,
      exposedPorts: Object.keys(config.ExposedPorts ?? {}),
      portBindings: hostConfig.PortBindings,
      publishAll: hostConfig.PublishAllPorts,
      sysctls: networkSysctls(hostConfig),
    });
  } else checkNoRates(endpoints);

  const links = makeLinks(ctx, hostConfig);
  using chosen = chooseIds(ctx, hostConfig);
  const { ids } = chosen;
  const name = takeName(ctx, request.name, id);
  scope.defer(() => ctx.table.releaseName(name, id));
  scope.defer(() => ctx.host.removeTrees([dataDirectory(ctx, id)]));
  const layer = { ...(limit === undefined ? {} : { limit }), ...(ids === undefined ? {} : { ids }) };
  await scope.acquire(ctx.snapshots.prepare(id, image.layers, layer), () => ctx.snapshots.remove(id));
  const wanted = wantedMounts(config, hostConfig, request.oldReadOnly);
  const { mounts, copyUps } = await makeMounts(ctx, id, wanted, hostConfig.VolumesFrom ?? [], scope);
  if (ids !== undefined) await claimVolumes(ctx, mounts, rootOwner(ids));
  if (copyUps.length > 0) await fillVolumes(ctx, id, copyUps);
  const record: ContainerRecord = {
    id,
    name,
    createdNs: ctx.clock.nowNs(),
    imageId: image.id,
    imageName: request.Config.Image,
    imageManifest: image.manifest.digest,
    platform: `${image.platform.os}/${image.platform.architecture}`,
    layers: image.layers,
    config: {
      ...config,
      User: request.Config.User === '' ? (keptUser(hostConfig) ?? config.User) : config.User,
      Hostname: config.Hostname === '' ? defaultHostname(hostConfig.NetworkMode, id) : config.Hostname,
    },
    hostConfig,
    endpoints,
    mounts,
    ...(links.length === 0 ? {} : { links }),
    state: createdState,
    ...(ids === undefined ? {} : { ids }),
    restartCount: 0,
    stoppedByUser: false,
    sandbox: undefined,
  };
  ctx.logs.check(logSettings(hostConfig), loggedContainer(record));
  await ctx.journal.commit({
    records: [{ op: 'put', kind: containerKind, id, value: encodeRecord(record) }],
    events: [containerEvent(record, 'create')],
  });
  ctx.table.add(new ContainerEntry(record));
  scope.commit();
  return { id, warnings };
}

/** The request's settings with everything filled in. @throws invalid for labels about ports that mean nothing */
function completeHostConfig(
  ctx: ContainerContext,
  request: CreateContainerRequest,
  config: ContainerConfig,
): HostConfig {
  const asked = withIds(ctx, request.HostConfig);
  const wantedHost = {
    ...asked,
    NetworkMode: wholeMode(ctx, asked.NetworkMode),
    PortBindings: labelledBindings(request.Config.Labels, normalizePortBindings(asked.PortBindings), {
      exposed: Object.keys(config.ExposedPorts ?? {}),
      all: asked.PublishAllPorts,
    }),
  };
  return withHostDefaults(wantedHost, {
    containers: ctx.settings.defaults,
    runtime: ctx.settings.defaultRuntime,
    log: ctx.settings.defaultLog,
    maskedPaths: ctx.settings.maskedPaths,
    readonlyPaths: ctx.settings.readonlyPaths,
  });
}

/** The first container that has a volume gets it: with ids of the host it would be nobody's to write. */
async function claimVolumes(ctx: ContainerContext, mounts: readonly MountRecord[], owner: IdOwner): Promise<void> {
  for (const { type, source, extras } of mounts) {
    // A plugin's volume is nowhere yet; with idmap the ids on the disk are not those of the container.
    if (type === 'volume' && source !== '' && extras?.idmap === undefined) await ctx.host.giveEmpty(source, owner);
  }
}

const sharedModes = ['NetworkMode', 'PidMode', 'IpcMode'] as const;

/** Containers whose namespaces are joined are remembered by id: a name may mean another one later. */
function withIds(ctx: ContainerContext, host: HostConfig): HostConfig {
  const changed: Partial<Record<(typeof sharedModes)[number], string>> = {};
  for (const field of sharedModes) {
    const mode = host[field];
    if (!mode.startsWith('container:')) continue;
    try {
      changed[field] = `container:${ctx.table.find(mode.slice('container:'.length)).id}`;
    } catch {
      // It may come to be until the start.
    }
  }
  return { ...host, ...changed };
}

/** Shared network: shared name, found at the start. */
const defaultHostname = (networkMode: string, id: string): string =>
  networkMode === 'host' || networkMode.startsWith('container:') ? '' : id.slice(0, 12);

function takeName(ctx: ContainerContext, wanted: string | undefined, id: ContainerRecord['id']): string {
  const given = wanted?.startsWith('/') === true ? wanted.slice(1) : wanted;
  const name = given === undefined || given === '' ? chooseName((taken) => ctx.table.isNameTaken(taken)) : given;
  ctx.table.reserveName(name, id);
  return name;
}

/** New volumes get what the image has at their place; the root is mounted just for this. */
async function fillVolumes(
  ctx: ContainerContext,
  id: ContainerRecord['id'],
  copyUps: readonly { volume: string; path: string }[],
): Promise<void> {
  const root = await ctx.snapshots.mount(id, []);
  try {
    for (const { volume, path } of copyUps) await ctx.volumes.copyUp(volume, root, path);
  } finally {
    await ctx.snapshots.unmount(id);
  }
}
