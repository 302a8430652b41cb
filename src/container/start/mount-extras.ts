import { invalid } from '../../base/errors.ts';
import type { ContainerId } from '../../base/ids.ts';
import type { ContainerContext } from '../context.ts';
import { mountMapping } from '../create/mount-extras.ts';
import type { ContainerEntry } from '../entry.ts';
import type { HostPlace, IdOwner } from '../ports.ts';
import type { MountRecord } from '../record.ts';

/** For whom mounts are made. */
export interface MountsFor {
  readonly entry: ContainerEntry;
  /** Lets go of what is mounted for it: the container itself, or who looks at its files. */
  readonly holder: ContainerId;
  /** The host's ids of the container's user; undefined for who only looks. */
  readonly owner: IdOwner | undefined;
}

/** What a runtime mounts instead of `source` for the extras of a mount. */
export interface ShapedSource {
  readonly source: string;
  readonly readOnly?: boolean;
}

/** Carries out `O`, `U` and `idmap`. `index` is the place of the mount among the container's. */
export async function shapeSource(
  ctx: ContainerContext,
  { entry, holder, owner }: MountsFor,
  mount: MountRecord,
  index: number,
  source: string,
  place: HostPlace,
): Promise<ShapedSource> {
  const { chown, overlay, idmap } = mount.extras ?? {};
  const isFile = place.kind !== 'directory';
  if (idmap !== undefined) {
    const mapping = mountMapping(idmap, entry.record.ids, mount.destination);
    const options = { recursive: mount.recursive && !isFile, isFile };
    return { source: await ctx.runMounts.shiftOwners(holder, source, mapping, options) };
  }
  if (overlay !== undefined && isFile)
    throw invalid(`invalid mount options for ${mount.destination}: "O" needs a folder`);
  if (holder !== entry.id) {
    if (overlay === undefined) return { source };
    // While it does not run, nothing is in the overlay, or its folders are the user's own.
    const running = ctx.runMounts.overlayPath(entry.id, index);
    return running === undefined ? { source, readOnly: true } : { source: running };
  }
  const shown =
    overlay === undefined
      ? source
      : await ctx.runMounts.layOver(holder, index, source, overlay === 'passing' ? undefined : overlay);
  if (chown === true && owner !== undefined) await ctx.host.chownTree(shown, owner, overlay !== undefined);
  return { source: shown };
}
