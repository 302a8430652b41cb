import { commitRecord, type ContainerContext, emit } from './context.ts';
import type { ContainerEntry } from './entry.ts';
import { startContainer } from './start/start.ts';
import { endRun, type StopWishes } from './stop.ts';

/** `docker restart`: stop, when it runs, and start. A container with `--rm` outlives it. */
export async function restartContainer(
  ctx: ContainerContext,
  entry: ContainerEntry,
  wishes: StopWishes,
): Promise<void> {
  const { hostConfig } = entry.record;
  // Its end within a restart is no reason to remove it: the mark is set again before it can end by itself.
  if (hostConfig.AutoRemove) await setAutoRemove(ctx, entry, false);
  try {
    await endRun(ctx, entry, wishes);
  } finally {
    if (hostConfig.AutoRemove) await setAutoRemove(ctx, entry, true);
  }
  await startContainer(ctx, entry);
  emit(ctx, entry, 'restart');
}

function setAutoRemove(ctx: ContainerContext, entry: ContainerEntry, AutoRemove: boolean): Promise<void> {
  return entry.lock(() => commitRecord(ctx, entry, { hostConfig: { ...entry.record.hostConfig, AutoRemove } }));
}
