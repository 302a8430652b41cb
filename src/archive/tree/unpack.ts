import { chmodSync, constants, fchmodSync } from 'node:fs';
import { EngineError, invalid } from '../../base/errors.ts';
import { closeFd } from '../../sys/ffi/descriptor.ts';
import { SystemError, systemCode } from '../../sys/ffi/errors.ts';
import {
  linkAt,
  makeDirectoryAt,
  makeLinkAt,
  makeNodeAt,
  setOwnerAndMode,
  setOwnerAt,
  setTime,
  setTimeAt,
  setXattrOf,
} from '../../sys/file/at.ts';
import {
  deviceNumber,
  native,
  nodeType,
  openAt,
  openDirectoryAt,
  skipAhead,
  statAt,
  writeAll,
} from '../../sys/file/entries.ts';
import { O_PATH } from '../../sys/paths/inroot.ts';
import { cleanComponents } from '../layer/paths.ts';
import { allowedXattr } from '../layer/xattrs.ts';
import { type ByteString, quoteName, type TarEntry } from '../tar/entry.ts';
import { hostId, type IdMapping } from '../../spec/contract/user-namespace.ts';
import type { TarHandler } from '../tar/parse.ts';
import { Destination, type Place } from './destination.ts';
import type { SocketSource } from './socket-source.ts';

/** Where an archive is unpacked, and how. */
export interface UnpackTask {
  readonly kind: 'unpack';
  /** Descriptor of the root that nothing leaves; the caller's. */
  readonly root: number;
  /** The directory inside it: absolute, link-free. */
  readonly path: string;
  /** A directory never takes the place of something else, nor something else that of a directory. */
  readonly keepKinds: boolean;
  /** Who owns everything, instead of whom the archive names. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** A member that stands for the directory itself says what that is like; else it stays as it is. */
  readonly describesTop?: boolean;
  /** It is on disk when the job is done. */
  readonly sync?: boolean;
  /** The archive has the ids of this user namespace. */
  readonly ids?: IdMapping | undefined;
  /** Where the archive is read from, instead of the job's input. */
  readonly source?: SocketSource;
}

const { O_CREAT, O_EXCL, O_WRONLY } = constants;
const typeBits = { char: 0o020000, block: 0o060000, fifo: 0o010000 } as const;

/**
 * Makes the members of an archive below a directory, in the way of `docker cp`: what is there is replaced, directories are
 * merged, `.wh.` names are names like others. Everything is made relative to the descriptor of its directory, which the
 * kernel found inside the root; the last component is never followed. So neither the archive nor somebody who changes the
 * tree meanwhile leads it out of the root. Synchronous: for a worker. @throws EngineError naming the member.
 */
export class TreeFromTar implements TarHandler {
  readonly #task: UnpackTask;
  readonly #destination: Destination;
  /** The file that is being written. */
  #file: { readonly fd: number; readonly entry: TarEntry } | undefined;
  /** Times of directories are set last: making files in them changes them. */
  readonly #directories: { readonly components: readonly ByteString[]; readonly entry: TarEntry }[] = [];

  constructor(task: UnpackTask, destination = new Destination(task)) {
    this.#task = task;
    this.#destination = destination;
  }

