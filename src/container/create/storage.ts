import { EngineError, invalid, messageOf } from '../../base/errors.ts';
import type { ContainerId } from '../../base/ids.ts';
import type { Scope } from '../../base/scope.ts';
import type { ContainerConfig, HostConfig } from '../../spec/engine/container.ts';
import type { ContainerContext } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';
import type { MountRecord } from '../record.ts';
import { missingBindSource, type WantedMount, wantedMounts } from './mounts.ts';

/** The mounts of a new container, and which of its volumes are to be filled from the image. */
export interface MadeMounts {
  readonly mounts: readonly MountRecord[];
  readonly copyUps: readonly { readonly volume: string; readonly path: string }[];
}

/**
 * Decides all mounts and makes the volumes that do not exist yet; `scope` takes the anonymous ones back. What
 * `--volumes-from` brings gives way to the container's own mounts.
 * @throws EngineError `invalid` for bad or duplicate mounts and missing sources, `not-implemented` for other types.
 */
export async function makeMounts(
  ctx: ContainerContext,
  id: ContainerId,
  config: ContainerConfig,
  hostConfig: HostConfig,
  scope: Scope,
): Promise<MadeMounts> {
  const mounts: MountRecord[] = [];
  const copyUps: { volume: string; path: string }[] = [];
  const inherited = inheritedMounts(ctx, hostConfig.VolumesFrom ?? []);
  const fromOthers = new Map(inherited.map((mount) => [mount.destination, mount]));
  for (const wanted of wantedMounts(config, hostConfig)) {
    const isDeclaredOnly = wanted.kind === 'volume' && wanted.name === undefined && wanted.mode === '';
    if (isDeclaredOnly && fromOthers.has(wanted.target)) continue;
    fromOthers.delete(wanted.target);
    mounts.push(await makeMount(ctx, id, wanted, scope));
    const made = mounts.at(-1);
    if (wanted.kind === 'volume' && wanted.copy && made !== undefined) {
      copyUps.push({ volume: made.name, path: wanted.target });
    }
  }
  for (const mount of fromOthers.values()) {
    if (mount.type === 'volume') holdVolume(ctx, id, mount.name, scope);
    mounts.push(mount);
  }
  return { mounts, copyUps };
}

const base = {
  name: '',
  source: '',
  driver: '',
  mode: '',
  readOnly: false,
  recursive: true,
  readOnlyNonRecursive: false,
  propagation: '',
  options: [],
  anonymous: false,
  createSource: false,
} as const;

async function makeMount(
  ctx: ContainerContext,
  id: ContainerId,
  wanted: WantedMount,
  scope: Scope,
): Promise<MountRecord> {
  switch (wanted.kind) {
    case 'bind': {
      const { kind: _kind, target, ...bind } = wanted;
      if (!bind.createSource && (await ctx.host.kindOf(bind.source)) === 'missing')
        throw missingBindSource(bind.source);
      return { ...base, ...bind, type: 'bind', destination: target };
    }
    case 'tmpfs': {
      const { target, readOnly, options } = wanted;
      return { ...base, type: 'tmpfs', destination: target, readOnly, options };
    }
    case 'volume':
      return makeVolumeMount(ctx, id, wanted, scope);
    case 'image':
      throw new EngineError('not-implemented', 'mounts of type "image" are not implemented yet');
  }
}

async function makeVolumeMount(
  ctx: ContainerContext,
  id: ContainerId,
  wanted: Extract<WantedMount, { kind: 'volume' }>,
  scope: Scope,
): Promise<MountRecord> {
  if (wanted.subpath !== '') {
    throw new EngineError('not-implemented', 'VolumeOptions.Subpath is not implemented yet');
  }
  const volume = await ctx.volumes.ensure({
    ...(wanted.name === undefined ? {} : { name: wanted.name }),
    ...(wanted.driver === '' ? {} : { driver: wanted.driver }),
    labels: wanted.labels,
    options: wanted.driverOptions,
  });
  if (wanted.name === undefined) scope.defer(() => ctx.volumes.remove(volume.name));
  holdVolume(ctx, id, volume.name, scope);
  return {
    ...base,
    type: 'volume',
    name: volume.name,
    source: volume.mountpoint,
    destination: wanted.target,
    driver: volume.driver,
    mode: wanted.mode,
    readOnly: wanted.readOnly,
    propagation: wanted.propagation,
    anonymous: wanted.name === undefined,
  };
}

function holdVolume(ctx: ContainerContext, id: ContainerId, name: string, scope: Scope): void {
  ctx.volumes.retain(name, id);
  scope.defer(() => ctx.volumes.release(name, id));
}

/** `--volumes-from NAME[:ro|:rw]`: another container's mounts, at the same places. */
function inheritedMounts(ctx: ContainerContext, sources: readonly string[]): MountRecord[] {
  return sources.flatMap((text) => {
    const at = text.indexOf(':');
    const mode = at < 0 ? 'rw' : text.slice(at + 1);
    if (mode !== 'ro' && mode !== 'rw') throw invalid(`invalid mode for volumes-from: ${JSON.stringify(mode)}`);
    const other = containerToTakeFrom(ctx, at < 0 ? text : text.slice(0, at));
    return other.record.mounts
      .filter((mount) => mount.type !== 'tmpfs')
      .map((mount) => ({ ...mount, readOnly: mount.readOnly || mode === 'ro', anonymous: false }));
  });
}

/** The request is wrong when there is none: with `not-found` clients would take the image for missing, and pull it. */
function containerToTakeFrom(ctx: ContainerContext, nameOrId: string): ContainerEntry {
  try {
    return ctx.table.find(nameOrId);
  } catch (error) {
    throw invalid(messageOf(error), error);
  }
}
