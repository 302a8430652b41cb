import { dirname } from 'node:path';
import type { LogBatch, LogReadOptions } from '../spec/contract/logs.ts';
import type { Batch } from './batch.ts';
import { LogChain, openFiles, waitForMore } from './chain.ts';
import { ChangeWatch } from './change.ts';
import { seekTail } from './tail.ts';

/** Keeps what is wanted of a batch; answers true as soon as an entry is younger than wanted. */
function select(batch: Batch, options: LogReadOptions): boolean {
  const { sinceNs, untilNs, stdout, stderr } = options;
  if (sinceNs === undefined && untilNs === undefined && stdout && stderr) return false;
  let over = false;
  batch.retain((index) => {
    if (over) return false;
    if (sinceNs !== undefined || untilNs !== undefined) {
      const timeNs = batch.timeNs(index);
      if (untilNs !== undefined && timeNs > untilNs) over = true;
      if (over || (sinceNs !== undefined && timeNs < sinceNs)) return false;
    }
    return ((batch.kinds[index] ?? 0) & 2) === 0 ? stdout : stderr;
  });
  return over;
}

/** The log from where the options let it begin; without `follow` to where it ends now. */
async function openChain(logPath: string, options: LogReadOptions): Promise<LogChain> {
  const files = await openFiles(logPath);
  try {
    if (!options.follow) await Promise.all(files.map((file) => file.endHere()));
    const needed = options.tail === undefined ? files.length : await seekTail(files, options.tail);
    return new LogChain(logPath, files, needed, options.guardBytes);
  } catch (error) {
    await Promise.all(files.map((file) => file.close()));
    throw error;
  }
}

/** See `ContainerLogs.read`. */
export async function* readLog(
  logPath: string,
  options: LogReadOptions,
  ended: Promise<unknown>,
): AsyncGenerator<LogBatch, void, undefined> {
  const change = new ChangeWatch(dirname(logPath));
  const stop = { ended: false };
  const onEnd = () => {
    stop.ended = true;
    change.disarm();
  };
  const onAbort = () => change.disarm();
  if (options.follow) void ended.then(onEnd, onEnd);
  options.signal?.addEventListener('abort', onAbort, { once: true });
  const chain = await openChain(logPath, options);
  try {
    const isAborted = (): boolean => options.signal?.aborted === true;
    for (;;) {
      const finished = !options.follow || stop.ended;
      const batch = await chain.next(options.follow);
      if (isAborted()) return;
      if (batch !== undefined) {
        const over = select(batch, options);
        if (batch.count > 0) yield batch;
        if (over || isAborted()) return;
      } else if (finished) return;
      else await waitForMore(change, chain, () => stop.ended || isAborted());
    }
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
    change.disarm();
    await chain.close();
  }
}
