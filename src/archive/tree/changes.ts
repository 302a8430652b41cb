import { closeFd, openFd } from '../../sys/ffi/descriptor.ts';
import { constants } from 'node:fs';
import { namesIn, type NodeStat, nodeType, openDirectoryAt, statAt, statOf } from '../../sys/file/entries.ts';
import { getXattrOf } from '../../sys/file/xattr.ts';
import { type IdMapping, insideId } from '../../spec/contract/user-namespace.ts';
import type { FileChange } from '../../spec/engine/file-change.ts';
import type { ByteString } from '../tar/entry.ts';

/** An overlay: its writable directory and what lies below it, topmost first. All are trusted paths. */
export interface OverlayPaths {
  readonly upper: string;
  readonly lower: readonly string[];
  /** The user namespace whose ids the files of `upper` have. */
  readonly ids?: IdMapping | undefined;
}

const kinds = { modified: 0, added: 1, deleted: 2 } as const;
const { O_DIRECTORY, O_RDONLY } = constants;

const isWhiteout = (stat: NodeStat): boolean => nodeType(stat.mode) === 'char' && stat.major === 0 && stat.minor === 0;
const isDirectory = (stat: NodeStat | undefined): boolean => stat !== undefined && nodeType(stat.mode) === 'directory';
const isOpaque = (directory: number): boolean => getXattrOf(directory, 'trusted.overlay.opaque')?.[0] === 0x79;

/**
 * Opens the roots of an overlay for `work`. The upper directory may be changed by a container meanwhile: everything in it
 * is opened relative to its directory, without following links.
 */
export function inOverlay<T>(
  { upper, lower, ids }: OverlayPaths,
  work: (upper: number, lower: readonly number[], ids: IdMapping | undefined) => T,
): T {
  const open: number[] = [];
  try {
    for (const path of [upper, ...lower]) open.push(openFd(path, O_RDONLY | O_DIRECTORY));
    const [first = -1, ...rest] = open;
    return work(first, rest, ids);
  } finally {
    for (const fd of open) closeFd(fd);
  }
}

/** What the layers below show at a name of one directory, which is `lower` in them. */
export function lowerStat(lower: readonly number[], name: ByteString): NodeStat | undefined {
  for (const directory of lower) {
    const found = statAt(directory, name);
    if (found !== undefined) return isWhiteout(found) ? undefined : found;
  }
  return undefined;
}

/** The directories of the layers below that make up the directory `name`; to be closed. */
export function lowerDirectories(lower: readonly number[], name: ByteString): number[] {
  const found: number[] = [];
  for (const directory of lower) {
    const stat = statAt(directory, name);
    if (stat === undefined) continue;
    if (!isDirectory(stat)) break;
    const child = openDirectoryAt(directory, name);
    found.push(child);
    if (isOpaque(child)) break;
  }
  return found;
}

/**
 * `docker diff`: what the writable directory adds, changes and hides, in Docker's order: a directory before what is in
 * it, names sorted. A directory is modified when its metadata differ, or when something in it was added or deleted.
 * Paths in `skip` (without leading slash) are passed over. Synchronous: for a worker.
 */
export function overlayChanges(paths: OverlayPaths, skip: ReadonlySet<ByteString>): FileChange[] {
  const changes: FileChange[] = [];
  inOverlay(paths, (upper, lower) => compare({ changes, skip, ids: paths.ids }, upper, lower, ''));
  return changes;
}

interface Comparison {
  readonly changes: FileChange[];
  readonly skip: ReadonlySet<ByteString>;
  readonly ids: IdMapping | undefined;
}

/** `told` tells whether the directory itself is among the changes. */
function compare(
  comparison: Comparison,
  upper: number,
  lower: readonly number[],
  path: ByteString,
  directory = { told: true },
): void {
  for (const name of namesIn(upper).sort()) {
    const child = path === '' ? name : `${path}/${name}`;
    if (comparison.skip.has(child)) continue;
    const stat = statAt(upper, name);
    if (stat !== undefined) compareName(comparison, { upper, lower, path, name, child, stat, directory });
  }
}

interface Compared {
  readonly upper: number;
  readonly lower: readonly number[];
  readonly path: ByteString;
  readonly name: ByteString;
  readonly child: ByteString;
  readonly stat: NodeStat;
  readonly directory: { told: boolean };
}

