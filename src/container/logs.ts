import { EngineError } from '../base/errors.ts';
import type { LogEntry, LogReadOptions } from '../spec/contract/logs.ts';
import { type ContainerContext, logPath } from './context.ts';
import type { ContainerEntry } from './entry.ts';

/** `docker logs`. Following ends with the current run, as Docker's does; a removal ends it too. */
export function containerLogs(
  ctx: ContainerContext,
  entry: ContainerEntry,
  options: LogReadOptions,
): { tty: boolean; entries: AsyncIterable<LogEntry> } {
  const { config, hostConfig, state } = entry.record;
  if (hostConfig.LogConfig.Type === 'none') {
    throw new EngineError('not-implemented', 'configured logging driver does not support reading');
  }
  const ended =
    state.phase === 'running' || state.phase === 'restarting'
      ? Promise.race([entry.nextExit.wait(), entry.removed.wait()])
      : Promise.resolve();
  return { tty: config.Tty, entries: ctx.logs.read(logPath(ctx, entry.id), options, ended) };
}
