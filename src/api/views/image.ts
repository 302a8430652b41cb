import type { ImageInspect, ImageSummary } from '../../spec/engine/image.ts';

/** A list entry as clients of API 1.`minor` know it. */
export function imageSummaryView(summary: ImageSummary, minor: number): unknown {
  const { Descriptor: descriptor, Manifests: manifests, ...view } = summary;
  return {
    ...view,
    ...(minor < 44 ? { VirtualSize: summary.Size } : {}),
    ...(minor >= 48 && descriptor !== undefined ? { Descriptor: descriptor } : {}),
    ...(minor >= 47 && manifests !== undefined ? { Manifests: manifests } : {}),
  };
}

/** An inspected image as clients of API 1.`minor` know it. */
export function imageInspectView(inspect: ImageInspect, minor: number): unknown {
  const { Descriptor: descriptor, Manifests: manifests, ...view } = inspect;
  return {
    ...view,
    ...(minor < 44 ? { VirtualSize: inspect.Size } : {}),
    ...(minor >= 48 && descriptor !== undefined ? { Descriptor: descriptor } : {}),
    ...(minor >= 48 && manifests !== undefined ? { Manifests: manifests } : {}),
  };
}
