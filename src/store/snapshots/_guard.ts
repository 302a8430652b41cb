import { lstat } from 'node:fs/promises';
import { join } from 'node:path';

/** What is at a name: a directory, something else, or nothing (a whiteout is nothing, and ends the search below). */
type Kind = 'directory' | 'other' | 'whiteout' | 'absent';

async function kindOf(path: string): Promise<Kind> {
  try {
    const found = await lstat(path);
    if (found.isDirectory()) return 'directory';
    return found.isCharacterDevice() && found.rdev === 0 ? 'whiteout' : 'other';
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return 'absent';
    throw error;
  }
}

/**
 * Those of `names` that are no real directories in the stack of `lower` (topmost first): the first root that has
 * something of the name decides, as in the overlay.
 */
export async function findUnguarded(lower: readonly string[], names: readonly string[]): Promise<ReadonlySet<string>> {
  const unguarded = new Set<string>();
  for (const name of names) {
    let kind: Kind = 'absent';
    for (const root of lower) {
      kind = await kindOf(join(root, name));
      if (kind !== 'absent') break;
    }
    if (kind !== 'directory') unguarded.add(name);
  }
  return unguarded;
}
