import { newContainerId } from '../../base/ids.ts';
import { Scope } from '../../base/scope.ts';
import type { FileView, ViewedMount } from '../../spec/contract/files.ts';
import { type ContainerContext, tell } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';
import { engineTargets } from '../start/apply.ts';
import { keptFiles } from '../start/files.ts';
import { resolveTargets, userMounts } from '../start/mounts.ts';
import { volumeEvents, volumeNames } from '../volume-use.ts';

/**
 * Docker's view of a container's files, whether it runs or not: its root, its volumes and binds, the engine's own files.
 * What a running container alone has (tmpfs, /proc, what it mounted itself) is not in it. Not the root of its process:
 * that would show other files than Docker does, none for a container that does not run, and a container could put file
 * systems there that never answer. The view is closed with the scope.
 */
export async function openFiles(
  ctx: ContainerContext,
  entry: ContainerEntry,
  scope: Scope,
  options: { readonly readOnly: boolean },
): Promise<{ readonly view: FileView; readonly root: string }> {
  const { root } = await scope.acquire(ctx.snapshots.use(entry.id, engineTargets), (use) => use.release());
  // Volumes with options are mounted for their users: this one is another than the container, which may start or end.
  const viewer = newContainerId();
  tell(ctx, entry, volumeEvents(entry.record, 'mount'));
  scope.defer(() => tell(ctx, entry, volumeEvents(entry.record, 'unmount')));
  for (const name of volumeNames(entry.record)) {
    await scope.acquire(ctx.volumes.mount(name, viewer), () => ctx.volumes.unmount(name, viewer));
  }
  scope.defer(() => ctx.runMounts.release(viewer));
  const files = (await keptFiles(ctx, entry).catch(() => [])).map((mount) => ({ mount, kind: 'file' as const }));
  const mounts = [...files, ...(await userMounts(ctx, { entry, holder: viewer, owner: undefined }))];
  const resolved = await resolveTargets(
    ctx,
    root,
    mounts.filter(({ mount }) => mount.kind === 'bind'),
    entry.record.ids,
  );
  const { ReadonlyRootfs } = entry.record.hostConfig;
  const view = await scope.acquire(
    ctx.files.open({
      root,
      mounts: resolved.flatMap((mount): ViewedMount[] => (mount.kind === 'bind' ? [mount] : [])),
      readOnly: options.readOnly,
      readOnlyRoot: ReadonlyRootfs,
      ids: entry.record.ids,
    }),
    (open) => open.close(),
  );
  return { view, root };
}

/** The root file system alone, with none of the mounts; read-only. */
export async function openRoot(ctx: ContainerContext, entry: ContainerEntry, scope: Scope): Promise<FileView> {
  const { root } = await scope.acquire(ctx.snapshots.use(entry.id, engineTargets), (use) => use.release());
  return scope.acquire(
    ctx.files.open({ root, mounts: [], readOnly: true, readOnlyRoot: true, ids: entry.record.ids }),
    (open) => open.close(),
  );
}
