import { EngineError } from '../../base/errors.ts';
import { blockSize, decodeHeader, isZeroBlock, type RawHeader } from './_header.ts';
import { gnuMap, paxLayout, paxMap, SparseContent, type SparseLayout, type SparseMap } from './_sparse.ts';
import { decodePax, type PaxRecords } from './_pax.ts';
import { defaultTarLimits, quoteName, type TarEntry, type TarEntryType, type TarLimits } from './entry.ts';

/** Who is told what is in an archive, in its order: `entry`, then `data` as often as needed, then `end`. */
export interface TarHandler {
  entry(entry: TarEntry): unknown;
  /** Content of the current member; a view of the chunk given to `push`. */
  data(chunk: Buffer): unknown;
  end(): unknown;
  /** So many bytes of the current member's content are zero; without it they come as `data`. */
  hole?(length: number): unknown;
}

/** Type flags by their meaning; `7` (contiguous file) is a file to everybody today, NUL is one of the 1970s. */
const entryTypes: ReadonlyMap<string, TarEntryType> = new Map<string, TarEntryType>([
  ['0', 'file'],
  ['\0', 'file'],
  ['7', 'file'],
  ['1', 'hardlink'],
  ['2', 'symlink'],
  ['3', 'char'],
  ['4', 'block'],
  ['5', 'directory'],
  ['6', 'fifo'],
]);

/** What the holes of sparse files are made of where they are not left out. */
const zeros = Buffer.alloc(64 * 1024);

/** What the bytes after a header are. */
type Body =
  /** Content of a member. */
  | { kind: 'content' }
  /** PAX records for the next member (`x`), a GNU long name (`L`) or link target (`K`): collected. */
  | { kind: 'extension'; flag: string; bytes: Buffer; filled: number }
  /** The map of a sparse member, block by block: its content follows. */
  | { kind: 'map'; raw: RawHeader; map: SparseMap; block: Buffer }
  /** A global PAX header (`g`, written by git archive): it is about no member, and passed over as Docker does. */
  | { kind: 'ignored' };

/**
 * A strict parser for ustar, PAX and GNU archives that is fed with chunks of any size. It holds no content: slices of
 * the chunks go to the handler. All errors are `corrupt` (the archive contradicts itself) or `invalid` (it asks for
 * something beyond the limits, or for a member type that no file system has).
 */
export class TarParser {
  readonly #handler: TarHandler;
  readonly #limits: TarLimits;
  readonly #partial = Buffer.alloc(blockSize);
  #partialLength = 0;
  #body: Body = { kind: 'ignored' };
  #bodyLeft = 0;
  #padding = 0;
  #sparse: SparseContent | undefined;
  /** Zeros that sparse members stood for. */
  #holes = 0;
  #pax: PaxRecords = {};
  #entries = 0;
  #ended = false;

  constructor(handler: TarHandler, limits: TarLimits = defaultTarLimits) {
    this.#handler = handler;
    this.#limits = limits;
  }

