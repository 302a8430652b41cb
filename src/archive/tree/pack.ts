import type { Room } from '../../base/room.ts';
import { closeFd } from '../../sys/ffi/descriptor.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import {
  namesIn,
  type NodeStat,
  nodeType,
  openDirectoryAt,
  openFileAt,
  readInto,
  readLinkAt,
  seekTo,
  statAt,
  statOf,
} from '../../sys/file/entries.ts';
import { dataExtents } from '../../sys/file/clone.ts';
import { type IdMapping, insideId } from '../../spec/contract/user-namespace.ts';
import { getXattrOf, listXattrsOf } from '../../sys/file/xattr.ts';
import { allowedXattr } from '../layer/xattrs.ts';
import type { ByteString, TarEntry } from '../tar/entry.ts';
import { encodeSparseHeader, encodeTarHeader, tarPadding, tarTrailer } from '../tar/write.ts';

/** What to pack. Descriptors belong to the caller. */
export interface PackTask {
  readonly kind: 'pack';
  /** A directory, open for reading. */
  readonly directory: number;
  /** Only this name in it; undefined for the directory itself with everything below. */
  readonly entry?: ByteString;
  /** What the directory, or the entry, is called in the archive; undefined leaves the directory itself out. */
  readonly name: ByteString | undefined;
  /**
   * `plain`: what is there, as `docker cp` and `docker export` give it. `layer`: it is the writable directory of an
   * overlay, and becomes the archive of a layer: whiteouts and opaque directories as OCI has them. `whole`: nothing is lost:
   * times to the nanosecond, all attributes that an archive may bring, holes.
   */
  readonly as: 'plain' | 'layer' | 'whole';
  /** Paths below the directory that are left out, without leading slash. */
  readonly skip?: ReadonlySet<ByteString>;
  /** Descriptor of a socket to which the archive goes, as chunks of an HTTP body, instead of to the sink. */
  readonly socket?: number;
  /** The archive has the ids that this user namespace has for those on the disk. */
  readonly ids?: IdMapping | undefined;
}

/** Where an archive goes. */
export interface PackSink extends Room {
  write(bytes: Uint8Array): void;
  /** Takes `size` bytes out of an open file itself, where it can: false when it did not. */
  sendFile?(file: number, size: number): boolean;
}

/** Linux allows no longer paths. */
const longestName = 4095;
const capability = 'security.capability';
const opaque = 'trusted.overlay.opaque';
const nothing: TarEntry = {
  type: 'file',
  name: '',
  linkName: '',
  mode: 0,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 0,
  mtimeNsec: 0,
  major: 0,
  minor: 0,
};

/**
 * Writes an archive of a tree that somebody else may be changing: every file is opened relative to its directory, links
 * are never followed, what vanishes meanwhile is left out. Names are sorted by their bytes, times are whole seconds unless
 * it is packed `whole`, so the same tree always gives the same archive. Sockets are left out. Synchronous: for a worker.
 */
export function pack(task: PackTask, sink: PackSink): void {
  const packer = new Packer(task, sink);
  if (task.entry === undefined) packer.root();
  else packer.member(task.directory, task.entry, task.name ?? task.entry, task.entry);
  sink.write(tarTrailer());
}

class Packer {
  readonly #task: PackTask;
  readonly #sink: PackSink;
  /** The first name of each file that has several. */
  readonly #linked = new Map<string, ByteString>();

  constructor(task: PackTask, sink: PackSink) {
    this.#task = task;
    this.#sink = sink;
  }

  root(): void {
    const { directory, name } = this.#task;
    if (name !== undefined)
      this.#header(directory, { ...this.#metaOf(statOf(directory)), type: 'directory', name: `${name}/` });
    this.#children(directory, name === undefined ? '' : `${name}/`, '');
  }

  /** One name of a directory, called `name` in the archive and `path` in `skip`. */
  member(directory: number, entry: ByteString, name: ByteString, path: ByteString): void {
    if (name.length > longestName || this.#task.skip?.has(path) === true) return;
    try {
      this.#member(directory, entry, name, path);
    } catch (error) {
      if (!hasVanished(error)) throw error;
    }
  }

  #metaOf(stat: NodeStat): TarEntry {
    const { ids, as } = this.#task;
    const meta = as === 'whole' ? { ...metaOf(stat), mtimeNsec: stat.mtimeNsec } : metaOf(stat);
    return ids === undefined ? meta : { ...meta, uid: insideId(ids.uids, stat.uid), gid: insideId(ids.gids, stat.gid) };
  }

