import { invalid } from '../../base/errors.ts';

/** How layers that are made here are compressed. */
export const layerCompressions = ['gzip', 'zstd', 'none'] as const;
export type LayerCompression = (typeof layerCompressions)[number];

/** @throws invalid, naming `what`, for another word. */
export function parseLayerCompression(text: string, what: string): LayerCompression {
  const found = layerCompressions.find((word) => word === text);
  if (found !== undefined) return found;
  throw invalid(
    `invalid ${what}: ${JSON.stringify(text.slice(0, 100))}: expected one of ${layerCompressions.join(', ')}`,
  );
}
