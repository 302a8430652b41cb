import type { ContextEntry, Listing } from '../context/tree.ts';

/** Longer lists (of some 200,000 files) are read anew each time. */
const mostBytes = 16 << 20;

/** Keeps how a client tells of its files: the messages, one behind the other, and what each of them means. */
export class ListingBuilder {
  #messages = Buffer.alloc(0);
  #length = 0;
  #ends: number[] = [];
  #paths: (string | undefined)[] = [];
  #isTooLong = false;

  /** `path` of the member, undefined for something that is none. */
  add(message: Uint8Array, path: string | undefined): void {
    const length = this.#length + message.length;
    if (this.#isTooLong || length > mostBytes) return this.#giveUp();
    if (length > this.#messages.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(4096, 2 * length));
      grown.set(this.#messages.subarray(0, this.#length));
      this.#messages = grown;
    }
    this.#messages.set(message, this.#length);
    this.#length = length;
    this.#ends.push(length);
    this.#paths.push(path);
  }

  /** Begins with the first messages of another one. */
  begin({ messages, ends, members }: Listing, count: number): void {
    this.#length = ends[count - 1] ?? 0;
    this.#messages = Buffer.from(messages.subarray(0, this.#length));
    this.#ends = [...ends.subarray(0, count)];
    this.#paths = members.slice(0, count).map((member) => member?.path);
  }

  /** Undefined for one that is too long. */
  finish(entries: ReadonlyMap<string, ContextEntry>): Listing | undefined {
    if (this.#isTooLong) return undefined;
    const members = this.#paths.map((path) => (path === undefined ? undefined : entries.get(path)));
    return {
      messages: Buffer.from(this.#messages.subarray(0, this.#length)),
      ends: Float64Array.from(this.#ends),
      members,
    };
  }

  #giveUp(): void {
    this.#isTooLong = true;
    this.#messages = Buffer.alloc(0);
    this.#ends = [];
    this.#paths = [];
  }
}

/** Compares a list with the one before, message by message. */
export class ListingReader {
  readonly #listing: Listing;
  readonly #messages: Buffer;
  #at = 0;
  #places: ReadonlyMap<string, number> | undefined;

  constructor(listing: Listing) {
    this.#listing = listing;
    this.#messages = Buffer.from(listing.messages.buffer, listing.messages.byteOffset, listing.messages.byteLength);
  }

  get atEnd(): boolean {
    return this.#at === this.#listing.ends.length;
  }

  /** Whether the next message of the other list is this one; then `member` is what that means, and the one after it is the next. */
  isNext(message: Uint8Array): boolean {
    const { ends } = this.#listing;
    const end = ends[this.#at];
    if (end === undefined) return false;
    const start = ends[this.#at - 1] ?? 0;
    if (end - start !== message.length) return false;
    if (this.#messages.compare(message, 0, message.length, start, end) !== 0) return false;
    this.#at++;
    return true;
  }

  /** What the message before the next one means. */
  get member(): ContextEntry | undefined {
    return this.#listing.members[this.#at - 1];
  }

  /** The message before the next one is the next one again. */
  stepBack(): void {
    this.#at--;
  }

  /** Goes on behind a member of the other list, when it is there. */
  goBehind(path: string): void {
    this.#places ??= new Map(this.#listing.members.map((member, at) => [member?.path ?? '', at]));
    const at = this.#places.get(path);
    if (at !== undefined) this.#at = at + 1;
  }
}
