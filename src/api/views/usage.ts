import type { DiskUsageReport, DiskUsageView, KindUsage } from '../../spec/engine/usage.ts';

/**
 * A report as `GET /system/df` shows it in API version 1.`minor`: the lists of old, since 1.52 sums a kind, with their
 * items where `verbose` asks for them, and the old lists where it does not.
 */
export function usageView(report: DiskUsageReport, minor: number, verbose: boolean): Readonly<Record<string, unknown>> {
  if (minor < 52) return oldView(report, minor);
  return {
    ...(verbose ? {} : withoutNothing(oldView(report, minor))),
    ...kindView('ImageUsage', report.images, verbose),
    ...kindView('ContainerUsage', report.containers, verbose),
    ...kindView('VolumeUsage', report.volumes, verbose),
    ...kindView('BuildCacheUsage', report.buildCache, verbose),
  };
}

/** Kinds that nobody asked for are null there. */
function oldView({ images, containers, volumes, buildCache }: DiskUsageReport, minor: number) {
  return {
    LayersSize: images?.totalSize ?? 0,
    Images: images?.items.map((image) => (minor < 44 ? { ...image, VirtualSize: image.Size } : image)) ?? null,
    Containers: containers?.items ?? null,
    Volumes: volumes?.items ?? null,
    BuildCache: buildCache?.items ?? null,
  } satisfies DiskUsageView;
}

/** Since 1.52 zero and "not asked for" are left out. */
const withoutNothing = (view: DiskUsageView): DiskUsageView =>
  Object.fromEntries(Object.entries(view).filter(([, value]) => value !== null && value !== 0));

function kindView<T>(name: string, usage: KindUsage<T> | undefined, verbose: boolean): Record<string, unknown> {
  if (usage === undefined) return {};
  const sums = {
    ActiveCount: usage.active,
    Reclaimable: usage.reclaimable,
    TotalCount: usage.items.length,
    TotalSize: usage.totalSize,
  };
  const shown = Object.entries(sums).filter(([, value]) => value !== 0);
  return {
    [name]: { ...Object.fromEntries(shown), ...(verbose && usage.items.length > 0 ? { Items: usage.items } : {}) },
  };
}
