import { createHash } from 'node:crypto';
import type { ByteString, TarEntry } from '../../archive/tar/entry.ts';
import { invalid } from '../../base/errors.ts';
import { Turns } from '../../base/turns.ts';
import { globMatches } from '../../base/text/glob.ts';
import { PackReader } from '../context/pack.ts';
import { type ContextEntry, type ContextTree, impliedDirectory } from '../context/tree.ts';
import { cleanPath } from '../ignore/clean-path.ts';
import { PathMatcher } from '../ignore/matcher.ts';
import { MissingFile } from './missing-file.ts';
import { bytesOf, type CopiedMember, type CopiedSource, type FileTime, isPattern, textOf } from './source.ts';

/** As many symbolic links as Linux follows. */
const mostLinks = 40;

/** What of a source is taken. */
export interface Selection {
  readonly excludes?: readonly string[] | undefined;
  /** `--parents`: only what these patterns match, and the folders on the way. */
  readonly include?: readonly string[] | undefined;
  /** Paths that must be there. */
  readonly required?: readonly string[] | undefined;
  /** The path is meant as it is: nothing in it is a pattern. */
  readonly isExact?: boolean | undefined;
}

/** A selection out of a context, and what it holds as a digest: equal ones make equal layers. */
export interface ContextSelection {
  readonly sources: readonly CopiedSource[];
  /** SHA-256 of names, kinds, modes and contents; times do not count. */
  readonly digest: string;
}

/**
 * What a COPY takes out of a context. Links are followed inside the context where they are named, and copied as links below
 * that. @throws EngineError `not-found` for a path that is not there; a pattern may stand for nothing
 */
export async function selectFromContext(
  tree: ContextTree,
  pattern: string,
  selection: Selection,
): Promise<ContextSelection> {
  const known = selections.get(tree) ?? new Map<string, ContextSelection>();
  const key = JSON.stringify([pattern, selection]);
  const selected = known.get(key) ?? (await select(tree, pattern, selection));
  if (known.size < mostSelections) known.set(key, selected);
  selections.set(tree, known);
  return selected;
}

/** A folder in which nothing has changed is the same tree in the next build: nothing of it is hashed again. */
const selections = new WeakMap<ContextTree, Map<string, ContextSelection>>();
/** Of one tree. */
const mostSelections = 32;

async function select(tree: ContextTree, pattern: string, selection: Selection): Promise<ContextSelection> {
  const { excludes = [], include, required = [], isExact = false } = selection;
  const matcher = excludes.length === 0 ? undefined : new PathMatcher([...excludes]);
  for (const path of required) {
    if (followed(tree, bytesOf(relativePath(path))) === undefined) throw new MissingFile(path);
  }
  const hash = new TextHash();
  const exact = bytesOf(pattern.slice(1));
  const chosen = isExact ? [{ named: exact, path: exact }] : chosenIn(tree, relativePath(pattern));
  const entriesAt = (path: ByteString): Found[] => {
    const all = subtree(tree, path).filter(
      ({ path: relative }) => relative === '' || matcher?.matches(textOf(relative)) !== true,
    );
    return include === undefined ? all : included(all, include);
  };
  const turns = new Turns();
  const sources: CopiedSource[] = [];
  for (const { named, path } of chosen) {
    const entries = entriesAt(path);
    const isDirectory = entries[0]?.entry.type === 'directory';
    const name = named.slice(named.lastIndexOf('/') + 1);
    hash.add(JSON.stringify([isDirectory ? '' : name]));
    for (const { path: relative, entry } of entries) {
      if (hash.add(digestible(relative, entry)) && turns.isOver) await turns.next();
    }
    const { mtimeNs = 0n } = entries[0]?.entry ?? {};
    const changed = !isDirectory || mtimeNs === 0n ? {} : { changed: timeOf(mtimeNs) };
    sources.push({ name, isDirectory, ...changed, members: () => membersOf(entriesAt(path)) });
  }
  return { sources, digest: hash.digest() };
}

/** SHA-256 of texts in UTF-8, many of them at once. */
class TextHash {
  readonly #hash = createHash('sha256');
  #text = '';

  /** True now and then, when much was hashed. */
  add(text: string): boolean {
    this.#text += text;
    if (this.#text.length < longestText) return false;
    this.#flush();
    return true;
  }

  digest(): string {
    this.#flush();
    return this.#hash.digest('hex');
  }

  #flush(): void {
    this.#hash.update(this.#text);
    this.#text = '';
  }
}

const longestText = 64 << 10;

/** The paths in a folder of a tree. */
export function pathsIn({ entries }: ContextTree, folder: string): string[] {
  const prefix = folder === '' ? '' : `${bytesOf(folder)}/`;
  const isIn = (path: ByteString): boolean => path.startsWith(prefix) && !path.includes('/', prefix.length);
  return entries.keys().filter(isIn).map(textOf).toArray();
}

/** A path of COPY relative to what it is copied from; `..` leads nowhere above it. */
export function relativePath(pattern: string): string {
  const cleaned = cleanPath(`/${pattern}`).slice(1);
  return cleaned === '' ? '.' : cleaned;
}