  push(chunk: Uint8Array): void {
    const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    let at = 0;
    while (at < buffer.length && !this.#ended) {
      if (this.#bodyLeft > 0) at += this.#consumeBody(buffer, at);
      else if (this.#padding > 0) {
        const skipped = Math.min(this.#padding, buffer.length - at);
        this.#padding -= skipped;
        at += skipped;
      } else at += this.#consumeHeader(buffer, at);
    }
  }

  /** To be called after the last chunk. @throws EngineError `corrupt` when the archive ends in the middle. */
  finish(): void {
    if (this.#ended) return;
    if (this.#bodyLeft > 0 || this.#partialLength > 0 || Object.keys(this.#pax).length > 0) {
      throw new EngineError('corrupt', 'tar: the archive ends in the middle of a member');
    }
    // An archive without the end marker, and one whose last content is not filled up to a block, is accepted by other readers
    // too: docker sends such ones (`build -f -`).
    this.#ended = true;
  }

  #consumeHeader(buffer: Buffer, at: number): number {
    const available = buffer.length - at;
    if (this.#partialLength === 0 && available >= blockSize) {
      this.#header(buffer, at);
      return blockSize;
    }
    const taken = Math.min(blockSize - this.#partialLength, available);
    buffer.copy(this.#partial, this.#partialLength, at, at + taken);
    this.#partialLength += taken;
    if (this.#partialLength === blockSize) {
      this.#partialLength = 0;
      this.#header(this.#partial, 0);
    }
    return taken;
  }

  #header(buffer: Buffer, at: number): void {
    if (buffer[at] === 0 && isZeroBlock(buffer, at)) {
      this.#ended = true;
      return;
    }
    const raw = decodeHeader(buffer, at);
    if (raw.size < 0) throw new EngineError('corrupt', `tar: ${quoteName(raw.name)} has a negative size`);
    if (++this.#entries > this.#limits.entries) {
      throw new EngineError('invalid', `tar: the archive has more than ${this.#limits.entries} members`);
    }
    if (raw.flag === 'x' || raw.flag === 'L' || raw.flag === 'K' || raw.flag === 'g') return this.#beginExtension(raw);
    const sparse = sparseMember(raw, this.#pax, buffer.subarray(at, at + blockSize));
    const stored = this.#pax.size ?? raw.size;
    if (sparse === undefined || sparse.layout !== undefined) this.#beginMember(raw, stored, sparse?.layout);
    else this.#beginMap(raw, sparse.map);
  }

  #beginMap(raw: RawHeader, map: SparseMap): void {
    this.#body = { kind: 'map', raw, map, block: Buffer.alloc(blockSize) };
    this.#bodyLeft = blockSize;
    this.#padding = 0;
  }

  /** `stored`: bytes of content in the archive. */
  #beginMember(raw: RawHeader, stored: number, layout: SparseLayout | undefined): void {
    const entry = this.#entry(raw, layout);
    this.#pax = {};
    this.#handler.entry(entry);
    if (layout === undefined) return this.#beginBody({ kind: 'content' }, entry.size);
    this.#sparse = new SparseContent(entry.name, layout, {
      data: (chunk) => this.#handler.data(chunk),
      hole: (length) => this.#hole(entry.name, length),
    });
    this.#beginBody({ kind: 'content' }, stored);
  }

  #hole(name: string, length: number): void {
    if (this.#handler.hole !== undefined) return void this.#handler.hole(length);
    this.#holes += length;
    if (this.#holes > this.#limits.holes) {
      throw new EngineError('invalid', `tar: the holes of ${quoteName(name)} are larger than allowed`);
    }
    for (let left = length; left > 0; left -= zeros.length) this.#handler.data(zeros.subarray(0, left));
  }

