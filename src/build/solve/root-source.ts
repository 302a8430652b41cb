import { readTar } from '../../archive/tar/read.ts';
import { type ByteString, plainEntry, type TarEntry } from '../../archive/tar/entry.ts';
import { invalid, messageOf } from '../../base/errors.ts';
import { globMatches } from '../../base/text/glob.ts';
import type { FileStat, FileView } from '../../spec/contract/files.ts';
import { PathMatcher } from '../ignore/matcher.ts';
import { relativePath, type Selection } from './context-source.ts';
import { MissingFile } from './missing-file.ts';
import { bytesOf, type CopiedMember, type CopiedSource, type FileTime, isPattern, textOf } from './source.ts';

const kindBits = 0o170000;
const directoryBits = 0o040000;
const linkBits = 0o120000;

export const isDirectory = ({ mode }: FileStat): boolean => (mode & kindBits) === directoryBits;
const isLink = ({ mode }: FileStat): boolean => (mode & kindBits) === linkBits;

export const timeOf = ({ mtimeNs }: FileStat): FileTime => ({
  mtime: Number(mtimeNs / 1_000_000_000n),
  mtimeNsec: Number(mtimeNs % 1_000_000_000n),
});

/** What is at a path of a root; undefined for nothing. */
export async function statOf(view: FileView, path: string): Promise<FileStat | undefined> {
  try {
    return await view.stat(path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as { code?: string }).code ?? '')) return undefined;
    throw error;
  }
}

/**
 * What a COPY takes out of another root. Links are followed inside that root where they are named.
 * @throws EngineError `not-found` for a path that is not there; a pattern may stand for nothing
 */
export async function selectFromRoot(
  view: FileView,
  pattern: string,
  { excludes = [], include, required = [] }: Selection,
): Promise<readonly CopiedSource[]> {
  const matcher = excludes.length === 0 ? undefined : new PathMatcher([...excludes]);
  for (const path of required) {
    if ((await statOf(view, path)) === undefined) throw new MissingFile(path);
  }
  const cleaned = relativePath(pattern);
  const paths = isPattern(cleaned)
    ? await matching(view, cleaned)
    : [cleaned === '.' ? '' : cleaned.replaceAll(/\\(.)/g, '$1')];
  const sources: CopiedSource[] = [];
  for (const path of paths) {
    const stat = await statOf(view, `/${path}`);
    if (stat === undefined) throw new MissingFile(`/${path}`);
    const target = isLink(stat) ? stat.linkTarget : `/${path}`;
    const real = isLink(stat) ? await statOf(view, target) : stat;
    if (real === undefined) throw new MissingFile(`/${path}`);
    const name = bytesOf(path.slice(path.lastIndexOf('/') + 1));
    const changed = isDirectory(real) ? { changed: timeOf(real) } : {};
    const all = (): AsyncGenerator<CopiedMember> => members(view, target, matcher);
    const some = (patterns: readonly string[]) => onTheWay(view, target, patterns, matcher);
    const taken = () => (include === undefined ? all() : some(include));
    sources.push({ name, isDirectory: isDirectory(real), ...changed, members: taken });
  }
  return sources;
}

/** The paths in a folder of a root. */
export async function pathsInRoot(view: FileView, folder: string): Promise<string[]> {
  const { directories, others } = await view.list(await view.directory(`/${folder}`));
  return [...directories, ...others].map((name) => `${folder === '' ? '' : `${folder}/`}${textOf(name)}`);
}

/** The paths that a pattern stands for, by a look at all that is below its first components without a star. */
async function matching(view: FileView, pattern: string): Promise<string[]> {
  const parts = pattern.split('/');
  const fixed = parts.slice(0, parts.findIndex(isPattern)).join('/');
  const stat = await statOf(view, `/${fixed}/`);
  if (stat === undefined || !isDirectory(stat)) return [];
  const found: string[] = [];
  const prefix = fixed === '' ? '' : `${fixed}/`;
  const depth = parts.length;
  for await (const { entry } of readTar(view.pack(await view.directory(`/${fixed}`), '.'))) {
    const path = prefix + textOf(withoutDot(entry.name));
    const fits = globMatches(pattern, path);
    if (fits === undefined) throw invalid(`syntax error in pattern ${JSON.stringify(pattern)}`);
    if (fits && path.split('/').length === depth) found.push(path);
  }
  return found.sort();
}

