import { codeOf, conflict, invalid, messageOf } from '../base/errors.ts';
import { parseTimestamp } from '../spec/decode/time.ts';
import type { ContainerPruneView } from '../spec/engine/container.ts';
import { type Filters, filterValues, labelsMatch } from '../spec/engine/filters.ts';
import type { ContainerContext } from './context.ts';
import { removeContainer } from './remove.ts';

const knownFilters = new Set(['label', 'label!', 'until']);

/** `docker container prune`, once at a time. */
export function createPruner(ctx: ContainerContext): (filters: Filters) => Promise<ContainerPruneView> {
  let isRunning = false;
  return async (filters) => {
    for (const key of filters.keys()) if (!knownFilters.has(key)) throw invalid(`invalid filter '${key}'`);
    const untilNs = untilOf(filters, ctx.clock.nowNs());
    if (isRunning) throw conflict('a prune operation is already running');
    isRunning = true;
    try {
      return await pruneContainers(ctx, filters, untilNs);
    } finally {
      isRunning = false;
    }
  };
}

function untilOf(filters: Filters, nowNs: bigint): bigint | undefined {
  const values = filterValues(filters, 'until') ?? [];
  if (values.length > 1) throw invalid('more than one until filter specified');
  return values[0] === undefined ? undefined : parseTimestamp(values[0], nowNs, 'until');
}

/** Removes what does not run, was made before `untilNs` and meets the labels; anonymous volumes stay, as in Docker. */
async function pruneContainers(
  ctx: ContainerContext,
  filters: Filters,
  untilNs: bigint | undefined,
): Promise<ContainerPruneView> {
  const deleted: string[] = [];
  let reclaimed = 0;
  for (const entry of ctx.table.list()) {
    const { state, createdNs, config } = entry.record;
    if (state.phase === 'running' || state.phase === 'restarting') continue;
    if (untilNs !== undefined && createdNs > untilNs) continue;
    if (!labelsMatch(filters, config.Labels)) continue;
    try {
      const { writable } = await ctx.snapshots.usage(entry.id);
      await removeContainer(ctx, entry, { force: false, volumes: false });
      deleted.push(entry.id);
      reclaimed += writable;
    } catch (error) {
      // Started or removed by somebody else meanwhile.
      if (codeOf(error) !== 'conflict' && !entry.gone) {
        ctx.log.warn('a container was not pruned', { container: entry.id, reason: messageOf(error) });
      }
    }
  }
  const attributes = { reclaimed: String(reclaimed) };
  await ctx.journal.commit({ events: [{ type: 'container', action: 'prune', actorId: '', attributes }] });
  return { ContainersDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimed };
}
