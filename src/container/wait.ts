import { orAborted } from '../base/async.ts';
import type { WaitCondition, WaitResult } from '../spec/engine/container.ts';
import type { ContainerEntry } from './entry.ts';

/**
 * Registers a wait: what happens after this call returned is not missed.
 * `not-running` is there at once for a container that is not up; `next-exit` waits for the end of the current or the
 * next run; `removed` for the removal, and gives the last exit code then.
 */
export function registerWait(
  entry: ContainerEntry,
  condition: WaitCondition,
  signal: AbortSignal,
): { result: Promise<WaitResult> } {
  return { result: orAborted(resultOf(entry, condition), signal) };
}

function resultOf(entry: ContainerEntry, condition: WaitCondition): Promise<WaitResult> {
  switch (condition) {
    case 'removed':
      return entry.removed.wait();
    case 'next-exit':
      return nextExit(entry);
    case 'not-running':
      return untilNotRunning(entry);
  }
}

/** A removal ends every wait: no run will end after it. */
function nextExit(entry: ContainerEntry): Promise<WaitResult> {
  const exit = entry.nextExit.wait().then(({ code }) => ({ statusCode: code }));
  return Promise.race([exit, entry.removed.wait()]);
}

async function untilNotRunning(entry: ContainerEntry): Promise<WaitResult> {
  for (;;) {
    const { state } = entry.record;
    if (state.phase !== 'running' && state.phase !== 'restarting') return { statusCode: state.exitCode };
    const result = await nextExit(entry);
    if (entry.gone || entry.record.state.phase !== 'restarting') return result;
    // Started again, removed, or called off by a stop.
    await Promise.race([entry.started.wait(), entry.removed.wait(), entry.nextExit.wait()]);
  }
}
