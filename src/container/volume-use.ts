import { messageOf } from '../base/errors.ts';
import type { Scope } from '../base/scope.ts';
import type { EventInput } from '../spec/engine/event.ts';
import type { ContainerContext } from './context.ts';
import type { ContainerEntry } from './entry.ts';
import type { ContainerRecord } from './record.ts';

/** The volumes of a container, each once. */
export const volumeNames = ({ mounts }: ContainerRecord): ReadonlySet<string> =>
  new Set(mounts.filter((mount) => mount.type === 'volume').map((mount) => mount.name));

/** Makes the content of a container's volumes available for a run; undone with the scope. */
export async function mountVolumes(ctx: ContainerContext, entry: ContainerEntry, scope: Scope): Promise<void> {
  for (const name of volumeNames(entry.record)) {
    await scope.acquire(ctx.volumes.mount(name, entry.id), () => ctx.volumes.unmount(name, entry.id));
  }
}

/** After a run. */
export async function unmountVolumes(ctx: ContainerContext, entry: ContainerEntry): Promise<void> {
  for (const name of volumeNames(entry.record)) await ctx.volumes.unmount(name, entry.id);
}

/**
 * At boot: what running containers have mounted stays mounted, until the last of them ends. The rest is given back, unless
 * there may be containers that are not known.
 */
export async function restoreVolumes(
  ctx: ContainerContext,
  entries: readonly ContainerEntry[],
  areAllKnown: boolean,
): Promise<void> {
  for (const entry of entries) {
    if (!entry.isRunning) continue;
    for (const name of volumeNames(entry.record)) {
      await ctx.volumes
        .resume(name, entry.id)
        .catch((error: unknown) =>
          ctx.log.warn('a volume of a running container is not mounted', { name, reason: messageOf(error) }),
        );
    }
  }
  if (!areAllKnown) return;
  const settled = ctx.volumes
    .settle()
    .catch((error: unknown) => ctx.log.error('volumes were not given back', { reason: messageOf(error) }));
  ctx.background.add(settled);
  void settled.finally(() => ctx.background.delete(settled));
}

/** Docker tells of volumes when a container begins and ceases to run with them. */
export function volumeEvents({ id, mounts }: ContainerRecord, action: 'mount' | 'unmount'): EventInput[] {
  return mounts
    .filter((mount) => mount.type === 'volume')
    .map(({ name, driver, destination, propagation, readOnly }) => {
      const shared = { container: id, driver };
      const attributes =
        action === 'unmount' ? shared : { ...shared, destination, propagation, 'read/write': String(!readOnly) };
      return { type: 'volume', action, actorId: name, attributes };
    });
}
