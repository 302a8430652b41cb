import { conflict, invalid, messageOf } from '../../base/errors.ts';
import type { ContainerContext } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';

const prefix = 'container:';
const target = '/dev/shm';

/**
 * The shared memory of a container that does not keep it to itself: the host's, another container's, or one that others
 * may join; undefined for one of its own, or none. @throws conflict, invalid when another container's cannot be joined.
 */
export async function sharedMemoryOf(ctx: ContainerContext, entry: ContainerEntry): Promise<string | undefined> {
  const { hostConfig, mounts } = entry.record;
  const mode = hostConfig.IpcMode;
  if (mode === 'host') return target;
  if (mode.startsWith(prefix)) return joinedMemory(ctx, mode.slice(prefix.length));
  if (mode !== 'shareable' || mounts.some(({ destination }) => destination === target)) return undefined;
  return ctx.runMounts.shareMemory(entry.id, hostConfig.ShmSize);
}

function joinedMemory(ctx: ContainerContext, nameOrId: string): string {
  const path = memoryOf(ctx, donor(ctx, nameOrId), 0);
  if (path !== undefined) return path;
  throw invalid(
    `failed to join IPC namespace: container ${nameOrId}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
  );
}

/** @throws conflict when it does not run, invalid when there is none. */
function donor(ctx: ContainerContext, nameOrId: string): ContainerEntry {
  let entry: ContainerEntry;
  try {
    entry = ctx.table.find(nameOrId);
  } catch (error) {
    throw invalid(`failed to join IPC namespace: ${messageOf(error)}`, error);
  }
  if (entry.record.state.phase === 'restarting') {
    throw conflict(
      `failed to join IPC namespace: Container ${nameOrId} is restarting, wait until the container is running`,
    );
  }
  if (!entry.isRunning) throw conflict(`failed to join IPC namespace: container ${nameOrId} is not running`);
  return entry;
}

/** A container that joined another one hands on what it joined. */
function memoryOf(ctx: ContainerContext, entry: ContainerEntry, depth: number): string | undefined {
  const mode = entry.record.hostConfig.IpcMode;
  if (mode === 'host') return target;
  if (!mode.startsWith(prefix) || depth > 16) return ctx.runMounts.sharedMemory(entry.id);
  return memoryOf(ctx, donor(ctx, mode.slice(prefix.length)), depth + 1);
}
