import { type EngineError, invalid } from '../../base/errors.ts';
import { Turns } from '../../base/turns.ts';
import { type ByteString, quoteName, type TarEntryType } from '../../archive/tar/entry.ts';
import { type Extent, type Pack, tooLarge } from './pack.ts';

/** The content of a regular file: where it is, and the SHA-256 of it. */
export interface FileContent {
  readonly size: number;
  readonly extents: readonly Extent[];
  /** 32 bytes in hex. */
  readonly sha256: string;
}

/** One member of a context. Its extended attributes say something on its own host alone: no builder of Docker's puts them into images. */
export interface ContextEntry {
  /** Without a slash at either end; components are neither empty nor `.` or `..`. */
  readonly path: ByteString;
  readonly type: TarEntryType;
  /** Permission bits, set-id and sticky bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  /** Of a symlink, as it is; of a hard link, the path of the member that it is another name of. */
  readonly linkName: ByteString;
  readonly major: number;
  readonly minor: number;
  /** What the client told; the content may have another one, when the file changed while it was sent. */
  readonly size: number;
  /** Of files, and of hard links to them. */
  readonly content?: FileContent;
}

/** A directory of a context that nobody describes: its root, and what only the names of others imply. */
export const impliedDirectory: Omit<ContextEntry, 'path'> = {
  type: 'directory',
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtimeNs: 0n,
  linkName: '',
  major: 0,
  minor: 0,
  size: 0,
};

/** How a client told of its files: a list of the same messages means the same files. */
export interface Listing {
  /** One behind the other. */
  readonly messages: Uint8Array;
  /** Where each message ends. */
  readonly ends: Float64Array;
  /** What each message means; undefined where that is nothing. */
  readonly members: readonly (ContextEntry | undefined)[];
}

/**
 * The files that a client sent, as values: nothing of it is ever made on the host's file system. It does not change any
 * more. `release` must be called by each who holds it.
 */
export interface ContextTree {
  /** By path, parents before what is in them, names in byte order. */
  readonly entries: ReadonlyMap<ByteString, ContextEntry>;
  readonly packs: ReadonlySet<Pack>;
  readonly listing?: Listing;
}

export function holdTree({ packs }: ContextTree): void {
  for (const pack of packs) pack.hold();
}

export async function releaseTree({ packs }: ContextTree): Promise<void> {
  for (const pack of packs) await pack.release();
}

/** The same order for members that came in another one: a slash sorts before everything else. */
const orderKey = (path: ByteString): string => path.replaceAll('/', '\0');

/** Parents before what is in them, names in byte order. */
export const inOrder = (entries: Iterable<ContextEntry>): ContextEntry[] => sorted([...entries].map(keyed)).map(bare);

interface Keyed {
  readonly key: ByteString;
  readonly entry: ContextEntry;
}
const keyed = (entry: ContextEntry): Keyed => ({ key: orderKey(entry.path), entry });
const bare = ({ entry }: Keyed): ContextEntry => entry;
const sorted = (run: Keyed[]): Keyed[] => run.sort((a, b) => (a.key < b.key ? -1 : 1));

/** Sorted at once: a few milliseconds. */
const runLength = 4096;

/** The same for very many: others have the event loop meanwhile. Sorts runs and merges them, two and two. */
export async function inOrderByTurns(entries: readonly ContextEntry[]): Promise<ContextEntry[]> {
  const turns = new Turns();
  let runs: Keyed[][] = [];
  for (let at = 0; at < entries.length; at += runLength) {
    runs.push(sorted(entries.slice(at, at + runLength).map(keyed)));
    if (turns.isOver) await turns.next();
  }
  while (runs.length > 1) {
    const merged: Keyed[][] = [];
    for (let at = 0; at < runs.length; at += 2) merged.push(await merge(runs[at] ?? [], runs[at + 1] ?? [], turns));
    runs = merged;
  }
  return (runs[0] ?? []).map(bare);
}

async function merge(left: readonly Keyed[], right: readonly Keyed[], turns: Turns): Promise<Keyed[]> {
  const merged: Keyed[] = [];
  for (let l = 0, r = 0; ; ) {
    const [a, b] = [left[l], right[r]];
    if (a === undefined && b === undefined) return merged;
    const takesLeft = b === undefined || (a !== undefined && a.key < b.key);
    merged.push((takesLeft ? a : b) as Keyed);
    if (takesLeft) l++;
    else r++;
    if (merged.length % runLength === 0 && turns.isOver) await turns.next();
  }
}

