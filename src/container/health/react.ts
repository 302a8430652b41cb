import { commitRecord, type ContainerContext, emit } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';
import { endRun, sendSignal } from '../stop.ts';
import type { FailureAction } from './settings.ts';

const sigkill = 9;

/**
 * Carries out what a container that turned unhealthy asks for. `kill` leaves what follows to the restart policy, `stop`
 * counts as a stop by the user, `restart` stops it and starts it again, with the waits of an automatic restart, also
 * when the engine ends in between.
 */
export async function reactToFailure(
  ctx: ContainerContext,
  entry: ContainerEntry,
  action: FailureAction,
): Promise<void> {
  ctx.log.info('a container turned unhealthy', { container: entry.id, action });
  switch (action) {
    case 'none':
      return;
    case 'kill':
      await sendSignal(ctx, entry, sigkill);
      return;
    case 'stop':
      if (await endRun(ctx, entry, {})) emit(ctx, entry, 'stop');
      return;
    case 'restart':
      await entry.lock(async () => {
        if (entry.isRunning && !entry.record.stoppedByUser) await commitRecord(ctx, entry, { revive: true });
      });
      await endRun(ctx, entry, { byUser: false });
  }
}
