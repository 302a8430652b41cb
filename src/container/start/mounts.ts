import { internal, invalid } from '../../base/errors.ts';
import type { ContainerId } from '../../base/ids.ts';
import type { DeviceEdits } from '../../spec/contract/devices.ts';
import type { LaunchMount } from '../../spec/contract/launch.ts';
import { requestedMode } from '../../spec/engine/tmpfs-options.ts';
import { type IdMapping, rootOwner } from '../../spec/contract/user-namespace.ts';
import type { ContainerContext } from '../context.ts';
import type { HostPlace } from '../ports.ts';
import { missingBindSource } from '../create/mounts.ts';
import type { MountRecord } from '../record.ts';
import { type MountsFor, type ShapedSource, shapeSource } from './mount-extras.ts';

/** A mount, and what has to be at its target. */
export interface PlacedMount {
  readonly mount: LaunchMount;
  readonly kind: 'directory' | 'file';
}

/**
 * The user's mounts as a runtime needs them: volumes, images and places in them looked up, missing bind sources made
 * where Docker makes them (`-v`, not `--mount`). Targets are still as the user wrote them. What is mounted for it is let go
 * by `runMounts.release` of the holder.
 */
export async function userMounts(ctx: ContainerContext, whose: MountsFor): Promise<PlacedMount[]> {
  const { entry, holder } = whose;
  const { mounts } = entry.record;
  if (mounts.length === 0) return [];
  const sources = new Map<MountRecord, string>();
  let images = 0;
  for (const mount of mounts) {
    if (mount.type === 'tmpfs') continue;
    sources.set(mount, await sourceOf(ctx, { id: entry.id, holder }, mount, mount.type === 'image' ? images++ : 0));
  }
  const places = await lookAt(ctx, sources);
  const placed: PlacedMount[] = [];
  for (const [index, mount] of mounts.entries()) {
    const source = sources.get(mount);
    const place = places.get(mount);
    if (source === undefined || place === undefined) placed.push(tmpfsMount(mount));
    else {
      const shaped =
        mount.extras === undefined ? { source } : await shapeSource(ctx, whose, mount, index, source, place);
      placed.push(await bindMount(ctx, holder, mount, shaped, place));
    }
  }
  return placed;
}

async function lookAt(
  ctx: ContainerContext,
  sources: ReadonlyMap<MountRecord, string>,
): Promise<Map<MountRecord, HostPlace>> {
  const found = await ctx.host.lookAt([...sources.values()]);
  const places = new Map<MountRecord, HostPlace>();
  for (const [at, [mount, source]] of [...sources].entries()) {
    const place = found[at];
    if (place !== undefined && place.kind !== 'missing') places.set(mount, place);
    else {
      if (!mount.createSource) throw missingBindSource(source);
      await ctx.host.makeDirectory(source, 0o755);
      places.set(mount, { kind: 'directory', flags: [] });
    }
  }
  return places;
}

const tmpfsMount = ({ destination, readOnly, options }: MountRecord): PlacedMount => ({
  mount: { kind: 'tmpfs', target: destination, readOnly, options },
  kind: 'directory',
});

async function bindMount(
  ctx: ContainerContext,
  holder: ContainerId,
  mount: MountRecord,
  { source, readOnly = mount.readOnly }: ShapedSource,
  place: HostPlace,
): Promise<PlacedMount> {
  const propagation = await propagationOf(ctx, mount, source);
  // crun mounts what is below in any case: it gets a mount that has nothing below it.
  const isFlat = !mount.recursive && place.kind === 'directory';
  return {
    mount: {
      kind: 'bind',
      source: isFlat ? await ctx.runMounts.holdPlace(holder, source, '.', { recursive: false }) : source,
      target: mount.destination,
      readOnly,
      recursive: mount.recursive,
      readOnlyNonRecursive: mount.readOnlyNonRecursive,
      readOnlyForceRecursive: mount.readOnlyForceRecursive === true,
      propagation,
      flags: place.flags,
    },
    kind: place.kind === 'directory' ? 'directory' : 'file',
  };
}

/** A mount that is to pass on mounts must itself be on one that does. @throws internal in Docker's words, as there. */
async function propagationOf(ctx: ContainerContext, mount: MountRecord, source: string): Promise<string> {
  const wanted = mount.propagation === '' ? 'rprivate' : mount.propagation;
  const shares = wanted === 'shared' || wanted === 'rshared';
  if (!shares && wanted !== 'slave' && wanted !== 'rslave') return wanted;
  const holder = await ctx.host.mountOf(source);
  const travels = (holder?.propagation ?? []).some(
    (tag) => tag.startsWith('shared:') || (!shares && tag.startsWith('master:')),
  );
  if (travels) return wanted;
  if (mount.propagationChosen === true) return 'rprivate';
  const kinds = shares ? 'a shared mount' : 'a shared or slave mount';
  throw internal(`path ${source} is mounted on ${holder?.target ?? '/'} but it is not ${kinds}`);
}

