import { EngineError } from '../../base/errors.ts';
import type { ByteString } from '../tar/entry.ts';
import { writeDirectories } from './_directories.ts';
import {
  blockSize,
  encodeDevice,
  encodeInode,
  inlineLimit,
  inodeSize,
  layout,
  linksOffset,
  superblockAt,
} from './_format.ts';
import { alignUp, InodeRegions } from './_inodes.ts';
import { SequentialOutput } from './_output.ts';
import { encodeXattrs } from './_xattr.ts';
import { encodeSuperblock, sealSuperblock } from './superblock.ts';
import { type Directory, type FileType, makeRef, type NodeMeta, type NodeRef, offsetOf } from './tree.ts';

/** A regular file whose content is on its way. */
interface OpenFile {
  readonly meta: NodeMeta;
  readonly size: number;
  readonly firstBlock: number;
  /** Inode record, filled in from the front; its inline part begins at `inlineAt`. */
  readonly record: Buffer;
  readonly xattrLength: number;
  /** Bytes of content that go to whole blocks; the rest is inline. */
  readonly plain: number;
  written: number;
}

/**
 * Writes an EROFS image in one pass over its files: content goes straight to the file, inodes to metadata regions
 * between it, directories come last, when all names are known. What is kept in memory is names, not content.
 *
 *     [Gantry's header | superblock | root inode] [inodes, small files] [content ...] ... [directories]
 *
 * Synchronous: for worker threads. The file descriptor belongs to the caller, who also syncs it.
 */
export class ErofsWriter {
  readonly #output: SequentialOutput;
  readonly #inodes: InodeRegions;
  /** Link counts other than 1, by offset of the inode. */
  readonly #links = new Map<number, number>();
  #count = 0;
  #file: OpenFile | undefined;

  /** `fd` is an empty file, open for writing. */
  constructor(fd: number) {
    this.#output = new SequentialOutput(fd, blockSize);
    this.#inodes = new InodeRegions(this.#output);
  }

  /** Begins a regular file of exactly `size` bytes, which `data` brings and `endFile` ends. */
  beginFile(meta: NodeMeta, size: number): void {
    const xattrs = encodeXattrs(meta.xattrs);
    const tail = size % blockSize;
    const inline = tail <= inlineLimit && inodeSize + xattrs.length + tail <= blockSize ? tail : 0;
    const record = Buffer.alloc(inodeSize + xattrs.length + inline);
    xattrs.copy(record, inodeSize);
    const plain = size - inline;
    if (plain > 0) this.#output.skipTo(alignUp(this.#output.position, blockSize));
    const firstBlock = plain > 0 ? blockAt(this.#output.position) : 0;
    this.#file = { meta, size, firstBlock, record, xattrLength: xattrs.length, plain, written: 0 };
  }

  /** The next part of the file's content. */
  data(chunk: Buffer): void {
    const file = this.#openFile();
    if (file.written + chunk.length > file.size)
      throw new EngineError('internal', 'erofs: more content than announced');
    const plain = Math.max(0, Math.min(chunk.length, file.plain - file.written));
    if (plain > 0) this.#output.append(plain === chunk.length ? chunk : chunk.subarray(0, plain));
    if (plain < chunk.length) {
      chunk.copy(file.record, inodeSize + file.xattrLength + file.written + plain - file.plain, plain);
    }
    file.written += chunk.length;
  }

  endFile(): NodeRef {
    const file = this.#openFile();
    if (file.written !== file.size) throw new EngineError('internal', 'erofs: less content than announced');
    this.#file = undefined;
    return this.#place('file', file, file.plain < file.size ? layout.inline : layout.plain, file.firstBlock);
  }

  symlink(meta: NodeMeta, target: ByteString): NodeRef {
    this.beginFile(meta, target.length);
    this.data(Buffer.from(target, 'latin1'));
    const file = this.#openFile();
    this.#file = undefined;
    return this.#place('symlink', file, file.plain < file.size ? layout.inline : layout.plain, file.firstBlock);
  }

  /** A device, FIFO or socket. Device 0/0 is overlayfs's whiteout: it hides a name of the layers below. */
  special(meta: NodeMeta, type: 'char' | 'block' | 'fifo' | 'socket', major = 0, minor = 0): NodeRef {
    this.beginFile(meta, 0);
    const file = this.#openFile();
    this.#file = undefined;
    return this.#place(type, file, layout.plain, encodeDevice(major, minor));
  }

  /** Counts one more name for an inode. */
  addLink(node: NodeRef): void {
    const at = offsetOf(node);
    this.#links.set(at, (this.#links.get(at) ?? 1) + 1);
  }

  /** Counts one name less: it was replaced by a later one. */
  removeLink(node: NodeRef): void {
    const at = offsetOf(node);
    this.#links.set(at, (this.#links.get(at) ?? 1) - 1);
  }

  /** Where the next content goes: everything before it was handed to the file, but for what is still gathered. */
  get position(): number {
    return this.#output.position;
  }

  /**
   * Writes the directories and the first block; nothing may be called after it. `makeHeader` is given the number of
   * inodes; its result (at most 1024 bytes) goes in front of the superblock, where no file system looks. `uuid` has 16
   * bytes. Returns the image's size and the number of its inodes.
   */
  finish(
    root: Directory,
    uuid: Uint8Array,
    makeHeader: (inodes: number) => Uint8Array,
  ): { size: number; inodes: number } {
    if (this.#file !== undefined) throw new EngineError('internal', 'erofs: a file was not ended');
    for (const [at, links] of this.#links) this.#inodes.patch(at + linksOffset, links);
    this.#inodes.flush();
    const first = Buffer.alloc(blockSize);
    writeDirectories(this.#output, root, first, () => ++this.#count);
    this.#output.skipTo(alignUp(this.#output.position, blockSize));
    const size = this.#output.position;
    this.#output.finish();
    const header = makeHeader(this.#count);
    if (header.length > superblockAt) throw new EngineError('internal', 'erofs: the header is too long');
    first.set(header);
    encodeSuperblock(first, { inodes: this.#count, blocks: blockAt(size), uuid });
    sealSuperblock(first);
    this.#output.writeAt(first, 0);
    return { size, inodes: this.#count };
  }

  #place(type: FileType, file: OpenFile, how: 0 | 2, union: number): NodeRef {
    encodeInode(file.record, 0, {
      meta: file.meta,
      type,
      layout: how,
      size: file.size,
      union,
      xattrLength: file.xattrLength,
      ino: ++this.#count,
      links: 1,
    });
    return makeRef(this.#inodes.place(file.record), type);
  }

  #openFile(): OpenFile {
    if (this.#file === undefined) throw new EngineError('internal', 'erofs: no file was begun');
    return this.#file;
  }
}

/** Block addresses have 32 bits: 16 TiB. */
function blockAt(position: number): number {
  const block = position / blockSize;
  if (block > 0xffff_ffff) throw new EngineError('invalid', 'the layer is larger than 16 TiB');
  return block;
}
