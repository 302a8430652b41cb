import type { ContainerId } from '../base/ids.ts';
import { commitRecord, type ContainerContext } from './context.ts';
import { controlOperations } from './operations/controls.ts';
import { CheckCounts } from './health/counts.ts';
import { watchHealth } from './health/watch.ts';
import { buildOperations } from './operations/builds.ts';
import { execOperations } from './operations/execs.ts';
import { fileOperations } from './operations/files.ts';
import { lifeOperations } from './operations/life.ts';
import { networkOperations } from './operations/networks.ts';
import { streamOperations } from './operations/streams.ts';
import type { ContainerPorts } from './ports.ts';
import { recoverContainers, startRecovered } from './recover.ts';
import { salvageContainers } from './salvage.ts';
import { watchRun } from './start/watch.ts';
import { whileFrozen } from './pause.ts';
import { isPaused } from './state.ts';
import { ContainerTable } from './table.ts';

/** The containers of one engine. Call `recover` before any other method, `close` once at the end. */
export function createContainerService(ports: ContainerPorts) {
  const ctx: ContainerContext = {
    ...ports,
    table: new ContainerTable(),
    background: new Set(),
    checks: new CheckCounts(),
    reservedIds: new Set(),
    strangers: new Set(),
    follow: (entry, live) => watchRun(ctx, entry, live),
    watchHealth: (entry, options) => watchHealth(ctx, entry, options),
    closing: false,
  };
  return {
    recover: () => recoverContainers(ctx),
    startRecovered: (entries: Parameters<typeof startRecovered>[1]) => startRecovered(ctx, entries),
    /** Makes containers of writable layers whose records cannot be read. */
    salvage: () => salvageContainers(ctx),
    /** Writes the record of a container as it is in memory; false when there is no such container. */
    async writeAgain(id: ContainerId) {
      const entry = ctx.table.get(id);
      if (entry !== undefined) await commitRecord(ctx, entry, {});
      return entry !== undefined;
    },
    /** Lets go of all containers, which go on running; waits for cleaning that is under way. */
    close: () => closeContainers(ctx),
    counts: () => countPhases(ctx),
    checks: ctx.checks,
    isRunning: (id: ContainerId) => ctx.table.get(id)?.isRunning === true,
    /** Runs `task` while the processes of these containers stand still, those that run; they go on whatever happens. */
    freeze: <T>(ids: readonly ContainerId[], task: () => Promise<T>) => freezeAll(ctx, ids, task),
    names: (id: ContainerId) => ctx.table.get(id)?.record.name,

    containers: { ...lifeOperations(ctx), ...controlOperations(ctx), ...streamOperations(ctx), ...fileOperations(ctx) },
    execs: execOperations(ctx),
    networks: networkOperations(ctx),
    /** Commands of builds. */
    steps: buildOperations(ctx),
  };
}

function freezeAll<T>(ctx: ContainerContext, ids: readonly ContainerId[], task: () => Promise<T>): Promise<T> {
  const [first, ...rest] = ids;
  if (first === undefined) return task();
  const entry = ctx.table.get(first);
  const others = (): Promise<T> => freezeAll(ctx, rest, task);
  return entry === undefined ? others() : whileFrozen(ctx, entry, others);
}

/** A restarting container counts as stopped. */
function countPhases(ctx: ContainerContext): { total: number; running: number; paused: number; stopped: number } {
  const count = { total: 0, running: 0, paused: 0, stopped: 0 };
  for (const { record } of ctx.table.list()) {
    count.total++;
    if (isPaused(record.state)) count.paused++;
    else if (record.state.phase === 'running') count.running++;
    else count.stopped++;
  }
  return count;
}

async function closeContainers(ctx: ContainerContext): Promise<void> {
  ctx.closing = true;
  for (const entry of ctx.table.list()) {
    entry.cancelRestart();
    entry.health?.stop();
  }
  await ctx.logs.close();
  while (ctx.background.size > 0) await Promise.allSettled(ctx.background);
}