  #member(directory: number, entry: ByteString, name: ByteString, path: ByteString): void {
    const stat = statAt(directory, entry);
    if (stat === undefined) return;
    const type = nodeType(stat.mode);
    if (type === 'socket') return;
    if (type === 'directory') return this.#directory(directory, entry, name, path);
    if (this.#task.as === 'layer' && type === 'char' && stat.major === 0 && stat.minor === 0) {
      const slash = name.lastIndexOf('/') + 1;
      this.#sink.write(encodeTarHeader({ ...nothing, name: `${name.slice(0, slash)}.wh.${name.slice(slash)}` }));
      return;
    }
    if (stat.links > 1) {
      const first = this.#linked.get(stat.identity);
      if (first !== undefined) {
        this.#sink.write(encodeTarHeader({ ...this.#metaOf(stat), type: 'hardlink', name, linkName: first }));
        return;
      }
    }
    if (type === 'file') this.#file(directory, entry, name);
    else {
      const linkName = type === 'symlink' ? linkTarget(directory, entry) : '';
      if (linkName === undefined) return;
      const { major, minor } = stat;
      this.#sink.write(encodeTarHeader({ ...this.#metaOf(stat), type, name, linkName, major, minor }));
    }
    if (stat.links > 1) this.#linked.set(stat.identity, name);
  }

  #directory(parent: number, entry: ByteString, name: ByteString, path: ByteString): void {
    const directory = openDirectoryAt(parent, entry);
    try {
      this.#header(directory, { ...this.#metaOf(statOf(directory)), type: 'directory', name: `${name}/` });
      if (this.#task.as === 'layer' && getXattrOf(directory, opaque)?.[0] === 0x79) {
        this.#sink.write(encodeTarHeader({ ...nothing, name: `${name}/.wh..wh..opq` }));
      }
      this.#children(directory, `${name}/`, `${path}/`);
    } finally {
      closeFd(directory);
    }
  }

  #children(directory: number, name: ByteString, path: ByteString): void {
    for (const child of namesIn(directory).sort()) this.member(directory, child, name + child, path + child);
  }

  #file(directory: number, entry: ByteString, name: ByteString): void {
    const file = openFileAt(directory, entry);
    try {
      // By now it may be another one.
      const stat = statOf(file);
      if (nodeType(stat.mode) !== 'file') return;
      const entry: TarEntry = { ...this.#metaOf(stat), type: 'file', name, size: stat.size };
      if (this.#task.as === 'whole' && stat.blocks * 512 < stat.size && this.#sparse(file, entry)) return;
      this.#header(file, entry);
      this.#content(file, stat.size);
      pad(this.#sink, stat.size);
    } finally {
      closeFd(file);
    }
  }

  /** As many bytes as the header says, whatever the file's writers do meanwhile. */
  #content(file: number, size: number): void {
    const isSent = this.#sink.sendFile?.(file, size) === true;
    for (let left = isSent ? 0 : size; left > 0; ) {
      const room = this.#sink.reserve();
      const wanted = room.length > left ? room.subarray(0, left) : room;
      let got = readInto(file, wanted);
      if (got === 0) {
        wanted.fill(0);
        got = wanted.length;
      }
      this.#sink.advance(got);
      left -= got;
    }
  }

  /** A file with holes; false when there are too many of them. */
  #sparse(file: number, entry: TarEntry): boolean {
    const parts = [...dataExtents(file, entry.size)];
    const header = encodeSparseHeader(this.#withXattrs(file, entry), parts);
    if (header === undefined) {
      seekTo(file, 0);
      return false;
    }
    this.#sink.write(header);
    for (const { offset, length } of parts) {
      seekTo(file, offset);
      this.#content(file, length);
    }
    pad(
      this.#sink,
      parts.reduce((sum, { length }) => sum + length, 0),
    );
    return true;
  }

  #header(fd: number, entry: TarEntry): void {
    this.#sink.write(encodeTarHeader(this.#withXattrs(fd, entry)));
  }

  #withXattrs(fd: number, entry: TarEntry): TarEntry {
    const xattrs = this.#xattrs(fd, entry);
    return xattrs === undefined ? entry : { ...entry, xattrs };
  }

  /** Docker's copies keep capabilities only; the others keep all that an image may have. */
  #xattrs(fd: number, { type, size }: TarEntry): Map<string, Uint8Array> | undefined {
    if (this.#task.as === 'plain' && (type !== 'file' || size === 0)) return undefined;
    const names = this.#task.as === 'plain' ? [capability] : listXattrsOf(fd).filter(allowedXattr);
    const found = new Map<string, Uint8Array>();
    for (const name of names) {
      const value = getXattrOf(fd, name);
      if (value !== undefined) found.set(name, value);
    }
    return found.size === 0 ? undefined : found;
  }
}

/** Up to a whole block, behind so many bytes. */
function pad(sink: PackSink, size: number): void {
  const padding = tarPadding(size);
  if (padding.length > 0) sink.write(padding);
}

function metaOf({ mode, uid, gid, mtime }: NodeStat): TarEntry {
  return { ...nothing, mode: mode & 0o7777, uid, gid, mtime };
}

/** Undefined when the name is no link any more: that alone is `EINVAL` here. */
function linkTarget(directory: number, entry: ByteString): string | undefined {
  try {
    return readLinkAt(directory, entry);
  } catch (error) {
    if (systemCode(error) === 'EINVAL') return undefined;
    throw error;
  }
}

/** Another file, or none, has come to the name since it was looked at; or it cannot be opened (a device here never can). */
function hasVanished(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP' || code === 'ENXIO' || code === 'EACCES';
}
