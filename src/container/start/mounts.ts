import { invalid } from '../../base/errors.ts';
import type { LaunchMount } from '../../spec/contract/launch.ts';
import type { ContainerContext } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';
import { missingBindSource } from '../create/mounts.ts';
import type { MountRecord } from '../record.ts';

/**
 * The user's mounts as a runtime needs them: sources looked up, missing bind sources made where Docker makes them
 * (`-v`, not `--mount`), parents before children. Targets are still as the user wrote them.
 */
export async function userMounts(ctx: ContainerContext, entry: ContainerEntry): Promise<LaunchMount[]> {
  const mounts: LaunchMount[] = [];
  for (const mount of entry.record.mounts) mounts.push(await userMount(ctx, mount));
  return mounts;
}

async function userMount(ctx: ContainerContext, mount: MountRecord): Promise<LaunchMount> {
  if (mount.type === 'tmpfs') {
    return { kind: 'tmpfs', target: mount.destination, readOnly: mount.readOnly, options: mount.options };
  }
  return {
    kind: 'bind',
    source: await sourceOf(ctx, mount),
    target: mount.destination,
    readOnly: mount.readOnly,
    recursive: mount.recursive,
    readOnlyNonRecursive: mount.readOnlyNonRecursive,
    propagation: mount.propagation === '' ? 'rprivate' : mount.propagation,
  };
}

async function sourceOf(ctx: ContainerContext, mount: MountRecord): Promise<string> {
  if (mount.type === 'volume') {
    const volume = ctx.volumes.get(mount.name);
    if (volume === undefined) throw invalid(`volume ${mount.name} of the container does not exist any more`);
    return volume.mountpoint;
  }
  if ((await ctx.host.kindOf(mount.source)) === 'missing') {
    if (!mount.createSource) throw missingBindSource(mount.source);
    await ctx.host.makeDirectory(mount.source, 0o755);
  }
  return mount.source;
}

const depth = (path: string): number => path.split('/').filter((part) => part !== '').length;

/**
 * Replaces each target by the link-free path that it means inside the root, so that the runtime follows no link of the
 * image, makes those that are missing, and sorts parents before children.
 */
export async function resolveTargets(
  ctx: ContainerContext,
  rootfs: string,
  mounts: readonly LaunchMount[],
): Promise<LaunchMount[]> {
  const kinds = await Promise.all(mounts.map((mount) => targetKind(ctx, mount)));
  const targets = mounts.map((mount, at) => ({ path: mount.target, kind: kinds[at] ?? 'directory' }));
  const paths = await ctx.roots.prepareMountTargets(rootfs, targets);
  const resolved = mounts.map((mount, at): LaunchMount => {
    const target = paths[at] ?? mount.target;
    // Nothing is mounted below a file, and crun fails to look there.
    return mount.kind === 'bind' && kinds[at] === 'file'
      ? { ...mount, target, recursive: false }
      : { ...mount, target };
  });
  const toRoot = resolved.findIndex((mount) => mount.target === '/');
  if (toRoot >= 0) {
    throw invalid(`invalid mount: destination ${JSON.stringify(mounts[toRoot]?.target)} is the root of the container`);
  }
  return resolved.sort((a, b) => depth(a.target) - depth(b.target));
}

async function targetKind(ctx: ContainerContext, mount: LaunchMount): Promise<'directory' | 'file'> {
  if (mount.kind === 'tmpfs') return 'directory';
  if (mount.engineOwned === true) return 'file';
  return (await ctx.host.kindOf(mount.source)) === 'directory' ? 'directory' : 'file';
}
