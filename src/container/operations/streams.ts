import { conflict } from '../../base/errors.ts';
import type { LogReadOptions } from '../../spec/contract/logs.ts';
import { attachContainer } from '../attach.ts';
import { type ContainerContext, emit } from '../context.ts';
import { clearLogs, containerLogs } from '../logs.ts';
import { isPaused } from '../state.ts';
import { containerStats } from '../stats.ts';

/** What flows from and to running containers. */
export function streamOperations(ctx: ContainerContext) {
  const find = (nameOrId: string) => ctx.table.find(nameOrId);
  return {
    attach: async (nameOrId: string) => {
      const entry = find(nameOrId);
      const { state } = entry.record;
      if (isPaused(state)) throw conflict(`container ${nameOrId} is paused, unpause the container before attach`);
      if (state.phase === 'restarting') {
        throw conflict(`container ${nameOrId} is restarting, wait until the container is running`);
      }
      return attachContainer(ctx, entry);
    },
    logs: async (nameOrId: string, options: LogReadOptions) => containerLogs(ctx, find(nameOrId), options),
    clearLogs: async (nameOrId: string) => clearLogs(ctx, find(nameOrId)),
    stats: async (nameOrId: string, options: { stream: boolean; oneShot: boolean; signal: AbortSignal }) =>
      containerStats(ctx, find(nameOrId), options),
    resize: async (nameOrId: string, rows: number, columns: number) => {
      const entry = find(nameOrId);
      if (entry.live === undefined) throw conflict(`container ${entry.id} is not running`);
      await entry.live.stdio.resize(rows, columns);
      emit(ctx, entry, 'resize', { height: String(rows), width: String(columns) });
    },
  };
}
