import { renameSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from '../../sys/file/durable.ts';

/** How much of interrupted downloads is kept. */
export interface PartialLimits {
  /** Milliseconds since the last byte came. */
  readonly maxAgeMs: number;
  /** Bytes of all of them together; the oldest go first. */
  readonly maxBytes: number;
}

export const partialLimits: PartialLimits = { maxAgeMs: 7 * 24 * 3600 * 1000, maxBytes: 10 * 2 ** 30 };

const suffix = '.partial';
export const partialName = (hex: string): string => `${hex}${suffix}`;

/**
 * Deletes interrupted downloads in `directory` that are too old or too much; `isBusy` names those under way. Resolves
 * with the bytes of all that were not under way.
 */
export async function expirePartials(
  directory: string,
  isBusy: (name: string) => boolean,
  { maxAgeMs, maxBytes }: PartialLimits,
): Promise<number> {
  const found: { name: string; mtimeMs: number; size: number }[] = [];
  for (const name of await readdir(directory)) {
    if (!name.endsWith(suffix)) continue;
    const info = await stat(join(directory, name)).catch(() => undefined);
    if (info !== undefined) found.push({ name, mtimeMs: info.mtimeMs, size: info.size });
  }
  found.sort((a, b) => b.mtimeMs - a.mtimeMs);
  let bytes = 0;
  for (const { name, mtimeMs, size } of found) {
    if (isBusy(name)) continue;
    bytes += size;
    if (Date.now() - mtimeMs <= maxAgeMs && bytes <= maxBytes) continue;
    const path = join(directory, name);
    // At once: until it is really gone, a new writer may begin under this name.
    renameSync(path, `${path}.expired`);
    await removeTree(`${path}.expired`);
  }
  return bytes;
}
