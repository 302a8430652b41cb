import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/**
 * All files under `root` (a folder, or one file) whose path ends with `suffix`, sorted. Folders called `node_modules`,
 * those with a leading dot, and what the build has made in `build` of the working directory are passed by.
 * @throws Error when `root` does not exist.
 */
export function sourceFiles(root: string, suffix: string): readonly string[] {
  if (statSync(root).isFile()) return root.endsWith(suffix) ? [root] : [];
  const found: string[] = [];
  for (const entry of readdirSync(root, { withFileTypes: true })) {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
    const path = join(root, entry.name);
    if (path === 'build') continue;
    if (entry.isDirectory()) found.push(...sourceFiles(path, suffix));
    else if (entry.isFile() && entry.name.endsWith(suffix)) found.push(path);
  }
  return found.sort();
}