  entry(entry: TarEntry): void {
    naming(entry, () => this.#make(entry));
  }

  data(chunk: Buffer): void {
    const file = this.#file;
    if (file !== undefined) naming(file.entry, () => writeAll(file.fd, chunk));
  }

  /** The file has a hole there, too. */
  hole(length: number): void {
    const file = this.#file;
    if (file !== undefined) naming(file.entry, () => skipAhead(file.fd, length));
  }

  end(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    try {
      naming(file.entry, () => {
        describe(file.fd, file.entry, ownerOf(this.#task, file.entry));
        setTime(file.fd, file.entry);
      });
    } finally {
      closeFd(file.fd);
    }
  }

  /** After the last member. */
  complete(): void {
    for (const { components, entry } of this.#directories) {
      naming(entry, () => {
        const name = components.at(-1) ?? '.';
        setTimeAt(this.#destination.open(components.slice(0, -1)), native(name), entry);
      });
    }
  }

  /** Closes what is open; nothing may be called afterwards. */
  close(): void {
    if (this.#file !== undefined) closeFd(this.#file.fd);
    this.#destination.close();
    this.#file = undefined;
  }

  #make(entry: TarEntry): void {
    const components = cleanComponents(entry.name);
    const name = components.at(-1);
    if (name === undefined) return this.#describeTop(entry);
    const place = { directory: this.#destination.open(components.slice(0, -1)), name };
    if (entry.type === 'directory') return this.#makeDirectory(place, entry, components);
    this.#replacing(place, entry, () => this.#makeNode(place, entry));
  }

  #describeTop(entry: TarEntry): void {
    if (this.#task.describesTop !== true || entry.type !== 'directory') return;
    const top = openDirectoryAt(this.#destination.open([]), '.');
    try {
      describe(top, entry, ownerOf(this.#task, entry));
    } finally {
      closeFd(top);
    }
    this.#directories.push({ components: [], entry });
  }

  #makeNode(place: Place, entry: TarEntry): void {
    const { directory, name } = place;
    switch (entry.type) {
      case 'file':
        this.#file = { fd: openAt(directory, name, O_CREAT | O_EXCL | O_WRONLY, 0o600), entry };
        return;
      case 'symlink':
        makeLinkAt(directory, native(name), native(entry.linkName));
        return describeName(place, entry, ownerOf(this.#task, entry));
      case 'hardlink':
        return this.#makeHardLink(place, entry);
      case 'char':
      case 'block':
      case 'fifo':
        makeNodeAt(directory, native(name), typeBits[entry.type] | 0o600, deviceNumber(entry.major, entry.minor));
        describeName(place, entry, ownerOf(this.#task, entry));
        return setModeAt(place, entry.mode);
      case 'directory':
    }
  }

  /** Tries first: most often nothing is there. */
  #replacing(place: Place, entry: TarEntry, make: () => void): void {
    try {
      return make();
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
    }
    const found = statAt(place.directory, place.name);
    if (this.#task.keepKinds && found !== undefined && nodeType(found.mode) === 'directory') {
      throw invalid(
        `cannot overwrite directory ${quoteName(entry.name)} with non-directory ${JSON.stringify(this.#task.path)}`,
      );
    }
    this.#destination.remove(place);
    make();
  }

  #makeDirectory(place: Place, entry: TarEntry, components: readonly ByteString[]): void {
    const { directory, name } = place;
    const found = statAt(directory, name);
    if (found === undefined || nodeType(found.mode) !== 'directory') {
      if (found !== undefined) {
        if (this.#task.keepKinds) {
          throw invalid(
            `cannot overwrite non-directory ${quoteName(entry.name)} with directory ${JSON.stringify(this.#task.path)}`,
          );
        }
        this.#destination.remove(place);
      }
      makeDirectoryAt(directory, native(name), 0o700);
    }
    const made = openDirectoryAt(directory, name);
    try {
      describe(made, entry, ownerOf(this.#task, entry));
    } finally {
      closeFd(made);
    }
    this.#directories.push({ components, entry });
  }

  #makeHardLink({ directory, name }: Place, entry: TarEntry): void {
    const components = cleanComponents(entry.linkName);
    const target = components.pop();
    if (target === undefined) throw invalid(`the hard link ${quoteName(entry.name)} is to a directory`);
    const from = this.#destination.find(components);
    try {
      linkAt(from, native(target), directory, native(name));
    } finally {
      closeFd(from);
    }
    // As Docker does: the archive says it of this name too.
    const found = statAt(directory, name);
    if (found === undefined || nodeType(found.mode) === 'symlink') return;
    const owner = ownerOf(this.#task, entry);
    // To set the owner again would take the file's capabilities.
    if (found.uid !== owner.uid || found.gid !== owner.gid) setOwnerAt(directory, native(name), owner);
    setTimeAt(directory, native(name), entry);
    setModeAt({ directory, name }, entry.mode);
  }
}

type Owner = NonNullable<UnpackTask['owner']>;

/** Whom a member is to belong to, on the disk. */
function ownerOf({ owner, ids }: UnpackTask, entry: TarEntry): Owner {
  const { uid, gid } = owner ?? entry;
  if (ids === undefined) return { uid, gid };
  const [outerUid, outerGid] = [hostId(ids.uids, uid), hostId(ids.gids, gid)];
  if (outerUid !== undefined && outerGid !== undefined) return { uid: outerUid, gid: outerGid };
  throw invalid(`the owner ${uid}:${gid} is not mapped in the user namespace of the container`);
}

/** Owner, attributes, mode of an open file or directory. */
function describe(fd: number, entry: TarEntry, owner: Owner): void {
  setOwnerAndMode(fd, owner, entry.mode);
  // After chown(2), which takes capabilities away; an access list may change the mode.
  const allowed = [...(entry.xattrs ?? [])].filter(([name]) => allowedXattr(name));
  for (const [name, value] of allowed) setXattrIfPossible(fd, name, value);
  if (allowed.length > 0) fchmodSync(fd, entry.mode);
}

/** Owner and times of what is not opened: a link, a device. */
function describeName({ directory, name }: Place, entry: TarEntry, owner: Owner): void {
  setOwnerAt(directory, native(name), owner);
  setTimeAt(directory, native(name), entry);
}

function setModeAt({ directory, name }: Place, mode: number): void {
  const fd = openAt(directory, name, O_PATH);
  try {
    chmodSync(`/proc/self/fd/${fd}`, mode);
  } finally {
    closeFd(fd);
  }
}

function setXattrIfPossible(fd: number, name: string, value: Uint8Array): void {
  try {
    setXattrOf(fd, name, value);
  } catch (error) {
    const code = systemCode(error);
    if (code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'EPERM') throw error;
  }
}

/** Refusals of the file system that come from what the archive asks for, in words for its sender. */
const refusals: Readonly<Record<string, string>> = {
  EBUSY: 'device or resource busy',
  EROFS: 'read-only file system',
  ENAMETOOLONG: 'file name too long',
  ENOTDIR: 'not a directory',
  EISDIR: 'is a directory',
  ELOOP: 'too many levels of symbolic links',
  ENOENT: 'no such file or directory',
  EEXIST: 'file exists',
  EXDEV: 'invalid cross-device link',
  EPERM: 'operation not permitted',
  EMLINK: 'too many links',
  EFBIG: 'file too large',
  EINVAL: 'invalid argument',
};

function naming(entry: TarEntry, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const what = `cannot extract ${quoteName(entry.name)}: ${error.syscall}`;
    const known = refusals[error.code];
    if (known !== undefined) throw new EngineError('invalid', `${what}: ${known}`, { cause: error });
    const full = error.code === 'ENOSPC' || error.code === 'EDQUOT';
    const reason = full ? 'no space left on device' : error.message;
    throw new EngineError(full ? 'no-space' : 'internal', `${what}: ${reason}`, { cause: error });
  }
}
