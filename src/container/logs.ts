import { EngineError } from '../base/errors.ts';
import type { LogBatch, LoggedContainer, LogReadOptions, LogSettings } from '../spec/contract/logs.ts';
import type { HostConfig } from '../spec/engine/container.ts';
import { type ContainerContext, logPath } from './context.ts';
import type { ContainerEntry } from './entry.ts';
import type { ContainerRecord } from './record.ts';

/** `docker logs`. Following ends with the current run, as Docker's does; a removal ends it too. */
export function containerLogs(
  ctx: ContainerContext,
  entry: ContainerEntry,
  options: LogReadOptions,
): { tty: boolean; batches: AsyncIterable<LogBatch>; attributes: ReadonlyMap<string, string> } {
  const { config, hostConfig, state } = entry.record;
  if (hostConfig.LogConfig.Type === 'none') {
    throw new EngineError('not-implemented', 'configured logging driver does not support reading');
  }
  const ended =
    state.phase === 'running' || state.phase === 'restarting'
      ? Promise.race([entry.nextExit.wait(), entry.removed.wait()])
      : Promise.resolve();
  return {
    tty: config.Tty,
    batches: ctx.logs.read(logPath(ctx, entry.id), options, ended),
    attributes: ctx.logs.attributes(loggedContainer(entry.record), logSettings(hostConfig)),
  };
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
