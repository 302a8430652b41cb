import { conflict, EngineError } from '../../base/errors.ts';
import type { ContainerContext } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';
import { removeLocked } from '../remove.ts';
import { isPaused, settled } from '../state.ts';
import { launch } from './apply.ts';

/**
 * `docker start`. A container with `--rm` that cannot be started is removed.
 * @throws not-modified when it runs already, or waits for its next restart, which counts as running; conflict when it is
 * being removed; whatever the start failed with.
 */
export function startContainer(ctx: ContainerContext, entry: ContainerEntry): Promise<void> {
  return entry.lock(async () => {
    const { record } = entry;
    if (isPaused(record.state)) throw conflict('cannot start a paused container, try unpause instead');
    if (record.state.phase === 'running' || record.state.phase === 'restarting') {
      throw new EngineError('not-modified', `Container ${entry.id} is already running`);
    }
    if (entry.removing) {
      throw conflict('container is marked for removal and cannot be started');
    }
    entry.cancelRestart();
    entry.record = { ...record, state: settled(record.state) };
    try {
      await launch(ctx, entry, { restartCount: 0, restartDelayMs: 0, revive: false, stoppedByUser: false });
    } catch (error) {
      if (record.hostConfig.AutoRemove && record.state.startedNs === 0n) {
        await removeLocked(ctx, entry, { volumes: true });
      }
      throw error;
    }
  });
}
