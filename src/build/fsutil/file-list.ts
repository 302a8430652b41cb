import { type ContextEntry, type ContextTree, type FileContent, TreeBuilder } from '../context/tree.ts';
import type { Pack } from '../context/pack.ts';
import type { Message } from '../wire/message.ts';
import type { packet } from '../wire/session.ts';
import { ListingBuilder, ListingReader } from './listing.ts';
import { permissionsOfGoMode, typeOfGoMode } from './modes.ts';

type Stat = NonNullable<Message<typeof packet>['stat']>;

/**
 * The files that a client lists. Most are those of the build before: as long as the messages are the same nothing is made of
 * them, and after the first other one the members of that build are taken over as they are.
 */
export class FileList {
  readonly #before: ContextTree | undefined;
  readonly #reader: ListingReader | undefined;
  readonly #builder: TreeBuilder;
  readonly #listing = new ListingBuilder();
  /** Files so far; their places are their ids. */
  #count = 0;
  /** The list is the one before, so far or to its end, and nothing was built of it. */
  #isSame: boolean;

  /** @param mostBytes of all files */
  constructor(before: ContextTree | undefined, mostBytes: number) {
    this.#builder = new TreeBuilder(mostBytes);
    this.#before = before;
    this.#reader = before?.listing === undefined ? undefined : new ListingReader(before.listing);
    this.#isSame = this.#reader !== undefined;
  }

  /** True for a message that the list before had at this place, if what it means is there; it needs no other treatment then. */
  takeUnchanged(message: Uint8Array): boolean {
    const reader = this.#reader;
    if (reader?.isNext(message) !== true) return false;
    const { member } = reader;
    if (member?.type === 'file' && member.content?.size !== member.size) {
      reader.stepBack();
      return false;
    }
    this.#count++;
    if (!this.#isSame) this.#keep(message, member);
    return true;
  }

  /** Takes a file that is new or has changed; gives its id when its content is wanted. @throws EngineError `invalid` */
  take(stat: Stat, message: Uint8Array): { readonly id: number; readonly path: string } | undefined {
    this.#differs();
    const id = this.#count++;
    const entry = entryOf(stat);
    this.#reader?.goBehind(stat.path);
    if (entry === undefined) {
      this.#listing.add(message, undefined);
      return undefined;
    }
    const known = entry.type === 'file' ? this.#known(entry) : undefined;
    this.#builder.add(known === undefined ? entry : { ...entry, content: known });
    this.#listing.add(message, entry.path);
    return entry.type === 'file' && known === undefined ? { id, path: entry.path } : undefined;
  }

  /** There are no more files. */
  end(): void {
    if (this.#reader?.atEnd !== true) this.#differs();
  }

  fill(path: string, content: FileContent): void {
    this.#builder.fill(path, content);
  }

  /** When every content is there. @throws EngineError `invalid` for a hard link to nothing */
  finish(): ContextTree {
    if (this.#isSame && this.#before !== undefined) return this.#before;
    const entries = this.#builder.finish();
    const packs = new Set<Pack>();
    for (const { content } of entries.values()) for (const { pack } of content?.extents ?? []) packs.add(pack);
    const listing = this.#listing.finish(entries);
    return { entries, packs, ...(listing === undefined ? {} : { listing }) };
  }

  /** From here on the list is another one than before: what was passed by is made up for. */
  #differs(): void {
    const listing = this.#before?.listing;
    if (!this.#isSame || listing === undefined) return;
    this.#isSame = false;
    this.#listing.begin(listing, this.#count);
    for (const member of listing.members.slice(0, this.#count))
      if (member !== undefined) this.#builder.add(member, true);
  }

  #keep(message: Uint8Array, member: ContextEntry | undefined): void {
    if (member !== undefined) this.#builder.add(member, true);
    this.#listing.add(message, member?.path);
  }

  /** What an earlier build got of a file that looks the same. */
  #known(entry: ContextEntry): FileContent | undefined {
    const before = this.#before?.entries.get(entry.path);
    const isSame =
      before?.type === 'file' &&
      before.size === entry.size &&
      before.content?.size === entry.size &&
      before.mtimeNs === entry.mtimeNs &&
      before.mode === entry.mode;
    return isSame ? before.content : undefined;
  }
}

/** Undefined for sockets: they mean nothing to anybody but the process behind them. */
function entryOf(stat: Stat): ContextEntry | undefined {
  const kind = typeOfGoMode(stat.mode);
  if (kind === undefined) return undefined;
  const isLink = kind === 'file' && stat.linkname !== '';
  return {
    path: stat.path,
    type: isLink ? 'hardlink' : kind,
    mode: permissionsOfGoMode(stat.mode),
    uid: stat.uid,
    gid: stat.gid,
    mtimeNs: stat.modTime,
    linkName: stat.linkname,
    major: stat.devmajor,
    minor: stat.devminor,
    size: kind === 'file' ? stat.size : 0,
  };
}