/** A member, and the path by which it was chosen: a link gives the copy its own name. */
interface Chosen {
  readonly named: ByteString;
  readonly path: ByteString;
}

function chosenIn(tree: ContextTree, pattern: string): Chosen[] {
  if (pattern === '.') return [{ named: '', path: '' }];
  if (!isPattern(pattern)) {
    const named = bytesOf(pattern.replaceAll(/\\(.)/g, '$1'));
    const found = followed(tree, named);
    if (found === undefined) throw new MissingFile(`/${pattern}`);
    return [{ named, path: found }];
  }
  if (globMatches(pattern, '') === undefined) throw invalid(`syntax error in pattern ${JSON.stringify(pattern)}`);
  const chosen: Chosen[] = [];
  for (const named of tree.entries.keys()) {
    if (globMatches(pattern, textOf(named)) === true) chosen.push({ named, path: followed(tree, named) ?? named });
  }
  return chosen;
}

/** The member that a path means, links followed inside the context; undefined when there is none. */
function followed(tree: ContextTree, path: ByteString): ByteString | undefined {
  const left = path.split('/').reverse();
  const parts: ByteString[] = [];
  let links = 0;
  for (let part = left.pop(); part !== undefined; part = left.pop()) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      parts.pop();
      continue;
    }
    parts.push(part);
    const entry = tree.entries.get(parts.join('/'));
    if (entry === undefined) return undefined;
    if (entry.type !== 'symlink') continue;
    if (++links > mostLinks) throw invalid(`${JSON.stringify(textOf(path))}: too many levels of symbolic links`);
    if (entry.linkName.startsWith('/')) parts.length = 0;
    else parts.pop();
    left.push(...entry.linkName.split('/').reverse());
  }
  return parts.join('/');
}

interface Found {
  /** Below what was selected. */
  readonly path: ByteString;
  readonly entry: ContextEntry;
}

/** What patterns match, with all that is in it, and the folders on the way there. */
function included(entries: readonly Found[], patterns: readonly string[]): Found[] {
  const matcher = new PathMatcher([...patterns]);
  const wanted = new Set<ByteString>(['']);
  for (const { path } of entries) {
    if (path === '' || !matcher.matches(textOf(path))) continue;
    wanted.add(path);
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) wanted.add(path.slice(0, at));
  }
  return entries.filter(({ path }) => wanted.has(path));
}

const root: ContextEntry = { path: '', ...impliedDirectory };

function subtree(tree: ContextTree, path: ByteString): Found[] {
  const top = path === '' ? root : tree.entries.get(path);
  if (top === undefined) return [];
  const found: Found[] = [{ path: '', entry: top }];
  if (top.type !== 'directory') return found;
  const prefix = path === '' ? '' : `${path}/`;
  for (const entry of tree.entries.values()) {
    if (entry.path.startsWith(prefix)) found.push({ path: entry.path.slice(prefix.length), entry });
  }
  return found;
}

/** An array in JSON, which does not stand for two different members; written out, as lists of files are long. */
function digestible(path: ByteString, entry: ContextEntry): string {
  const { type, mode, linkName, major, minor, content } = entry;
  const kind = content === undefined ? type : 'file';
  const link = type === 'symlink' ? JSON.stringify(linkName) : '""';
  // The last one is for extended attributes, which once came along: old keys stay good.
  return `[${JSON.stringify(path)},"${kind}",${mode},${link},${major},${minor},"${content?.sha256 ?? ''}",[]]`;
}

async function* membersOf(entries: readonly Found[]): AsyncGenerator<CopiedMember> {
  const taken = new Map(entries.map(({ path, entry }) => [entry.path, path]));
  const reader = new PackReader();
  for (const { path, entry } of entries) {
    const linkPath = entry.type === 'hardlink' ? taken.get(entry.linkName) : undefined;
    // A hard link to something that is not copied is a file of its own.
    const type = entry.type === 'hardlink' && linkPath === undefined ? 'file' : entry.type;
    const size = type === 'file' ? (entry.content?.size ?? 0) : 0;
    yield {
      path,
      entry: tarEntry(entry, type, size),
      ...(linkPath === undefined ? {} : { linkPath }),
      ...(type === 'file' ? { body: reader.read(entry.content?.extents ?? []) } : {}),
    };
  }
}

/** In whole seconds. */
const timeOf = (mtimeNs: bigint): FileTime => ({ mtime: Number(mtimeNs / 1_000_000_000n), mtimeNsec: 0 });

/** Who a client's files belong to says nothing in an image: they are root's. */
const tarEntry = (entry: ContextEntry, type: TarEntry['type'], size: number): TarEntry => ({
  type,
  name: entry.path,
  linkName: type === 'symlink' ? entry.linkName : '',
  mode: entry.mode,
  uid: 0,
  gid: 0,
  size,
  ...timeOf(entry.mtimeNs),
  major: entry.major,
  minor: entry.minor,
});