/** Whose mount it is, and for whom it is looked up. */
interface Wanted {
  readonly id: ContainerId;
  readonly holder: ContainerId;
}

async function sourceOf(ctx: ContainerContext, at: Wanted, mount: MountRecord, image: number): Promise<string> {
  const root = await rootOf(ctx, at, mount, image);
  const { subpath = '' } = mount;
  return subpath === '' ? root : ctx.runMounts.holdPlace(at.holder, root, subpath);
}

async function rootOf(ctx: ContainerContext, at: Wanted, mount: MountRecord, image: number): Promise<string> {
  if (mount.type === 'bind') return mount.source;
  if (mount.type === 'image') return ctx.runMounts.showImage(at.id, image, at.holder);
  const volume = ctx.volumes.get(mount.name);
  if (volume === undefined) throw invalid(`volume ${mount.name} of the container does not exist any more`);
  return volume.mountpoint;
}

/** The mounts that devices bring. @throws invalid when a source is not there. */
export async function deviceMounts(ctx: ContainerContext, edits: DeviceEdits | undefined): Promise<PlacedMount[]> {
  const mounts = edits?.mounts ?? [];
  if (mounts.length === 0) return [];
  const places = await ctx.host.lookAt(mounts.map(({ source }) => source));
  return mounts.map(({ source, target, options }, at) => {
    const place = places[at];
    if (place === undefined || place.kind === 'missing') throw missingBindSource(source);
    const own = options.filter((option) => ['nosuid', 'nodev', 'noexec'].includes(option));
    return {
      mount: {
        kind: 'bind',
        source,
        target,
        readOnly: options.includes('ro'),
        recursive: !options.includes('bind') || options.includes('rbind'),
        propagation: 'rprivate',
        flags: [...new Set([...place.flags, ...own])],
      },
      kind: place.kind === 'directory' ? 'directory' : 'file',
    };
  });
}

const depth = (path: string): number => path.split('/').filter((part) => part !== '').length;

/** The permission bits that a tmpfs is to have where nothing is yet: as the kernel gives it, unless it says. */
function tmpfsMode(mount: LaunchMount): number | undefined {
  return mount.kind === 'tmpfs' ? (requestedMode(mount.options) ?? 0o1777) : undefined;
}

/** A tmpfs that says nothing looks like the directory that it covers: some runtimes see to that, others do not. */
const withMode = (options: readonly string[], mode: number): readonly string[] =>
  requestedMode(options) === undefined ? [...options, `mode=${mode.toString(8)}`] : options;

/**
 * Replaces each target by the link-free path that it means inside the root, so that the runtime follows no link of the
 * image, makes those that are missing, and sorts parents before children.
 */
export async function resolveTargets(
  ctx: ContainerContext,
  rootfs: string,
  mounts: readonly PlacedMount[],
  ids: IdMapping | undefined,
): Promise<LaunchMount[]> {
  const targets = mounts.map(({ mount, kind }) => ({ path: mount.target, kind, mode: tmpfsMode(mount) }));
  const owner = ids === undefined ? undefined : rootOwner(ids);
  const prepared = await ctx.roots.prepareMountTargets(rootfs, targets, owner);
  const resolved = mounts.map(({ mount, kind }, at): LaunchMount => {
    const { path: target, mode } = prepared[at] ?? { path: mount.target, mode: 0o755 };
    if (mount.kind === 'tmpfs') {
      const isCovered = prepared.some(({ path }, other) => other !== at && target.startsWith(`${path}/`));
      return { ...mount, target, options: isCovered ? mount.options : withMode(mount.options, mode) };
    }
    // Nothing is mounted below a file, and crun fails to look there.
    return mount.kind === 'bind' && kind === 'file' ? { ...mount, target, recursive: false } : { ...mount, target };
  });
  const toRoot = resolved.findIndex((mount) => mount.target === '/');
  if (toRoot >= 0) {
    const asked = JSON.stringify(mounts[toRoot]?.mount.target);
    throw invalid(`invalid mount: destination ${asked} is the root of the container`);
  }
  return resolved.sort((a, b) => depth(a.target) - depth(b.target));
}
