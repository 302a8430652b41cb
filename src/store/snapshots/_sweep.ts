import { readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerId } from '../../base/ids.ts';
import type { SetOfContainers } from '../../spec/contract/storage.ts';
import { unmount } from '../../sys/mount/mount.ts';
import { readMountTable } from '../../sys/mount/table.ts';

/** Unmounts below `directory` what belongs to no known container; gives the ids of the others that are mounted. */
export async function sweepMounts(directory: string, known: SetOfContainers): Promise<ReadonlySet<ContainerId>> {
  const prefix = `${directory}/`;
  const mounted = new Set<ContainerId>();
  // The last mount first: what lies on top must go before what is under it.
  for (const { target } of (await readMountTable()).reverse()) {
    if (!target.startsWith(prefix)) continue;
    const id = target.slice(prefix.length) as ContainerId;
    if (known.has(id) && !mounted.has(id)) mounted.add(id);
    else await unmount(target, { lazy: true });
  }
  for (const name of await readdir(directory)) {
    if (!mounted.has(name as ContainerId)) await rmdir(join(directory, name)).catch(() => undefined);
  }
  return mounted;
}
