import { plainEntry, type TarEntry } from '../../archive/tar/entry.ts';
import { invalid } from '../../base/errors.ts';
import type { FileStat, FileView } from '../../spec/contract/files.ts';
import { isDirectory, statOf, timeOf } from './root-source.ts';
import { bytesOf, type FileTime } from './source.ts';

/** Where a COPY goes in a root, without any link on the way. */
export interface Destination {
  /** Absolute; `/` for the root. */
  readonly path: string;
  readonly kind: 'directory' | 'other' | 'missing';
}

const linkBits = 0o120000;

/** What a path means in a root, links followed inside it; its last components may be missing. */
export async function findDestination(view: FileView | undefined, path: string): Promise<Destination> {
  const parts = path.split('/').filter((part) => part !== '');
  let at = '';
  let kind: Destination['kind'] = 'directory';
  for (const [index, part] of parts.entries()) {
    const next = `${at}/${part}`;
    const stat: FileStat | undefined = view === undefined || kind === 'missing' ? undefined : await statOf(view, next);
    if (stat === undefined || view === undefined) {
      at = next;
      kind = 'missing';
      continue;
    }
    const isLink: boolean = (stat.mode & 0o170000) === linkBits;
    const meant: FileStat | undefined = isLink ? await statOf(view, stat.linkTarget) : stat;
    at = isLink ? stat.linkTarget.replace(/^\/$/, '') : next;
    kind = meant === undefined ? 'missing' : isDirectory(meant) ? 'directory' : 'other';
    if (kind === 'other' && index < parts.length - 1) throw invalid(`cannot copy to ${path}: ${at} is not a directory`);
  }
  return { path: at === '' ? '/' : at, kind };
}

/** What directories get that are made on the way, and when the last one, new or old, was changed. */
export interface NewDirectories {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly made: FileTime;
  readonly changed: FileTime;
}

/**
 * The directory of that path and those above it as members of a layer: those that are there as they are (what a layer says
 * of a directory hides what layers below say), those that are missing new, the last one with its new time. Of those in
 * `told` nothing is said again.
 */
export async function* parentMembers(
  view: FileView | undefined,
  path: string,
  { uid, gid, mode, made, changed }: NewDirectories,
  told: Set<string>,
): AsyncGenerator<{ readonly entry: TarEntry }> {
  const parts = path.split('/').filter((part) => part !== '');
  const paths = parts.map((_part, at) => `/${parts.slice(0, at + 1).join('/')}`);
  const stats: (FileStat | undefined)[] = [];
  for (const parent of paths) {
    const isBelow = view !== undefined && (stats.length === 0 || stats.at(-1) !== undefined);
    stats.push(isBelow ? await statOf(view, parent) : undefined);
  }
  for (const [at, parent] of paths.entries()) {
    if (told.has(parent)) continue;
    told.add(parent);
    const stat = stats[at];
    const entry = plainEntry('directory', `${bytesOf(parent.slice(1))}/`, { size: 0, mode });
    const last = at === paths.length - 1 ? changed : {};
    if (stat === undefined) {
      yield { entry: { ...entry, uid, gid, ...made, ...last } };
    } else {
      const owner = { uid: stat.uid, gid: stat.gid };
      // What a directory is made in is changed by that.
      const time = at < paths.length - 1 && stats[at + 1] === undefined ? made : timeOf(stat);
      yield { entry: { ...entry, mode: stat.mode & 0o7777, ...owner, ...time, ...last } };
    }
  }
}
