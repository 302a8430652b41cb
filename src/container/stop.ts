import { delay } from '../base/async.ts';
import { EngineError, internal } from '../base/errors.ts';
import { parseSignal } from '../base/text/signals.ts';
import type { ExitStatus } from '../spec/contract/launch.ts';
import { commitRecord, type ContainerContext, emit, runDirectory } from './context.ts';
import type { ContainerEntry } from './entry.ts';
import { endPause } from './pause.ts';
import { settled } from './state.ts';

const sigkill = 9;
const defaultTimeoutSeconds = 10;
/** How long the kernel may take to end a process after SIGKILL before the engine gives up waiting. */
const killPatienceMs = 30_000;

export interface StopWishes {
  readonly timeoutSeconds?: number;
  readonly signal?: string;
  /** False when nobody asked for it: the restart policy then has its say. */
  readonly byUser?: boolean;
}

type StopBegun =
  | { readonly kind: 'not-running' }
  | { readonly kind: 'called-off' }
  | { readonly kind: 'running'; readonly exited: Promise<ExitStatus> };

/** `docker stop`. @throws not-modified when it does not run. */
export async function stopContainer(ctx: ContainerContext, entry: ContainerEntry, wishes: StopWishes): Promise<void> {
  if (!(await endRun(ctx, entry, wishes))) {
    throw new EngineError('not-modified', `Container ${entry.id} is already stopped`);
  }
  emit(ctx, entry, 'stop');
}

/**
 * Ends the current run by the stop signal, and by SIGKILL when that takes too long; calls off a pending automatic
 * restart. False when there was neither.
 */
export async function endRun(ctx: ContainerContext, entry: ContainerEntry, wishes: StopWishes): Promise<boolean> {
  const signal = parseSignal(wishes.signal ?? entry.record.config.StopSignal ?? 'SIGTERM');
  const timeoutSeconds = wishes.timeoutSeconds ?? entry.record.config.StopTimeout ?? defaultTimeoutSeconds;
  const begun = await beginStop(ctx, entry, wishes.byUser ?? true);
  if (begun.kind === 'not-running') return false;
  if (begun.kind === 'called-off') return true;
  const { exited } = begun;
  await sendSignal(ctx, entry, signal);
  if (timeoutSeconds < 0) await exited;
  else if (!(await endsWithin(exited, timeoutSeconds * 1000))) await forceEnd(ctx, entry, exited);
  await entry.teardown;
  return true;
}

/**
 * From here on the restart policy knows that the user wants it stopped, also after a crash of the engine. The exit comes
 * wrapped in an object, since an async function would otherwise wait for it itself.
 */
function beginStop(ctx: ContainerContext, entry: ContainerEntry, byUser: boolean): Promise<StopBegun> {
  return entry.lock(async () => {
    const { state } = entry.record;
    if (state.phase === 'restarting' && byUser) {
      entry.cancelRestart();
      await commitRecord(ctx, entry, { state: settled(state), stoppedByUser: true });
      entry.announceExit({ code: state.exitCode, oomKilled: state.oomKilled, finishedNs: state.finishedNs });
      return { kind: 'called-off' };
    }
    if (state.phase !== 'running') return { kind: 'not-running' };
    const exited = entry.nextExit.wait();
    if (byUser && !entry.record.stoppedByUser) await commitRecord(ctx, entry, { stoppedByUser: true });
    return { kind: 'running', exited };
  });
}

async function endsWithin(exited: Promise<ExitStatus>, ms: number): Promise<boolean> {
  const timer = new AbortController();
  try {
    return await Promise.race([
      exited.then(() => true),
      delay(ms, timer.signal).then(
        () => false,
        () => true,
      ),
    ]);
  } finally {
    timer.abort();
  }
}

async function forceEnd(ctx: ContainerContext, entry: ContainerEntry, exited: Promise<ExitStatus>): Promise<void> {
  await sendSignal(ctx, entry, sigkill);
  if (!(await endsWithin(exited, killPatienceMs))) {
    throw internal(`tried to kill container ${entry.id}, but did not receive an exit event`);
  }
}

/**
 * A signal to the first process, with Docker's event; one that is meant to end a paused container lets it run on to
 * its end. False when the process is gone already. Not to be called inside the entry's lock.
 */
export async function sendSignal(ctx: ContainerContext, entry: ContainerEntry, signal: number): Promise<boolean> {
  const sent = await ctx.launcher.signal(entry.id, runDirectory(ctx, entry.id), signal);
  if (sent && endsContainer(entry, signal)) await endPause(ctx, entry);
  if (sent) emit(ctx, entry, 'kill', { signal: String(signal) });
  return sent;
}

/** Docker takes any signal for the end where the container names no stop signal of its own. */
function endsContainer(entry: ContainerEntry, signal: number): boolean {
  const own = entry.record.config.StopSignal ?? '';
  return signal === sigkill || own === '' || parseSignal(own) === signal;
}
