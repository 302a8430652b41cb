import type { TarEntry } from '../../archive/tar/entry.ts';
import { invalid } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { FileView } from '../../spec/contract/files.ts';
import type { FileMode } from '../graph/operation.ts';
import { Collisions } from './collisions.ts';
import { findDestination, parentMembers } from './destination.ts';
import { changedMode } from './mode.ts';
import { bytesOf, type CopiedSource, type FileTime, textOf } from './source.ts';

export interface CopyWishes {
  /** Absolute; with a slash (or `/.`) at its end where it must be a directory. */
  readonly destination: string;
  /** Undefined: the files' own. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  readonly mode: FileMode | undefined;
  /** Of directories that are made on the way, in seconds. */
  readonly time: number;
  /** Directories that are there already are not mentioned, unless something in them is. */
  readonly onlyNew: boolean;
  /** What is there may be replaced by something of another kind, as archives do it. */
  readonly replaces?: boolean;
}

export interface PlacedSource {
  readonly source: CopiedSource;
  readonly wishes: CopyWishes;
}

interface LayerMember {
  readonly entry: TarEntry;
  readonly body?: ByteStream;
}

/**
 * The members of the layer that a COPY makes: nothing is copied to anywhere but into that archive. `view` is the root that
 * it goes onto; undefined for an empty one. Of a directory what is in it is copied.
 * @throws EngineError `invalid` where something else than a directory is in the way
 */
export async function* copyMembers(
  view: FileView | undefined,
  sources: readonly PlacedSource[],
): AsyncGenerator<LayerMember> {
  const told = new Set<string>(['/']);
  const collisions = new Collisions(view, sources.length > 1);
  for (const { source, wishes } of sources) {
    const { owner, time, mode } = wishes;
    const bits = mode !== undefined && 'bits' in mode ? mode.bits : 0o755;
    const made: FileTime = { mtime: time, mtimeNsec: 0 };
    // As on a disk: the time of a directory is that of what came into it last, or what was copied with it.
    const changed = sources.findLast((one) => one.wishes.destination === wishes.destination)?.source.changed ?? made;
    const directories = { uid: owner?.uid ?? 0, gid: owner?.gid ?? 0, mode: bits, made, changed };
    const { path, kind } = await findDestination(view, wishes.destination);
    const wantsDirectory = /\/\.?$/.test(wishes.destination);
    if (kind === 'other' && (wantsDirectory || source.isDirectory)) {
      throw invalid(`cannot copy to non-directory: ${wishes.destination}`);
    }
    if (wishes.onlyNew && kind === 'directory') continue;
    const isInside = !source.isDirectory && (kind === 'directory' || wantsDirectory);
    const target = isInside ? join(path, textOf(source.name)) : path;
    const parent = source.isDirectory || isInside ? path : target.slice(0, target.lastIndexOf('/'));
    yield* parentMembers(view, parent, directories, told);
    yield* placed(source, target, wishes, { told, collisions: wishes.replaces === true ? undefined : collisions });
  }
}

const join = (directory: string, name: string): string => (directory === '/' ? `/${name}` : `${directory}/${name}`);

async function* placed(
  source: CopiedSource,
  target: string,
  { owner, mode }: CopyWishes,
  { told, collisions }: { readonly told: Set<string>; readonly collisions: Collisions | undefined },
): AsyncGenerator<LayerMember> {
  const base = bytesOf(target.slice(1));
  const at = (path: string): string => (path === '' ? base : base === '' ? path : `${base}/${path}`);
  for await (const member of source.members()) {
    const { path, entry, linkPath, body } = member;
    // Of the directory itself only the content is copied.
    if (path === '' && source.isDirectory) continue;
    const name = at(path);
    checkName(name);
    await collisions?.refuse(name, member);
    const isDirectory = entry.type === 'directory';
    if (isDirectory) told.add(`/${textOf(name)}`);
    const changed: TarEntry = {
      ...entry,
      name: isDirectory ? `${name}/` : name,
      linkName: linkPath === undefined ? entry.linkName : at(linkPath),
      uid: owner?.uid ?? entry.uid,
      gid: owner?.gid ?? entry.gid,
      mode: entry.type === 'symlink' ? 0o777 : changedMode(mode, entry.mode, isDirectory),
    };
    yield { entry: changed, ...(body === undefined ? {} : { body }) };
  }
}

/** @throws EngineError `invalid` for a name that means something else in a layer */
function checkName(name: string): void {
  if (!name.slice(name.lastIndexOf('/') + 1).startsWith('.wh.')) return;
  const shown = JSON.stringify(textOf(name));
  throw invalid(`cannot copy ${shown}: in a layer names that begin with .wh. mean deleted files`);
}