  #beginExtension({ flag, size }: RawHeader): void {
    if (size > this.#limits.extension) {
      throw new EngineError('invalid', `tar: an extension header of ${size} bytes is larger than allowed`);
    }
    if (flag === 'g') this.#beginBody({ kind: 'ignored' }, size);
    else this.#beginBody({ kind: 'extension', flag, bytes: Buffer.alloc(size), filled: 0 }, size);
  }

  #beginBody(body: Body, size: number): void {
    this.#body = body;
    this.#bodyLeft = size;
    this.#padding = (blockSize - (size % blockSize)) % blockSize;
    if (size === 0) this.#endBody();
  }

  #consumeBody(buffer: Buffer, at: number): number {
    const taken = Math.min(this.#bodyLeft, buffer.length - at);
    const body = this.#body;
    if (body.kind === 'content') (this.#sparse ?? this.#handler).data(buffer.subarray(at, at + taken));
    else if (body.kind === 'map') buffer.copy(body.block, blockSize - this.#bodyLeft, at, at + taken);
    else if (body.kind === 'extension') {
      buffer.copy(body.bytes, body.filled, at, at + taken);
      body.filled += taken;
    }
    this.#bodyLeft -= taken;
    if (this.#bodyLeft === 0) this.#endBody();
    return taken;
  }

  #endBody(): void {
    const body = this.#body;
    this.#body = { kind: 'ignored' };
    if (body.kind === 'content') {
      this.#sparse?.end();
      this.#sparse = undefined;
      this.#handler.end();
    } else if (body.kind === 'map') {
      const layout = body.map.add(body.block);
      if (layout === undefined) this.#beginMap(body.raw, body.map);
      else this.#beginMember(body.raw, body.map.stored, layout);
    } else if (body.kind === 'extension') {
      if (body.flag === 'x') decodePax(body.bytes, this.#pax, this.#limits.xattrs);
      else {
        const end = body.bytes.indexOf(0);
        const text = body.bytes.toString('latin1', 0, end < 0 ? body.bytes.length : end);
        if (text !== '') this.#pax[body.flag === 'L' ? 'name' : 'linkName'] ??= text;
      }
    }
  }

  #entry(raw: RawHeader, layout: SparseLayout | undefined): TarEntry {
    const pax = this.#pax;
    const name = pax.sparse?.name ?? pax.name ?? raw.name;
    const type = layout === undefined ? entryType(raw.flag, name) : 'file';
    const isLink = type === 'symlink' || type === 'hardlink';
    const entry: TarEntry = {
      type,
      name,
      linkName: isLink ? (pax.linkName ?? raw.linkName) : '',
      mode: raw.mode & 0o7777,
      uid: checkedId('uid', pax.uid ?? raw.uid, name),
      gid: checkedId('gid', pax.gid ?? raw.gid, name),
      size: layout?.size ?? (type === 'file' ? (pax.size ?? raw.size) : 0),
      mtime: pax.mtime ?? raw.mtime,
      mtimeNsec: pax.mtimeNsec ?? 0,
      major: raw.major,
      minor: raw.minor,
      ...(pax.xattrs === undefined ? {} : { xattrs: pax.xattrs }),
    };
    checkNames(entry, this.#limits.name);
    return entry;
  }
}

/** Whether the member is sparse: its layout, or what reads it from the blocks that follow. */
function sparseMember(
  raw: RawHeader,
  { sparse, name: paxName, size }: PaxRecords,
  header: Buffer,
): { readonly layout: SparseLayout } | { readonly layout: undefined; readonly map: SparseMap } | undefined {
  const name = sparse?.name ?? paxName ?? raw.name;
  if (raw.flag === 'S') {
    const { layout, map } = gnuMap(header, { name, size: raw.size });
    return layout === undefined ? { layout, map } : { layout };
  }
  if (sparse === undefined || entryTypes.get(raw.flag) !== 'file') return undefined;
  const { major = '0', minor = '0' } = sparse;
  if (major === '0' && (minor === '0' || minor === '1')) return { layout: paxLayout(name, sparse) };
  if (major === '1' && minor === '0') {
    return { map: paxMap(name, sparse.size, size ?? raw.size), layout: undefined };
  }
  throw new EngineError('invalid', `tar: ${quoteName(name)} is a sparse file of the unknown format ${major}.${minor}`);
}

function entryType(flag: string, name: string): TarEntryType {
  const type = entryTypes.get(flag);
  if (type === undefined) {
    throw new EngineError('invalid', `tar: ${quoteName(name)} has the unknown type ${JSON.stringify(flag)}`);
  }
  return flag === '\0' && name.endsWith('/') ? 'directory' : type;
}

function checkedId(what: string, id: number, name: string): number {
  // 2^32 - 1 is "no id" to chown(2).
  if (id < 0 || id >= 0xffff_ffff) throw new EngineError('corrupt', `tar: ${quoteName(name)} has the ${what} ${id}`);
  return id;
}

function checkNames({ type, name, linkName }: TarEntry, limit: number): void {
  if (name === '') throw new EngineError('corrupt', 'tar: a member has no name');
  if (name.length > limit || linkName.length > limit) {
    throw new EngineError('invalid', `tar: the name or target of ${quoteName(name)} is longer than ${limit} bytes`);
  }
  if ((type === 'symlink' || type === 'hardlink') && linkName === '') {
    throw new EngineError('corrupt', `tar: the link ${quoteName(name)} has no target`);
  }
}
