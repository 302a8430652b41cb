import { type Digest, hexOf } from '../base/ids.ts';
import type { ProgressMessage, ProgressSink } from '../spec/engine/progress.ts';

/** Milliseconds between two messages about the same transfer. */
const interval = 100;
const barWidth = 50;

/** How layers are called in progress messages. */
export const shortDigest = (digest: Digest): string => hexOf(digest).slice(0, 12);

/** Takes the bytes of a transfer so far. */
export type ProgressTeller = (current: number) => void;

/** Tells about one transfer of `total` bytes: `Downloading` with the bytes so far, at most ten times a second. */
export function tellProgress(progress: ProgressSink, status: string, id: string, total: number): ProgressTeller {
  let toldAt = Number.NEGATIVE_INFINITY;
  return (current) => {
    const now = performance.now();
    if (now - toldAt < interval) return;
    toldAt = now;
    progress(progressMessage(status, id, current, total));
  };
}

/** A message with a bar; without an end in sight (`total` 0) only the bytes are told. */
export function progressMessage(status: string, id: string, current: number, total: number): ProgressMessage {
  const progressDetail = total > 0 ? { current, total } : { current };
  return { status, id, progressDetail, progress: progressBar(current, total) };
}

/** `[====>     ]  1.2MB/3.4MB`: as clients that do not draw their own bar show it. */
export function progressBar(current: number, total: number): string {
  if (total <= 0) return humanSize(current);
  const filled = Math.min(barWidth, Math.floor((current / total) * barWidth));
  const bar = filled === barWidth ? '='.repeat(barWidth) : `${'='.repeat(filled)}>`.padEnd(barWidth);
  return `[${bar}]  ${humanSize(current).padStart(6)}/${humanSize(total)}`;
}

/** Four significant digits and a decimal unit, as Go's units package prints sizes: `1.234MB`. */
export function humanSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(4))}${units[unit]}`;
}
