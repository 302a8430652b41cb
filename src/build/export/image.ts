import { formatTime, type Clock } from '../../base/clock.ts';
import { internal } from '../../base/errors.ts';
import type { BuildContent } from '../../spec/contract/build.ts';
import type { ImageConfig, ImageHistoryEntry } from '../../spec/oci/image.ts';
import { formatReference, parseReference, withDefaultTag } from '../../spec/reference/reference.ts';
import type { BuildJob } from '../control/job.ts';
import type { Built } from '../frontend/build.ts';
import type { AddedLayer } from '../solve/scope.ts';

/**
 * The configuration of a built image: the planned one with its layers and the times at which they were made. What was in the
 * cache whole is the same image again.
 */
export function imageConfig({ plan, layers, added }: Built, nowNs: bigint): ImageConfig {
  const { platform, author, config, history, base } = plan.image;
  const dated = withLayers(history, base, added, formatTime(nowNs));
  return {
    created: dated.at(-1)?.created ?? formatTime(nowNs),
    ...(author === undefined || author === '' ? {} : { author }),
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    ...(platform['os.version'] === undefined ? {} : { 'os.version': platform['os.version'] }),
    config,
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: dated,
  };
}

/**
 * The history with times: those of layers, and for instructions without one that of the layer before. Steps that changed no
 * file have no layer, whatever was planned.
 */
function withLayers(
  history: readonly ImageHistoryEntry[],
  base: ImageConfig | undefined,
  added: readonly AddedLayer[],
  now: string,
): ImageHistoryEntry[] {
  const ofBase = base?.history.length ?? 0;
  let at = 0;
  let time = base?.created ?? (added[0] === undefined ? now : formatTime(added[0].createdNs));
  const entries = history.map((entry, index): ImageHistoryEntry => {
    if (index < ofBase) return entry;
    const step = entry.empty_layer === true ? undefined : added[at++];
    if (step !== undefined) time = formatTime(step.createdNs);
    return { created: time, ...entry, ...(step?.layer === undefined ? { empty_layer: true } : {}) };
  });
  if (at !== added.length) throw internal(`the history tells of ${at} layers, but there are ${added.length} steps`);
  return entries;
}

/** Puts the image into the engine's own store, under its names. */
export async function exportImage(
  clock: Clock,
  job: BuildJob,
  content: BuildContent,
  built: Built,
  names: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  return job.step({ name: 'exporting to image' }, async (output) => {
    output.line('exporting layers').done();
    const config = imageConfig(built, clock.nowNs());
    const { id, config: configDigest } = await content.storeImage({ config, layers: built.layers, names });
    output.line(`writing image ${id}`).done();
    const full = names.map((name) => formatReference(withDefaultTag(parseReference(name))));
    for (const name of full) output.line(`naming to ${name}`).done();
    return new Map([
      ['containerimage.digest', id],
      ['containerimage.config.digest', configDigest],
      ...(names.length === 0 ? [] : [['image.name', full.join(',')] as const]),
    ]);
  });
}
