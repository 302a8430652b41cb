import { formatTime } from '../../base/clock.ts';
import { internal } from '../../base/errors.ts';
import type { BuiltLayer } from '../../spec/contract/build.ts';
import type { ImageConfig, ImageHistoryEntry } from '../../spec/oci/image.ts';
import type { Built } from '../frontend/build.ts';
import type { AddedLayer } from '../solve/scope.ts';

/** When an image is made, and the latest time in it, in nanoseconds. */
export interface Times {
  readonly now: bigint;
  readonly latest: bigint | undefined;
}

/**
 * The configuration of a built image: the planned one with its layers and the times at which they were made. What was in the
 * cache whole is the same image again.
 */
export function imageConfig({ plan, added }: Built, layers: readonly BuiltLayer[], times: Times): ImageConfig {
  const { platform, author, config, history, base } = plan.image;
  const dated = withLayers(history, base, added, formatTime(times.now));
  const created =
    times.latest === undefined ? (dated.at(-1)?.created ?? formatTime(times.now)) : formatTime(times.latest);
  return {
    created,
    ...(author === undefined || author === '' ? {} : { author }),
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    ...(platform['os.version'] === undefined ? {} : { 'os.version': platform['os.version'] }),
    config,
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: times.latest === undefined ? dated : dated.map((entry) => notLater(entry, created)),
  };
}

function notLater(entry: ImageHistoryEntry, latest: string): ImageHistoryEntry {
  const isLater = entry.created === undefined || Date.parse(entry.created) > Date.parse(latest);
  return isLater ? { ...entry, created: latest } : entry;
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
