import { conflict } from '../base/errors.ts';
import { parseSignal } from '../base/text/signals.ts';
import { commitRecord, type ContainerContext } from './context.ts';
import type { ContainerEntry } from './entry.ts';
import { sendSignal } from './stop.ts';

const sigkill = 9;

/**
 * `docker kill`: one signal, SIGKILL by default. SIGKILL is waited for. SIGKILL and the container's stop signal count as
 * a stop by the user, so that the restart policy does not bring it back.
 * @throws conflict when it does not run; invalid for an unknown signal.
 */
export async function killContainer(
  ctx: ContainerContext,
  entry: ContainerEntry,
  signalText: string | undefined,
): Promise<void> {
  const signal = parseSignal(signalText === undefined || signalText === '' ? 'SIGKILL' : signalText);
  const exit = await entry.lock(async () => {
    if (!entry.isRunning) {
      throw conflict(`cannot kill container: ${entry.record.name}: container ${entry.id} is not running`);
    }
    const stops = signal === sigkill || signal === parseSignal(entry.record.config.StopSignal ?? 'SIGTERM');
    if (stops && !entry.record.stoppedByUser) await commitRecord(ctx, entry, { stoppedByUser: true });
    return entry.nextExit;
  });
  const sent = await sendSignal(ctx, entry, signal);
  if (sent && signal === sigkill) await exit.wait();
}