/**
 * One tree of several, each below a path, later ones over earlier ones; directories on the way are made. The caller holds it;
 * the parts stay their holders'.
 */
export function joinTrees(parts: readonly { readonly tree: ContextTree; readonly at: ByteString }[]): ContextTree {
  const entries = new Map<ByteString, ContextEntry>();
  const packs = new Set<Pack>();
  for (const { tree, at } of parts) {
    for (let slash = at.indexOf('/'); at !== '' && slash !== 0; slash = at.indexOf('/', slash + 1)) {
      const path = slash < 0 ? at : at.slice(0, slash);
      if (entries.get(path)?.type !== 'directory') entries.set(path, { ...impliedDirectory, path });
      if (slash < 0) break;
    }
    const prefix = at === '' ? '' : `${at}/`;
    for (const entry of tree.entries.values()) {
      const path = prefix + entry.path;
      const linkName = entry.type === 'hardlink' ? prefix + entry.linkName : entry.linkName;
      entries.set(path, prefix === '' ? entry : { ...entry, path, linkName });
    }
    for (const pack of tree.packs) packs.add(pack);
  }
  const joined = { entries: new Map(inOrder(entries.values()).map((entry) => [entry.path, entry])), packs };
  holdTree(joined);
  return joined;
}

/** Linux allows names of 255 and paths of 4,095 bytes. */
const longestComponent = 255;
const longestPath = 4095;
/** Members of one context. */
const mostEntries = 1_000_000;

const tooMany = (): EngineError => invalid(`the build context has more than ${mostEntries} files`);

/** @throws EngineError `invalid` for more members than a context may have */
export function checkCount(count: number): void {
  if (count > mostEntries) throw tooMany();
}

/** Collects members in the order in which they come, and refuses what no file system could hold. */
export class TreeBuilder {
  readonly #entries = new Map<ByteString, ContextEntry>();
  readonly #mostBytes: number;
  #bytes = 0;

  /** @param mostBytes of all its files */
  constructor(mostBytes = Number.POSITIVE_INFINITY) {
    this.#mostBytes = mostBytes;
  }

  /**
   * `isKnown`: it was in a tree before. @throws EngineError `invalid` for a path that leads elsewhere, comes twice, or lies in
   * something that is no directory, and for a hard link to nothing.
   */
  add(entry: ContextEntry, isKnown = false): void {
    const { path } = entry;
    if (!isKnown) checkPath(path);
    if (this.#entries.size >= mostEntries) throw tooMany();
    if (entry.type === 'file') this.#bytes += entry.size;
    if (this.#bytes > this.#mostBytes) throw tooLarge(this.#mostBytes);
    if (this.#entries.has(path)) throw invalid(`the build context has ${quoteName(path)} twice`);
    const slash = path.lastIndexOf('/');
    if (slash >= 0 && this.#entries.get(path.slice(0, slash))?.type !== 'directory') {
      throw invalid(`the build context has ${quoteName(path)}, but not the directory that it is in`);
    }
    this.#entries.set(path, entry);
  }

  get(path: ByteString): ContextEntry | undefined {
    return this.#entries.get(path);
  }

  /** Replaces a member by itself with its content. */
  fill(path: ByteString, content: FileContent): void {
    const entry = this.#entries.get(path);
    if (entry !== undefined) this.#entries.set(path, { ...entry, content });
  }

  get size(): number {
    return this.#entries.size;
  }

  entries(): IterableIterator<ContextEntry> {
    return this.#entries.values();
  }

  /** What was collected, when every content is there. @throws EngineError `invalid` for a hard link to nothing */
  finish(): ReadonlyMap<ByteString, ContextEntry> {
    for (const entry of this.#entries.values()) {
      if (entry.type !== 'hardlink') continue;
      const target = this.#entries.get(entry.linkName);
      if (target?.content === undefined) {
        throw invalid(
          `the build context has a hard link ${quoteName(entry.path)} to ${quoteName(entry.linkName)}, which is no file of it`,
        );
      }
      if (target.content !== entry.content) this.#entries.set(entry.path, { ...entry, content: target.content });
    }
    return this.#entries;
  }
}

function checkPath(path: ByteString): void {
  if (path === '' || path.length > longestPath || path.includes('\0')) {
    throw invalid(`the build context has a file with the impossible name ${quoteName(path)}`);
  }
  for (const component of path.split('/')) {
    if (component === '' || component === '.' || component === '..' || component.length > longestComponent) {
      throw invalid(`the build context has a file with the impossible name ${quoteName(path)}`);
    }
  }
}
