import { parseIgnoreFile } from '../../../build/ignore/ignore-file.ts';
import { type FolderMatches, PathMatcher } from '../../../build/ignore/matcher.ts';

let loaded: typeof import('node:fs') | undefined;
/** Loaded with the first folder. */
export const fs = (): typeof import('node:fs') => (loaded ??= process.getBuiltinModule('node:fs'));

/** The bytes of a path, one char each. */
export type BytePath = string;

/** A path as node:fs takes it: bytes that are no ASCII would be encoded a second time. */
export const nativePath = (path: BytePath): string | Buffer => (isAscii(path) ? path : Buffer.from(path, 'latin1'));
/** As text, for patterns and people. */
export const pathText = (path: BytePath): string =>
  isAscii(path) ? path : Buffer.from(path, 'latin1').toString('utf8');
export const pathBytes = (text: string): BytePath => (isAscii(text) ? text : Buffer.from(text).toString('latin1'));

// oxlint-disable-next-line no-control-regex
const isAscii = (text: string): boolean => /^[\0-\x7f]*$/.test(text);

export interface FolderEntry {
  /** Below the folder, without a slash at either end. */
  readonly path: BytePath;
  readonly stat: import('node:fs').BigIntStats;
  /** Of a symbolic link. */
  readonly target: BytePath;
}

export interface FolderFilter {
  /** What is wanted: all when there are no patterns. */
  readonly include: PathMatcher | undefined;
  /** Whether something below a folder may be wanted. */
  readonly mayHave: (folder: string) => boolean;
  readonly exclude: PathMatcher | undefined;
  /** Whether something below a folder that is left out may be taken back in. */
  readonly mayReturn: (folder: string) => boolean;
  /** Ignore files of folders inside count, too, each for what is in its folder. */
  readonly nestedIgnore?: boolean;
  /** Told of what stays out, when it is told of at all: a folder stands for all that is in it. */
  readonly onExcluded?: (path: BytePath) => void;
}

/** An ignore file of a folder inside, and what it said of the folder that is listed. */
interface NestedIgnore {
  readonly base: string;
  readonly matcher: PathMatcher;
  readonly matches: FolderMatches | undefined;
}

interface Level {
  readonly path: BytePath;
  readonly include: readonly boolean[] | undefined;
  readonly exclude: readonly boolean[] | undefined;
  readonly nested: readonly NestedIgnore[];
  /** Not told of yet: it is when something in it is. */
  pending: FolderEntry | undefined;
  /** It was told of, with all above it. */
  isTold: boolean;
  readonly above: Level | undefined;
}

/**
 * What is in a folder of this machine and is wanted: parents before what is in them, names in byte order. Folders on the
 * way to what is wanted are there too. Links are not followed. @throws the error of the system, with the path
 */
export function* listFolder(root: string, filter: FolderFilter): Generator<FolderEntry> {
  yield* listLevel(pathBytes(root), filter, {
    path: '',
    include: [],
    exclude: [],
    nested: [],
    pending: undefined,
    isTold: true,
    above: undefined,
  });
}

function* listLevel(root: BytePath, filter: FolderFilter, level: Level): Generator<FolderEntry> {
  const folder = level.path === '' ? root : `${root}/${level.path}`;
  // Byte strings sort as their bytes do.
  const names = (fs().readdirSync(nativePath(folder), { encoding: 'latin1' }) as string[]).sort();
  const nested = [...level.nested, ...ownIgnore(folder, names, level.path, filter)];
  for (const name of names) {
    const path = level.path === '' ? name : `${level.path}/${name}`;
    const found = entryOf(root, path);
    if (found === undefined) continue;
    const isFolder = found.stat.isDirectory();
    const text = pathText(path);
    const include = filter.include?.enter(text, level.path === '' ? undefined : level.include);
    const exclude = filter.exclude?.enter(text, level.path === '' ? undefined : level.exclude);
    const inside = nested.map((one) => ({
      ...one,
      ...one.matcher.enter(text.slice(one.base.length + 1), one.matches),
    }));
    const isOut = inside.some(({ isMatch }) => isMatch);
    const isExcluded = exclude?.isMatch === true || isOut;
    const isWanted = include?.isMatch !== false && !isExcluded;
    if (isExcluded) filter.onExcluded?.(path);
    if (isWanted && !level.isTold) yield* flushed(level);
    if (isWanted) yield found;
    if (!isFolder) continue;
    if (exclude?.isMatch === true && !filter.mayReturn(text)) continue;
    if (inside.some(({ isMatch, matcher }) => isMatch && !matcher.hasExceptions)) continue;
    if (include?.isMatch === false && !filter.mayHave(text)) continue;
    yield* listLevel(root, filter, {
      path,
      include: include?.matches,
      exclude: exclude?.matches,
      nested: inside,
      pending: isWanted ? undefined : found,
      isTold: isWanted,
      above: level,
    });
  }
}

/** That of a folder below the context's root; the root's own is the engine's business. */
function ownIgnore(
  folder: BytePath,
  names: readonly string[],
  path: BytePath,
  { nestedIgnore = false }: FolderFilter,
): NestedIgnore[] {
  if (!nestedIgnore || path === '' || !names.includes(ignoreFile)) return [];
  const text = fs().readFileSync(nativePath(`${folder}/${ignoreFile}`), 'utf8');
  return [{ base: pathText(path), matcher: new PathMatcher(parseIgnoreFile(text)), matches: undefined }];
}

const ignoreFile = '.dockerignore';

/** The folders that something is in which is told of now. */
function* flushed(level: Level): Generator<FolderEntry> {
  if (level.above !== undefined) yield* flushed(level.above);
  const { pending } = level;
  level.pending = undefined;
  level.isTold = true;
  if (pending !== undefined) yield pending;
}

/** Undefined for what went away meanwhile, and for sockets: they mean nothing without the process behind them. */
export function entryOf(root: BytePath, path: BytePath): FolderEntry | undefined {
  const native = nativePath(`${root}/${path}`);
  try {
    const stat = fs().lstatSync(native, { bigint: true });
    if (stat.isSocket()) return undefined;
    const target = stat.isSymbolicLink() ? fs().readlinkSync(native, { encoding: 'latin1' }) : '';
    return { path, stat, target };
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
    throw error;
  }
}
