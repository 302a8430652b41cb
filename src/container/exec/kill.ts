import { conflict } from '../../base/errors.ts';
import { parseSignal } from '../../base/text/signals.ts';
import type { ContainerEntry } from '../entry.ts';
import { isPaused } from '../state.ts';
import type { ExecEntry } from './entry.ts';

const sigkill = 9;

/**
 * Sends a signal to an exec. SIGKILL, the default, reaches everything that it started, and is waited for; any other
 * signal goes to its first process alone, as with `docker kill`. The container runs on.
 * @throws conflict when it does not run, or its container is paused; invalid for an unknown signal.
 */
export async function killExec(entry: ContainerEntry, exec: ExecEntry, signalText: string | undefined): Promise<void> {
  const signal = parseSignal(signalText === undefined || signalText === '' ? 'SIGKILL' : signalText);
  const { live } = exec;
  if (live === undefined) throw conflict(`exec ${exec.id} is not running`);
  if (isPaused(entry.record.state)) {
    throw conflict(`Container ${entry.id} is paused, unpause the container before killing an exec`);
  }
  if (signal === sigkill) {
    await live.kill();
    await exec.ended.wait();
  } else if (!live.signal(signal)) throw conflict(`exec ${exec.id} is not running`);
}

/** The client of an exec is gone: one that asked for it ends with its client. */
export async function clientGone(exec: ExecEntry): Promise<void> {
  if (exec.request.KillOnDisconnect === true) await exec.live?.kill();
}
