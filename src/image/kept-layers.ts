import type { BuiltLayer } from '../spec/contract/build.ts';
import type { LiveContent } from './ports.ts';

/** Layers that belong to no image and stay nevertheless: those of the build cache. */
export class KeptLayers {
  #live: () => Iterable<BuiltLayer> = () => [];

  /** Asked at each collection. */
  keep(live: () => Iterable<BuiltLayer>): void {
    this.#live = live;
  }

  addTo({ blobs, layers }: LiveContent): LiveContent {
    const more = { blobs: new Set(blobs), layers: new Set(layers) };
    for (const { blob, diffId } of this.#live()) {
      more.blobs.add(blob.digest);
      more.layers.add(diffId);
    }
    return more;
  }
}
