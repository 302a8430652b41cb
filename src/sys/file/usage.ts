import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Bytes on disk of everything below `directory`, hard links counted once, links not followed. What vanishes meanwhile
 * counts nothing.
 */
export async function diskUsage(directory: string): Promise<number> {
  const seen = new Set<string>();
  const pending = [directory];
  let bytes = 0;
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const entries = await opendir(path).catch(ignoreVanished);
    if (entries === undefined) continue;
    for await (const entry of entries) {
      const child = join(path, entry.name);
      const found = await lstat(child).catch(ignoreVanished);
      if (found === undefined) continue;
      if (found.isDirectory()) pending.push(child);
      else if (found.nlink > 1) {
        const key = `${found.dev}:${found.ino}`;
        if (seen.has(key)) continue;
        seen.add(key);
      }
      if (found.isFile()) bytes += Math.min(found.size, found.blocks * 512);
    }
  }
  return bytes;
}

function ignoreVanished(error: unknown): undefined {
  const { code } = error as { code?: string };
  if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
}
