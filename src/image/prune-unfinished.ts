import type { ImageContext } from './context.ts';
import type { LiveContent } from './ports.ts';
import type { UnfinishedPull } from './unfinished.ts';

/** What pulls that broke off have left, besides what images and other pulls need. */
export interface Leftovers {
  readonly pulls: readonly UnfinishedPull[];
  /** Bytes on disk: whole layers and blobs, and downloads that ended in the middle. */
  readonly bytes: number;
}

/** Finds them: of pulls that broke off before `beforeNs`, or of all, with which downloads of no pull count as well. */
export async function leftovers(context: ImageContext, beforeNs?: bigint): Promise<Leftovers> {
  const { catalog, content, unfinished } = context;
  const pulls = unfinished.brokenOff(beforeNs);
  let bytes = beforeNs === undefined ? await content.interrupted() : 0;
  const needed: LiveContent = unfinished.addTo(catalog.live(), pulls);
  const blobs = new Map(pulls.flatMap((pull) => pull.blobs.map(({ digest, size }) => [digest, size] as const)));
  for (const [digest, size] of blobs) {
    if (!needed.blobs.has(digest) && (await content.hasBlob(digest))) bytes += size;
  }
  for (const layer of new Set(pulls.flatMap((pull) => pull.layers))) {
    if (!needed.layers.has(layer)) bytes += content.layerSize(layer);
  }
  return { pulls, bytes };
}

/** Deletes them; who calls it collects garbage then. */
export async function dropLeftovers({ content, unfinished }: ImageContext, { pulls }: Leftovers): Promise<void> {
  await unfinished.clear(pulls);
  if (unfinished.brokenOff().length === 0) await content.interrupted({ discard: true });
}