function compareName(comparison: Comparison, at: Compared): void {
  const { name, child, stat, lower } = at;
  const before = lowerStat(lower, name);
  if (isWhiteout(stat)) {
    // A whiteout of nothing is left by a file that was made and deleted again.
    if (before !== undefined) tell(comparison, at, kinds.deleted);
    return;
  }
  const kind = before === undefined ? kinds.added : kinds.modified;
  const unchanged =
    before !== undefined && isDirectory(stat) && isDirectory(before) && isSame(stat, before, comparison.ids);
  if (!unchanged) tell(comparison, at, kind);
  if (!isDirectory(stat)) return;
  let inside: number;
  try {
    inside = openDirectoryAt(at.upper, name);
  } catch {
    return;
  }
  const below = isDirectory(before) ? lowerDirectories(lower, name) : [];
  try {
    const told = { told: !unchanged };
    if (isOpaque(inside)) {
      compareHidden(comparison, inside, below, child, told);
      compare(comparison, inside, [], child, told);
    } else compare(comparison, inside, below, child, told);
  } finally {
    for (const fd of [inside, ...below]) closeFd(fd);
  }
}

/** An opaque directory hides everything that the layers below have in it and that it does not have itself. */
function compareHidden(
  { changes }: Comparison,
  upper: number,
  below: readonly number[],
  path: ByteString,
  directory: { told: boolean },
): void {
  const names = new Set(below.flatMap((fd) => namesIn(fd)));
  for (const name of [...names].sort()) {
    if (lowerStat(below, name) === undefined || statAt(upper, name) !== undefined) continue;
    tellParent(changes, path, directory);
    changes.push({ Kind: kinds.deleted, Path: pathText(`${path}/${name}`) });
  }
}

function tell({ changes }: Comparison, { path, child, directory }: Compared, kind: 0 | 1 | 2): void {
  if (kind !== kinds.modified) tellParent(changes, path, directory);
  changes.push({ Kind: kind, Path: pathText(child) });
}

function tellParent(changes: FileChange[], path: ByteString, directory: { told: boolean }): void {
  if (directory.told) return;
  directory.told = true;
  changes.push({ Kind: kinds.modified, Path: pathText(path) });
}

const pathText = (path: ByteString): string => `/${Buffer.from(path, 'latin1').toString()}`;

/** As Docker compares directories: times to the second where one side has no more. */
function isSame(a: NodeStat, b: NodeStat, ids: IdMapping | undefined): boolean {
  const sameTime = a.mtime === b.mtime && (a.mtimeNsec === b.mtimeNsec || a.mtimeNsec === 0 || b.mtimeNsec === 0);
  const uid = ids === undefined ? a.uid : insideId(ids.uids, a.uid);
  const gid = ids === undefined ? a.gid : insideId(ids.gids, a.gid);
  return a.mode === b.mode && uid === b.uid && gid === b.gid && sameTime;
}

/** Files that the engine mounts something over, and directories that a runtime does: made empty where an image lacks them. */
const stubFiles = [
  ['etc', 'hosts'],
  ['etc', 'hostname'],
  ['etc', 'resolv.conf'],
] as const;
const stubDirectories = ['dev', 'proc', 'sys'] as const;

/**
 * Paths in the upper directory that only the engine made, as places to mount something: no change of the container's.
 * Docker has them in a layer of their own.
 */
export function stubsIn(upper: number, lower: readonly number[], ids?: IdMapping): ReadonlySet<ByteString> {
  const stubs = new Set<ByteString>();
  for (const name of stubDirectories) {
    const stat = statAt(upper, name);
    if (stat === undefined || !isDirectory(stat) || isDirectory(lowerStat(lower, name))) continue;
    if (isEmptyDirectory(upper, name)) stubs.add(name);
  }
  const etc = statAt(upper, 'etc');
  if (etc === undefined || !isDirectory(etc)) return stubs;
  const inside = openDirectoryAt(upper, 'etc');
  const below = lowerDirectories(lower, 'etc');
  try {
    for (const [, name] of stubFiles) {
      const stat = statAt(inside, name);
      const isEmpty = stat !== undefined && nodeType(stat.mode) === 'file' && stat.size === 0;
      if (isEmpty && lowerStat(below, name) === undefined) stubs.add(`etc/${name}`);
    }
    const before = lowerStat(lower, 'etc');
    const onlyStubs = namesIn(inside).every((name) => stubs.has(`etc/${name}`));
    if (onlyStubs && (before === undefined || isSame(statOf(inside), before, ids))) stubs.add('etc');
  } finally {
    for (const fd of [inside, ...below]) closeFd(fd);
  }
  return stubs;
}

function isEmptyDirectory(parent: number, name: ByteString): boolean {
  const fd = openDirectoryAt(parent, name);
  try {
    return namesIn(fd).length === 0;
  } finally {
    closeFd(fd);
  }
}
