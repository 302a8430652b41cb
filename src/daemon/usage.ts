import type { ApiServices } from '../api/services.ts';
import type { BuildControl } from '../build/control/service.ts';
import { buildCacheUsage } from './builds.ts';
import type { Store } from '../store/open.ts';
import type { DiskUsageReport, KindUsage, UsageKind } from '../spec/engine/usage.ts';
import type { ContainerSummary } from '../spec/engine/container.ts';
import type { ImageSummary } from '../spec/engine/image.ts';
import type { VolumeView } from '../spec/engine/volume.ts';

/** What is counted. */
export interface UsageSources {
  readonly containers: Pick<ApiServices['containers'], 'list'>;
  readonly images: Pick<ApiServices['images'], 'list'> & { leftoverBytes(): Promise<number> };
  readonly volumes: { usage(signal: AbortSignal): Promise<VolumeView[]> };
  readonly store: Pick<Store, 'blobs' | 'layers'>;
  readonly builds: Pick<BuildControl, 'cache'>;
}

/**
 * What the engine's objects take on the disk, in bytes. Trees are walked in workers, each only once at a time however
 * many ask, and no further when nobody waits any more. @throws EngineError `cancelled`
 */
export async function diskUsageOf(
  sources: UsageSources,
  kinds: readonly UsageKind[],
  signal: AbortSignal,
): Promise<DiskUsageReport> {
  const wants = (kind: UsageKind): boolean => kinds.includes(kind);
  const [containers, images, volumes, buildCache] = await Promise.all([
    wants('container') ? containerUsage(sources, signal) : undefined,
    wants('image') ? imageUsage(sources) : undefined,
    wants('volume') ? volumeUsage(sources, signal) : undefined,
    wants('build-cache') ? buildCacheUsage(sources.builds) : undefined,
  ]);
  return {
    ...(containers === undefined ? {} : { containers }),
    ...(images === undefined ? {} : { images }),
    ...(volumes === undefined ? {} : { volumes }),
    ...(buildCache === undefined ? {} : { buildCache }),
  };
}

const activeStates: ReadonlySet<string> = new Set(['running', 'paused', 'restarting']);

async function containerUsage({ containers }: UsageSources, signal: AbortSignal): Promise<KindUsage<ContainerSummary>> {
  const items = await containers.list({ all: true, size: true, filters: new Map(), signal });
  const idle = items.filter(({ State }) => !activeStates.has(State));
  return {
    items,
    totalSize: sum(items.map(({ SizeRw = 0 }) => SizeRw)),
    active: items.length - idle.length,
    reclaimable: sum(idle.map(({ SizeRw = 0 }) => SizeRw)),
  };
}

/**
 * The total is everything in the store: also layers that only containers still need, what no image names, and what
 * broken pulls have left, which a prune gives back.
 */
async function imageUsage({ images, store }: UsageSources): Promise<KindUsage<ImageSummary>> {
  const [items, blobs, leftover, interrupted] = await Promise.all([
    images.list({ all: false, sharedSize: true, manifests: false, filters: new Map() }),
    store.blobs.list(),
    images.leftoverBytes(),
    store.blobs.interrupted(),
  ]);
  const unused = items.filter(({ Containers }) => Containers === 0);
  return {
    items,
    totalSize:
      sum(blobs.map(({ size }) => size)) + interrupted + sum(store.layers.list().map(({ storedSize }) => storedSize)),
    active: items.length - unused.length,
    reclaimable: sum(unused.map(({ Size, SharedSize }) => Size - SharedSize)) + leftover,
  };
}

async function volumeUsage({ volumes }: UsageSources, signal: AbortSignal): Promise<KindUsage<VolumeView>> {
  const items = await volumes.usage(signal);
  // A size of -1: it could not be read.
  const known = items.flatMap(({ UsageData }) => (UsageData === undefined || UsageData.Size < 0 ? [] : [UsageData]));
  const unused = known.filter(({ RefCount }) => RefCount === 0);
  return {
    items,
    totalSize: sum(known.map(({ Size }) => Size)),
    active: items.length - unused.length,
    reclaimable: sum(unused.map(({ Size }) => Size)),
  };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
