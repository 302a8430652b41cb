import { delay } from '../base/async.ts';
import { formatTime, zeroTime } from '../base/clock.ts';
import { noBlkio, type StatsView, type UsageSample } from '../spec/engine/stats.ts';
import type { ContainerContext } from './context.ts';
import type { ContainerEntry } from './entry.ts';

/** Docker takes a sample a second. */
const intervalMs = 1000;

const noCpu = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

/**
 * `docker stats`: one view a second, each with the one before, until the signal aborts or the container is gone. With
 * `stream` false one view, after two samples a second apart; with `oneShot` one sample and nothing before it.
 */
export async function* containerStats(
  ctx: ContainerContext,
  entry: ContainerEntry,
  options: { readonly stream: boolean; readonly oneShot: boolean; readonly signal: AbortSignal },
): AsyncGenerator<StatsView> {
  let before: UsageSample | undefined;
  if (!options.stream && !options.oneShot) {
    before = await sampleOf(ctx, entry);
    if (before !== undefined) await delay(intervalMs, options.signal);
  }
  for (;;) {
    const sample = await sampleOf(ctx, entry);
    yield viewOf(entry, sample, before);
    if (!options.stream) return;
    before = sample;
    await delay(intervalMs, options.signal);
    if (entry.gone) return;
  }
}

async function sampleOf(ctx: ContainerContext, entry: ContainerEntry): Promise<UsageSample | undefined> {
  const { state, hostConfig } = entry.record;
  return state.phase === 'running' ? ctx.usage.read(entry.id, hostConfig.CgroupParent, state.pid) : undefined;
}

/** A container that does not run has a view without numbers, as in Docker. */
function viewOf(entry: ContainerEntry, sample: UsageSample | undefined, before: UsageSample | undefined): StatsView {
  return {
    id: entry.id,
    name: `/${entry.record.name}`,
    os_type: 'linux',
    read: sample === undefined ? zeroTime : formatTime(sample.takenNs),
    preread: before === undefined ? zeroTime : formatTime(before.takenNs),
    pids_stats: sample?.pids_stats ?? {},
    blkio_stats: sample?.blkio_stats ?? noBlkio,
    num_procs: 0,
    storage_stats: {},
    cpu_stats: sample?.cpu_stats ?? noCpu,
    precpu_stats: before?.cpu_stats ?? noCpu,
    memory_stats: sample?.memory_stats ?? {},
    // The host's own interfaces are not the container's.
    ...(sample?.networks === undefined || entry.record.sandbox?.mode === 'host' ? {} : { networks: sample.networks }),
  };
}
