/**
 * GNU's sparse members: the archive holds only the parts of a file that are not zero, and a map of where they belong.
 * Formats as in the GNU tar manual, "Storing Sparse Files": the old one in binary headers, PAX 0.0 and 0.1 with the map
 * in records, PAX 1.0 with the map in front of the content.
 */
import { EngineError } from '../../base/errors.ts';
import { blockSize, readNumber } from './_header.ts';
import type { PaxSparse } from './_pax.ts';
import { type ByteString, quoteName } from './entry.ts';

/** A part of the file that is in the archive. */
interface Fragment {
  readonly offset: number;
  readonly length: number;
}

/** How a member's content becomes a file of `size` bytes: the fragments in their order, zeros between them. */
export interface SparseLayout {
  readonly size: number;
  readonly fragments: readonly Fragment[];
}

/** Reads a map that comes in blocks of 512 bytes; `stored` is what then follows of the member. */
export interface SparseMap {
  readonly stored: number;
  /** One more block; the layout when it was the last. @throws EngineError `corrupt`. */
  add(block: Buffer): SparseLayout | undefined;
}

const broken = (name: ByteString, why: string): EngineError =>
  new EngineError('corrupt', `tar: the sparse file ${quoteName(name)} ${why}`);

function checked(name: ByteString, size: number, fragments: readonly Fragment[]): SparseLayout {
  if (!Number.isSafeInteger(size) || size < 0) throw broken(name, 'has no size');
  let end = 0;
  for (const { offset, length } of fragments) {
    if (!(offset >= end && length >= 0 && offset + length <= size)) throw broken(name, 'has a wrong map');
    end = offset + length;
  }
  return { size, fragments };
}

/** Most bytes of a map: 1 MiB of text, as of any other header. */
const mostMapBytes = 1 << 20;
/** In the header itself, and in each block that continues it: where the pairs begin, how many, and where more is told. */
const inHeader = { from: 386, pairs: 4, moreAt: 482, sizeAt: 483 } as const;
const inBlock = { from: 0, pairs: 21, moreAt: 504 } as const;
const numberBytes = 12;

/** The map of the old format; `header` is the member's own block. Undefined layout: blocks of it follow. */
export function gnuMap(
  header: Buffer,
  { name, size }: { readonly name: ByteString; readonly size: number },
): { readonly map: SparseMap; readonly layout: SparseLayout | undefined } {
  const fragments: Fragment[] = [];
  const whole = readNumber(header, inHeader.sizeAt, numberBytes) ?? -1;
  let bytes = 0;
  const take = (block: Buffer, place: typeof inHeader | typeof inBlock): SparseLayout | undefined => {
    for (let pair = 0; pair < place.pairs; pair++) {
      const at = place.from + pair * 2 * numberBytes;
      if (block[at] === 0) break;
      const offset = readNumber(block, at, numberBytes) ?? -1;
      fragments.push({ offset, length: readNumber(block, at + numberBytes, numberBytes) ?? -1 });
    }
    bytes += blockSize;
    if (bytes > mostMapBytes) throw broken(name, 'has a map that is too long');
    return block[place.moreAt] === 0 ? checked(name, whole, fragments) : undefined;
  };
  return { layout: take(header, inHeader), map: { stored: size, add: (block) => take(block, inBlock) } };
}

/** The layout of PAX 0.0 and 0.1, whose map is in the records. */
export function paxLayout(name: ByteString, { map, size, blocks }: PaxSparse): SparseLayout {
  const numbers = map.length === 0 ? [] : map.map((text) => decimal(name, text));
  const pairs = numbers.length / 2;
  if (!Number.isInteger(pairs) || (blocks !== undefined && decimal(name, blocks) !== pairs)) {
    throw broken(name, 'has a wrong map');
  }
  return checked(name, decimal(name, size ?? ''), pairsOf(numbers));
}

/** The map of PAX 1.0: decimal lines, first how many pairs there are, filled up to whole blocks; part of the content. */
export function paxMap(name: ByteString, size: string | undefined, stored: number): SparseMap {
  let text = '';
  let left = stored;
  return {
    get stored() {
      return left;
    },
    add(block) {
      left -= blockSize;
      if (left < 0) throw broken(name, 'has no map');
      text += block.toString('latin1');
      if (text.length > mostMapBytes) throw broken(name, 'has a map that is too long');
      // What is behind the last newline is a line's beginning, or what fills the block.
      const lines = text.split('\n').slice(0, -1);
      const [count] = lines;
      if (count === undefined) return undefined;
      const wanted = 1 + 2 * decimal(name, count);
      if (wanted > mostMapBytes) throw broken(name, 'has a map that is too long');
      if (lines.length < wanted) return undefined;
      const numbers = lines.slice(1, wanted).map((line) => decimal(name, line));
      return checked(name, decimal(name, size ?? ''), pairsOf(numbers));
    },
  };
}

function decimal(name: ByteString, text: string): number {
  if (text.length === 0 || text.length > 16) throw broken(name, 'has a wrong map');
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x30 || code > 0x39) throw broken(name, 'has a wrong map');
  }
  return Number(text);
}

const pairsOf = (numbers: readonly number[]): Fragment[] =>
  Array.from({ length: numbers.length / 2 }, (_, at) => ({
    offset: numbers[2 * at] ?? -1,
    length: numbers[2 * at + 1] ?? -1,
  }));

/** Puts the stored parts of a member to their places. */
export class SparseContent {
  readonly #name: ByteString;
  readonly #layout: SparseLayout;
  readonly #out: { data(chunk: Buffer): void; hole(length: number): void };
  #next = 0;
  #position = 0;

  constructor(name: ByteString, layout: SparseLayout, out: { data(chunk: Buffer): void; hole(length: number): void }) {
    this.#name = name;
    this.#layout = layout;
    this.#out = out;
  }

  data(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const fragment = this.#layout.fragments[this.#next];
      if (fragment === undefined) throw broken(this.#name, 'has more content than its map says');
      this.#holeTo(fragment.offset);
      const room = fragment.offset + fragment.length - this.#position;
      const part = chunk.subarray(at, at + room);
      if (part.length > 0) this.#out.data(part);
      this.#position += part.length;
      at += part.length;
      if (part.length === room) this.#next++;
    }
  }

  end(): void {
    const missing = this.#layout.fragments.slice(this.#next).some(({ length }) => length > 0);
    if (missing) throw broken(this.#name, 'has less content than its map says');
    this.#holeTo(this.#layout.size);
  }

  #holeTo(offset: number): void {
    if (offset > this.#position) this.#out.hole(offset - this.#position);
    this.#position = Math.max(this.#position, offset);
  }
}
