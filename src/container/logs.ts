import { EngineError } from '../base/errors.ts';
import type { LogBatch, LoggedContainer, LoggedRun, LogReadOptions, LogSettings } from '../spec/contract/logs.ts';
import type { HostConfig } from '../spec/engine/container.ts';
import { type ContainerContext, logPath, runDirectory } from './context.ts';
import type { ContainerEntry } from './entry.ts';
import type { ContainerRecord } from './record.ts';

/** `docker logs`. Following ends with the current run, as Docker's does; a removal ends it too. */
export function containerLogs(
  ctx: ContainerContext,
  entry: ContainerEntry,
  options: LogReadOptions,
): { tty: boolean; batches: AsyncIterable<LogBatch>; attributes: ReadonlyMap<string, string> } {
  const { config, hostConfig, state } = entry.record;
  const settings = logSettings(hostConfig);
  const { driver, options: log } = settings;
  // With `cache-disabled` a remote driver's log is kept all the same, until it is sent, but is nobody's to read.
  const unreadable = !['json-file', 'local'].includes(driver) && /^(1|t|true)$/i.test(log['cache-disabled'] ?? '');
  if (driver === 'none' || unreadable) {
    throw new EngineError('not-implemented', 'configured logging driver does not support reading');
  }
  const { guardBytes } = ctx.logs.limits(settings);
  const ended =
    state.phase === 'running' || state.phase === 'restarting'
      ? Promise.race([entry.nextExit.wait(), entry.removed.wait()])
      : Promise.resolve();
  return {
    tty: config.Tty,
    batches: ctx.logs.read(logPath(ctx, entry.id), { ...options, guardBytes }, ended),
    attributes: ctx.logs.attributes(loggedContainer(entry.record), settings),
  };
}

/** What the logs need to know of a container; undefined when it keeps none. */
export function loggedRun(
  ctx: ContainerContext,
  { id, record }: ContainerEntry,
): Omit<LoggedRun, 'reopen'> | undefined {
  const settings = logSettings(record.hostConfig);
  if (settings.driver === 'none') return undefined;
  return { container: loggedContainer(record), logPath: logPath(ctx, id), settings };
}

export const logSettings = ({ LogConfig: { Type, Config } }: HostConfig): LogSettings => ({
  driver: Type,
  options: Config,
});

/** What log options may tell about a container. */
export function loggedContainer(record: ContainerRecord): LoggedContainer {
  const { config } = record;
  const [entrypoint = '', ...args] = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  return {
    id: record.id,
    name: record.name,
    imageId: record.imageId,
    imageName: record.imageName,
    createdNs: record.createdNs,
    entrypoint,
    args,
    env: config.Env,
    labels: config.Labels,
  };
}

/** `gantry logs --clear`: throws away what the container has printed so far. */
export async function clearLogs(ctx: ContainerContext, entry: ContainerEntry): Promise<void> {
  await entry.lock(async () => {
    const run = loggedRun(ctx, entry);
    if (run === undefined)
      throw new EngineError('not-implemented', 'configured logging driver does not support reading');
    const reopen = () => ctx.launcher.reopenLog(entry.id, runDirectory(ctx, entry.id));
    await ctx.logs.clear(run.logPath, entry.isRunning ? reopen : undefined);
  });
}