/** Names of an archive that begins at `.`. */
function withoutDot(name: ByteString): ByteString {
  const path = name.startsWith('./') ? name.slice(2) : name === '.' ? '' : name;
  return path.endsWith('/') ? path.slice(0, -1) : path;
}

async function* members(view: FileView, path: string, matcher: PathMatcher | undefined): AsyncGenerator<CopiedMember> {
  let isFirst = true;
  const stat = await view.stat(path);
  const whole = isDirectory(stat) ? '.' : 'file';
  for await (const { entry, body } of readTar(view.pack(path, whole))) {
    const relative = isFirst ? '' : withoutDot(entry.name);
    isFirst = false;
    if (relative !== '' && matcher?.matches(textOf(relative)) === true) continue;
    yield {
      path: relative,
      entry,
      ...(entry.type === 'hardlink' ? { linkPath: withoutDot(entry.linkName) } : {}),
      ...(entry.type === 'file' ? { body } : {}),
    };
  }
}

/**
 * `--parents`: what patterns match below a directory, with the directories on the way. Only what lies below a pattern's first
 * part with a star is looked through.
 */
async function* onTheWay(
  view: FileView,
  path: string,
  patterns: readonly string[],
  excluded: PathMatcher | undefined,
): AsyncGenerator<CopiedMember> {
  const told = new Set<ByteString>();
  const join = (base: string, part: string): string => (base === '' ? part : `${base}/${part}`);
  for (const pattern of patterns) {
    const parts = pattern.split('/');
    const first = parts.findIndex(isPattern);
    const fixed = first < 0 ? parts : parts.slice(0, first);
    const matcher = new PathMatcher([pattern]);
    let pending: CopiedMember[] = [];
    let base = '';
    let stat: FileStat | undefined;
    for (const part of fixed) {
      if (base !== '' && stat !== undefined) pending.push({ path: bytesOf(base), entry: directoryEntry(stat) });
      base = join(base, part);
      stat = await statOf(view, `${path === '/' ? '' : path}/${base}`);
      if (stat === undefined) break;
    }
    if (base !== '' && stat === undefined) continue;
    for await (const member of members(view, base === '' ? path : `${path === '/' ? '' : path}/${base}`, undefined)) {
      const relative = join(base, textOf(member.path));
      const own = relative.endsWith('/') ? relative.slice(0, -1) : relative;
      if (own === '' || excluded?.matches(own) === true) continue;
      const placed = { ...member, path: bytesOf(own), ...prefixedLink(member, base) };
      pending = pending.filter(({ path: above }) => placed.path.startsWith(`${above}/`));
      if (!matcher.matches(own)) {
        if (member.entry.type === 'directory') pending.push(placed);
        continue;
      }
      for (const above of pending) if (!told.has(above.path)) yield above;
      for (const above of pending) told.add(above.path);
      if (!told.has(placed.path)) yield placed;
      told.add(placed.path);
    }
  }
}

const prefixedLink = ({ linkPath }: CopiedMember, base: string): { linkPath?: ByteString } =>
  linkPath === undefined ? {} : { linkPath: base === '' ? linkPath : `${bytesOf(base)}/${linkPath}` };

const directoryEntry = ({ mode, uid, gid, mtimeNs }: FileStat): TarEntry => ({
  ...plainEntry('directory', '', { size: 0, mode: mode & 0o7777 }),
  uid,
  gid,
  mtime: Number(mtimeNs / 1_000_000_000n),
});

/** A small file of a root; undefined when there is none. @throws invalid when it is larger */
export async function readSmall(view: FileView, path: string, limit: number): Promise<Buffer | undefined> {
  const stat = await statOf(view, path);
  if (stat === undefined) return undefined;
  const target = isLink(stat) ? stat.linkTarget : path;
  try {
    for await (const { entry, body } of readTar(view.pack(target, 'file'))) {
      if (entry.size > limit) throw invalid(`${path} is larger than ${limit} bytes`);
      const parts: Uint8Array[] = [];
      for await (const part of body) parts.push(Buffer.from(part));
      return Buffer.concat(parts);
    }
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOENT')
      throw invalid(`cannot read ${path}: ${messageOf(error)}`, error);
  }
  return undefined;
}
