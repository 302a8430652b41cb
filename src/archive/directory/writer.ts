import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { EngineError } from '../../base/errors.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import {
  linkAt,
  makeDirectoryAt,
  makeLinkAt,
  makeNodeAt,
  nativeName,
  openDirectoryAt,
  openParent,
  renameAt,
  setModeAt,
  setOwnerAt,
  setTimeAt,
  unlinkAt,
} from '../../sys/file/at.ts';
import { startWriteback } from '../../sys/file/cache.ts';
import { type Directory, isDirectory, makeRef, nidOf, type NodeMeta, type NodeRef } from '../erofs/tree.ts';
import { impliedDirectory } from '../layer/paths.ts';
import type { NodeWriter } from '../layer/node-writer.ts';
import type { ByteString } from '../tar/entry.ts';
import { applyMetadata } from './_metadata.ts';

/** A regular file whose content is on its way. */
interface OpenFile {
  readonly fd: number;
  readonly number: number;
  readonly meta: NodeMeta;
  readonly size: number;
  written: number;
}

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;
const typeBits = { char: 0o020000, block: 0o060000, fifo: 0o010000 } as const;
/** A file of so many bytes is handed to the disk when it is complete, so that the sync at the end finds little to do. */
const writebackFrom = 1 << 20;
/** What content takes on the disk is counted in blocks of the usual size. */
const blockSize = 4096;

/**
 * Writes a layer as a directory. Every node is first made under a number in a directory of its own, and gets its place
 * when the archive is complete and the tree of all names known: each name is then used alone, in a directory that is open,
 * so that neither `..` nor a link of the archive can lead out of the layer, whatever the archive says. Files that come
 * twice, or in a directory that was replaced, never get a place.
 *
 * Synchronous: for worker threads. Nothing is synced here.
 */
export class DirectoryWriter implements NodeWriter {
  readonly #nodesPath: string;
  readonly #nodes: number;
  /** How many places a node still needs, when it is not one. */
  readonly #links = new Map<number, number>();
  /** Whiteouts are made at their place: one of them may have more names than a file can have links. */
  readonly #whiteouts = new Set<NodeRef>();
  /** Nodes that have a place already and get more. */
  readonly #shared = new Set<number>();
  #count = 0;
  #placed = 0;
  #blocks = 0;
  #file: OpenFile | undefined;

