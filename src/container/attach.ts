import type { StdioSink } from '../spec/contract/launch.ts';
import { type ContainerContext, emit } from './context.ts';
import type { ContainerEntry } from './entry.ts';

/**
 * A client's view of a container's stdio, before and while it runs. Sinks that are added before the start see every
 * byte; writes wait for the start. Sizes that come before the start are kept for it.
 */
export function attachContainer(ctx: ContainerContext, entry: ContainerEntry) {
  const { config } = entry.record;
  let size: readonly [number, number] | undefined;
  const started = entry.started;
  const live = () => entry.live?.stdio;
  const stdio = {
    add(sink: StdioSink): void {
      const channel = live();
      if (channel === undefined) entry.waitingSinks.add(sink);
      else channel.add(sink);
    },
    remove(sink: StdioSink): void {
      entry.waitingSinks.delete(sink);
      live()?.remove(sink);
    },
    async write(bytes: Uint8Array): Promise<void> {
      const channel = live() ?? (await Promise.race([started.wait(), entry.removed.wait()]));
      if ('write' in channel) await channel.write(bytes);
    },
    closeStdin(): void {
      void Promise.race([started.wait(), entry.removed.wait()]).then((channel) => {
        if ('closeStdin' in channel) channel.closeStdin();
      });
    },
    async resize(rows: number, columns: number): Promise<void> {
      const channel = live();
      if (channel !== undefined) {
        await channel.resize(rows, columns);
        return;
      }
      if (size === undefined) void started.wait().then((later) => size && later.resize(size[0], size[1]));
      size = [rows, columns];
    },
  };
  emit(ctx, entry, 'attach');
  return {
    tty: config.Tty,
    openStdin: config.OpenStdin,
    stdio,
    detached: () => emit(ctx, entry, 'detach'),
  };
}
