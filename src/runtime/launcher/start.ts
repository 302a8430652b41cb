import { closeSync, constants, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerId } from '../../base/ids.ts';
import { closeFd, openFd } from '../../sys/ffi/descriptor.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import { pollOnce, READABLE } from '../../sys/poll/poll.ts';
import { processEnded } from '../../sys/process/pidfd.ts';
import { run, type RunResult } from '../../sys/process/run.ts';
import { hiddenMounts, type LauncherContext, type LiveContainer, runtimeRoot } from './context.ts';
import { createFailure } from './failure.ts';
import type { Runtime } from './runtimes.ts';

/**
 * Lets a created container run. Its init process waits at a FIFO in the runtime's state; `runtime start` does little
 * more than open it, but takes 4 to 6 ms as a process of its own, against 0.1 ms here. How they meet there is a private
 * affair of each runtime, so only exactly known versions are started this way.
 */
export async function startContainer(context: LauncherContext, id: ContainerId, live: LiveContainer): Promise<void> {
  const { runtime } = live;
  const fifo = join(runtimeRoot(context, runtime), id, 'exec.fifo');
  if (runtime.exact === 'crun' && startByWriting(fifo)) return rmSync(fifo, { force: true });
  if (runtime.exact === 'runc' && (await startByReading(fifo, live))) return rmSync(fifo, { force: true });
  const result = await runRuntime(context, runtime, ['start', id]);
  if (result.code !== 0) throw createFailure(runtime.name, result.stderr.toString(), '');
}

/** crun's init reads one byte. */
function startByWriting(fifo: string): boolean {
  let fd: number;
  try {
    fd = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (systemCode(error) === 'ENXIO' || systemCode(error) === 'ENOENT') return false;
    throw error;
  }
  try {
    writeSync(fd, '\0');
    return true;
  } finally {
    closeSync(fd);
  }
}

/** runc's init writes one byte as soon as somebody reads. */
async function startByReading(fifo: string, live: LiveContainer): Promise<boolean> {
  let fd: number;
  try {
    fd = openFd(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
  const over = new AbortController();
  const readable = pollOnce(fd, READABLE, { signal: over.signal });
  try {
    await Promise.race([readable, processEnded(live.process, over.signal)]);
    return readSync(fd, Buffer.alloc(1)) === 1;
  } catch (error) {
    if (systemCode(error) === 'EAGAIN') return false;
    throw error;
  } finally {
    over.abort();
    closeFd(fd);
  }
}

/** Runs a command of the runtime to its end. */
export const runRuntime = (
  context: LauncherContext,
  runtime: Runtime,
  command: readonly string[],
): Promise<RunResult> =>
  run({
    path: runtime.program,
    argv: [runtime.name, '--root', runtimeRoot(context, runtime), ...runtime.args, ...command],
    env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    hidden: hiddenMounts(context, runtime),
    timeoutMs: 60_000,
    outputLimit: 64 * 1024,
  });