  /** `nodesPath` is an empty directory on the file system of the layer; the caller deletes it with what is left in it. */
  constructor(nodesPath: string) {
    this.#nodesPath = nodesPath;
    this.#nodes = openSync(nodesPath, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  }

  beginFile(meta: NodeMeta, size: number): void {
    const number = ++this.#count;
    const fd = openSync(`${this.#nodesPath}/${number}`, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    this.#file = { fd, number, meta, size, written: 0 };
  }

  data(chunk: Buffer): void {
    const file = this.#openFile();
    for (let at = 0; at < chunk.length; ) at += writeSync(file.fd, chunk, at);
    file.written += chunk.length;
  }

  endFile(): NodeRef {
    const { fd, number, meta, size, written } = this.#openFile();
    if (written !== size) throw new EngineError('internal', 'directory: the content has another size than announced');
    applyMetadata(fd, meta);
    if (size >= writebackFrom) startWriteback(fd, 0, size);
    this.#file = undefined;
    closeSync(fd);
    this.#blocks += Math.ceil(size / blockSize);
    return makeRef(number * 32, 'file');
  }

  symlink(meta: NodeMeta, target: ByteString): NodeRef {
    const number = ++this.#count;
    const name = numberName(number);
    makeLinkAt(this.#nodes, name, Buffer.from(`${target}\0`, 'latin1'));
    setOwnerAt(this.#nodes, name, meta);
    setTimeAt(this.#nodes, name, meta);
    return makeRef(number * 32, 'symlink');
  }

  special(meta: NodeMeta, type: 'char' | 'block' | 'fifo', major = 0, minor = 0): NodeRef {
    const number = ++this.#count;
    const node = makeRef(number * 32, type);
    if (type === 'char' && major === 0 && minor === 0) {
      this.#whiteouts.add(node);
      return node;
    }
    const name = numberName(number);
    makeNodeAt(this.#nodes, name, typeBits[type] | 0o600, deviceNumber(major, minor));
    setOwnerAt(this.#nodes, name, meta);
    setModeAt(this.#nodes, name, meta.mode);
    setTimeAt(this.#nodes, name, meta);
    return node;
  }

  addLink(node: NodeRef): void {
    this.#changeLinks(node, 1);
  }

  removeLink(node: NodeRef): void {
    const left = this.#changeLinks(node, -1);
    if (left <= 0 && !this.#whiteouts.has(node)) unlinkAt(this.#nodes, numberName(nidOf(node)));
  }

  /**
   * Gives every node its place below `path`, an empty directory; nothing may be called after it but `close`. Returns the
   * number of inodes and the bytes on disk, without what the file system needs for itself.
   */
  finish(root: Directory, path: string): { inodes: number; size: number } {
    if (this.#file !== undefined) throw new EngineError('internal', 'directory: a file was not ended');
    let fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      const levels = [{ directory: root, children: root.children.entries() }];
      for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
        const next = level.children.next();
        if (next.done === true) {
          applyMetadata(fd, level.directory.meta);
          this.#placed++;
          this.#blocks++;
          levels.pop();
          // However deep the tree, one directory is open.
          fd = replaceFd(fd, levels.length > 0 ? openParent(fd) : undefined);
          continue;
        }
        const [text, child] = next.value;
        const name = nativeName(Buffer.from(text, 'latin1'));
        if (!isDirectory(child)) {
          this.#place(child, fd, name);
          continue;
        }
        makeDirectoryAt(fd, name, 0o700);
        fd = replaceFd(fd, openDirectoryAt(fd, name));
        levels.push({ directory: child, children: child.children.entries() });
      }
    } finally {
      if (fd >= 0) closeSync(fd);
    }
    return { inodes: this.#placed, size: this.#blocks * blockSize };
  }

  /** Closes what is open, also in the middle of a file. */
  close(): void {
    if (this.#file !== undefined) closeSync(this.#file.fd);
    closeSync(this.#nodes);
  }

  #place(node: NodeRef, directory: number, name: Buffer): void {
    if (this.#whiteouts.has(node)) {
      makeNodeAt(directory, name, typeBits.char, 0n);
      setTimeAt(directory, name, impliedDirectory);
      this.#placed++;
      return;
    }
    const number = nidOf(node);
    if (!this.#shared.has(number)) this.#placed++;
    const left = (this.#links.get(number) ?? 1) - 1;
    if (left === 0) return renameAt(this.#nodes, numberName(number), directory, name);
    this.#links.set(number, left);
    this.#shared.add(number);
    try {
      linkAt(this.#nodes, numberName(number), directory, name);
    } catch (error) {
      if (systemCode(error) !== 'EMLINK') throw error;
      throw new EngineError('invalid', 'a file of the layer has more hard links than the file system allows', {
        cause: error,
      });
    }
  }

  #changeLinks(node: NodeRef, by: number): number {
    const number = nidOf(node);
    const links = (this.#links.get(number) ?? 1) + by;
    this.#links.set(number, links);
    return links;
  }

  #openFile(): OpenFile {
    if (this.#file === undefined) throw new EngineError('internal', 'directory: no file was begun');
    return this.#file;
  }
}

const numberName = (number: number): Buffer => Buffer.from(`${number}\0`, 'latin1');

function replaceFd(old: number, by: number | undefined): number {
  closeSync(old);
  return by ?? -1;
}

/** As the C library's makedev(3) has it. */
function deviceNumber(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return ((high & 0xfffff000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffffff00n) << 12n) | (low & 0xffn);
}
