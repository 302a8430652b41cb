import { prefixBytes } from '../grpc/framing.ts';
import type { Draft } from '../wire/message.ts';
import { packet, packetTypes } from '../wire/session.ts';

type Stat = NonNullable<Draft<typeof packet>['stat']>;

/** Of a file's content that is sent at once. */
export const pieceBytes = 256 << 10;
/** Packets that are sent together; a piece and two names always fit behind them. */
const fullBytes = 256 << 10;
const roomBytes = fullBytes + pieceBytes + (32 << 10);
/** Prefix, type, id, and the beginning of the data. */
const mostHeadBytes = 32;

const statField = (2 << 3) | 2;
const tags = { path: 10, mode: 16, uid: 24, gid: 32, size: 40, modTime: 48, linkname: 58, devmajor: 64, devminor: 72 };

/**
 * Writes packets of fsutil's protocol with their prefixes into one buffer, those that are sent by the ten thousand:
 * `encode` makes several objects for each field.
 */
export class PacketWriter {
  readonly #bytes = Buffer.allocUnsafeSlow(roomBytes);
  #at = 0;

  /** Whether what was written should be taken before more is written. */
  get isFull(): boolean {
    return this.#at >= fullBytes;
  }

  /** What was written, to be sent; it is only valid until more is written. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#at);
    this.#at = 0;
    return taken;
  }

  /** A file of the list, without extended attributes. Names have at most 4,095 bytes each. */
  stat(stat: Stat): void {
    const begin = this.#at;
    // Of a message below 128 bytes; most are.
    let inner = begin + prefixBytes + 2;
    this.#at = inner;
    this.#name(tags.path, stat.path);
    this.#number(tags.mode, stat.mode);
    this.#number(tags.uid, stat.uid);
    this.#number(tags.gid, stat.gid);
    this.#number(tags.size, stat.size);
    this.#big(tags.modTime, stat.modTime);
    this.#name(tags.linkname, stat.linkname);
    this.#number(tags.devmajor, stat.devmajor);
    this.#number(tags.devminor, stat.devminor);
    const length = this.#at - inner;
    if (length >= 0x80) {
      const more = lengthOfVarint(length) - 1;
      this.#bytes.copyWithin(inner + more, inner, this.#at);
      inner += more;
    }
    this.#prefix(begin, inner + length);
    this.#bytes[this.#at++] = statField;
    this.#varint(length);
    this.#at = inner + length;
  }

  /** The list is over. */
  endOfList(): void {
    this.#prefix(this.#at, this.#at + prefixBytes);
  }

  /**
   * A part of a file's content: `read` puts up to `pieceBytes` bytes into a buffer at a place and tells how many there were. None
   * end the file. Gives that number.
   */
  data(id: number, read: (buffer: Uint8Array, at: number) => number): number {
    const begin = this.#at;
    const room = begin + mostHeadBytes;
    const count = read(this.#bytes, room);
    this.#at = begin + prefixBytes;
    this.#bytes[this.#at++] = 1 << 3;
    this.#bytes[this.#at++] = packetTypes.data;
    this.#number(3 << 3, id);
    if (count > 0) {
      this.#bytes[this.#at++] = (4 << 3) | 2;
      this.#varint(count);
      this.#bytes.copyWithin(this.#at, room, room + count);
    }
    const end = this.#at + count;
    this.#prefix(begin, end);
    this.#at = end;
    return count;
  }

  /** Of a message that lies between its prefix, which begins here, and `end`; what follows the prefix is written next. */
  #prefix(begin: number, end: number): void {
    const prefix = prefixBytes;
    this.#bytes[begin] = 0;
    this.#bytes.writeUInt32BE(end - begin - prefix, begin + 1);
    this.#at = begin + prefix;
  }

  #name(tag: number, name = ''): void {
    if (name === '') return;
    this.#bytes[this.#at++] = tag;
    this.#varint(name.length);
    this.#at += this.#bytes.write(name, this.#at, 'latin1');
  }

  #number(tag: number, value = 0): void {
    if (value === 0) return;
    this.#bytes[this.#at++] = tag;
    this.#varint(value);
  }

  #big(tag: number, value = 0n): void {
    if (value === 0n) return;
    this.#bytes[this.#at++] = tag;
    // As two halves: arithmetic with bigints makes one for each step.
    wide[0] = value;
    const low = (halves[0] ?? 0) & 0xfff_ffff;
    const high = (halves[1] ?? 0) * 16 + ((halves[0] ?? 0) >>> 28);
    if (high === 0) return this.#varint(low);
    for (let shift = 0; shift < 28; shift += 7) this.#bytes[this.#at++] = ((low >>> shift) & 0x7f) | 0x80;
    this.#varint(high);
  }

  #varint(value: number): void {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#bytes[this.#at++] = (rest % 0x80) | 0x80;
    this.#bytes[this.#at++] = rest;
  }
}

const wide = new BigInt64Array(1);
const halves = new Uint32Array(wide.buffer);

const lengthOfVarint = (value: number): number => (value < 0x80 ? 1 : value < 0x4000 ? 2 : 3);
