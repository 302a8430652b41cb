import { constants, fchmodSync, readFileSync } from 'node:fs';
import { closeFd } from '../../sys/ffi/descriptor.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import {
  linkAt,
  makeDirectoryAt,
  makeLinkAt,
  makeNodeAt,
  setOwnerAndMode,
  setOwnerAt,
  setModeAt,
  setXattrOf,
} from '../../sys/file/at.ts';
import { ContentCopier, copyTimes, copyTimesAt } from '../../sys/file/clone.ts';
import {
  deviceNumber,
  filesIn,
  namesIn,
  native,
  type NodeStat,
  nodeType,
  openAt,
  openDirectoryAt,
  openFileAt,
  readLinkAt,
  removeAt,
  statAt,
  statOf,
} from '../../sys/file/entries.ts';
import { getXattrOf, listXattrsOf, removeXattrOf } from '../../sys/file/xattr.ts';

/** What a copied name was when it was copied. */
interface Copied {
  readonly identity: string;
  readonly ctime: number;
  readonly ctimeNsec: number;
  /** Of a directory. */
  readonly children?: Map<string, Copied>;
}

const { O_CREAT, O_EXCL, O_WRONLY } = constants;
/** The clock of change times may be so many seconds behind. */
const clockTicks = 1;
const typeBits = 0o170000;

/**
 * Copies a tree that others may be changing, and then what they have changed: `copy` while they go on, `settle` while they
 * stand still. Content, owners, modes, times, attributes, holes, hard links among the copied files, devices. Everything is opened
 * in its directory's descriptor and no link is followed, so whoever changes the source leads the copy nowhere else; what
 * is mounted inside it is left out. The target is nobody else's. Synchronous: for a worker.
 */
export class TreeCopier {
  readonly #from: number;
  readonly #to: number;
  readonly #mount: number;
  readonly #wanted: () => void;
  readonly #content: ContentCopier;
  /** Where files with several names are in the target: all names are copied in the same pass, a new name is a change. */
  #linked = new Map<string, string>();
  #top: Copied | undefined;
  /** How new files are as they are made; undefined in later passes, where directories may have rules for what comes into them. */
  #fresh: Fresh | undefined;
  #began = 0;

  /** `from` and `to`: directories, the caller's. `wanted` is called now and then, and throws to give up. */
  constructor(from: number, to: number, wanted: () => void) {
    [this.#from, this.#to, this.#wanted] = [from, to, wanted];
    this.#mount = statOf(from).mount;
    this.#content = new ContentCopier(wanted);
  }

  /** The first pass: the target is empty. */
  copy(): void {
    this.#began = Math.floor(Date.now() / 1000) - clockTicks;
    const stat = statOf(this.#from);
    this.#fresh = freshIn(this.#to);
    this.#top = noteOf(stat, this.#fill(this.#from, this.#to, ''));
    this.#fresh = undefined;
    this.#describe(this.#from, this.#to, stat);
  }

  /** The second pass, any number of times: makes the target what the source is now. */
  settle(): void {
    this.#linked = new Map();
    const before = this.#top;
    if (before === undefined) return this.copy();
    const now = Math.floor(Date.now() / 1000) - clockTicks;
    const stat = statOf(this.#from);
    const children = this.#refill(this.#from, this.#to, before, '');
    this.#describe(this.#from, this.#to, stat);
    this.#top = noteOf(stat, children);
    this.#began = now;
  }

  #fill(from: number, to: number, path: string): Map<string, Copied> {
    const children = new Map<string, Copied>();
    for (const { name, isFile } of filesIn(from)) {
      const copied = this.#copyName(from, to, { name, path, isFile });
      if (copied !== undefined) children.set(name, copied);
    }
    return children;
  }

  #refill(from: number, to: number, before: Copied, path: string): Map<string, Copied> {
    const old = before.children ?? new Map<string, Copied>();
    const children = new Map<string, Copied>();
    for (const name of namesIn(from)) {
      const known = old.get(name);
      old.delete(name);
      const stat = statAt(from, name);
      if (known !== undefined && stat !== undefined && known.identity === stat.identity) {
        // Numbers of inodes are used again: a directory may have become a file.
        const isDirectory = nodeType(stat.mode) === 'directory';
        if (known.children !== undefined && isDirectory) {
          const again = this.#refillDirectory(from, to, name, known, path);
          if (again !== undefined) children.set(name, again);
          continue;
        }
        if (known.children === undefined && !isDirectory && !this.#hasChanged(known, stat)) {
          children.set(name, known);
          continue;
        }
      }
      if (known !== undefined) removeAt(to, name);
      const copied = stat === undefined ? undefined : this.#copyName(from, to, { name, path, isFile: false });
      if (copied !== undefined) children.set(name, copied);
    }
    for (const name of old.keys()) removeAt(to, name);
    return children;
  }

  #refillDirectory(from: number, to: number, name: string, known: Copied, path: string): Copied | undefined {
    return this.#within(from, to, name, (source, target, stat) => {
      const children = this.#refill(source, target, known, `${path}${name}/`);
      this.#describe(source, target, stat);
      return noteOf(stat, children);
    });
  }

  /** A change within the clock's last tick before the first pass may have come after the look at it. */
  #hasChanged(known: Copied, stat: NodeStat): boolean {
    return known.ctime !== stat.ctime || known.ctimeNsec !== stat.ctimeNsec || stat.ctime >= this.#began;
  }

  /** Undefined when there is nothing to copy (any more). */
  #copyName(
    from: number,
    to: number,
    { name, path, isFile }: { readonly name: string; readonly path: string; readonly isFile: boolean },
  ): Copied | undefined {
    this.#wanted();
    try {
      // The look at the open file is enough.
      if (isFile) return this.#copyFile(from, to, { name, path });
      const stat = statAt(from, name);
      return stat === undefined ? undefined : this.#copyNode(from, to, { name, path, stat });
    } catch (error) {
      if (!hasVanished(error)) throw error;
      removeAt(to, name);
      return undefined;
    }
  }

  #copyNode(
    from: number,
    to: number,
    node: { readonly name: string; readonly path: string; readonly stat: NodeStat },
  ): Copied | undefined {
    const { name, path, stat } = node;
    const type = nodeType(stat.mode);
    if (type === 'directory') {
      makeDirectoryAt(to, native(name), 0o700);
      const copied = this.#within(from, to, name, (source, target, now) => {
        const children = this.#fill(source, target, `${path}${name}/`);
        this.#describe(source, target, now);
        return noteOf(now, children);
      });
      // What is mounted there is not the volume's: an empty directory stands for it.
      return copied ?? noteOf(stat, new Map());
    }
    if (stat.mount !== this.#mount) return undefined;
    const first = stat.links > 1 ? this.#linked.get(stat.identity) : undefined;
    if (first !== undefined) {
      linkAt(this.#to, native(first), to, native(name));
      return noteOf(stat);
    }
    if (type === 'file') return this.#copyFile(from, to, node);
    if (type === 'symlink') {
      const target = linkTarget(from, name);
      if (target === undefined) return undefined;
      makeLinkAt(to, native(name), native(target));
    } else makeNodeAt(to, native(name), (stat.mode & typeBits) | 0o600, deviceNumber(stat.major, stat.minor));
    this.#describeName(to, name, stat);
    if (stat.links > 1) this.#linked.set(stat.identity, path + name);
    return noteOf(stat);
  }

  #copyFile(
    from: number,
    to: number,
    { name, path }: { readonly name: string; readonly path: string },
  ): Copied | undefined {
    const source = openFileAt(from, name);
    try {
      const stat = statOf(source);
      if (nodeType(stat.mode) !== 'file' || stat.mount !== this.#mount) return undefined;
      const first = stat.links > 1 ? this.#linked.get(stat.identity) : undefined;
      if (first !== undefined) {
        linkAt(this.#to, native(first), to, native(name));
        return noteOf(stat);
      }
      const isMade = this.#fresh !== undefined && isFresh(this.#fresh, stat);
      const target = openAt(to, name, O_CREAT | O_EXCL | O_WRONLY, isMade ? stat.mode & 0o777 : 0o600);
      try {
        this.#content.copy(source, target, stat);
        this.#describe(source, target, stat, isMade);
      } finally {
        closeFd(target);
      }
      if (stat.links > 1) this.#linked.set(stat.identity, path + name);
      return noteOf(stat);
    } finally {
      closeFd(source);
    }
  }

  #within(
    from: number,
    to: number,
    name: string,
    work: (source: number, target: number, stat: NodeStat) => Copied,
  ): Copied | undefined {
    const source = openDirectoryAt(from, name);
    try {
      const stat = statOf(source);
      if (stat.mount !== this.#mount) return undefined;
      const target = openDirectoryAt(to, name);
      try {
        return work(source, target, stat);
      } finally {
        closeFd(target);
      }
    } finally {
      closeFd(source);
    }
  }

  /** `isMade`: it has its owner and its mode already. */
  #describe(from: number, to: number, stat: NodeStat, isMade = false): void {
    const { uid, gid, mode } = stat;
    if (!isMade) setOwnerAndMode(to, { uid, gid }, mode & 0o7777);
    const names = listXattrsOf(from).filter(isCopied);
    for (const name of names) {
      const value = getXattrOf(from, name);
      if (value !== undefined) copyXattr(to, name, value);
    }
    // Of an earlier pass.
    if (nodeType(mode) === 'directory') {
      for (const name of listXattrsOf(to)) if (isCopied(name) && !names.includes(name)) removeXattrOf(to, name);
    }
    // An access list may have changed the mode. To set the owner again would take the file's capabilities.
    if (names.length > 0) fchmodSync(to, mode & 0o7777);
    copyTimes(to, stat);
  }

  #describeName(to: number, name: string, stat: NodeStat): void {
    setOwnerAt(to, native(name), stat);
    if (nodeType(stat.mode) !== 'symlink') setModeAt(to, native(name), stat.mode & 0o7777);
    copyTimesAt(to, native(name), stat);
  }
}

/** Whose a new file is, and the bits of its mode that the process does not let it have. */
interface Fresh {
  readonly uid: number;
  readonly gid: number;
  readonly umask: number;
}

/** Undefined where it depends on the directory: of the mount option `grpid`, of an access list for what comes into it. */
function freshIn(directory: number): Fresh | undefined {
  const [uid, gid] = [process.geteuid?.(), process.getegid?.()];
  // To ask the process itself would change its umask for a moment, in all threads.
  const [, umask] = /^Umask:\s*([0-7]+)$/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? [];
  if (uid === undefined || gid === undefined || umask === undefined) return undefined;
  if (statOf(directory).gid !== gid || listXattrsOf(directory).includes('system.posix_acl_default')) return undefined;
  return { uid, gid, umask: Number.parseInt(umask, 8) };
}

const isFresh = (fresh: Fresh, { uid, gid, mode }: NodeStat): boolean =>
  uid === fresh.uid && gid === fresh.gid && (mode & (0o7000 | fresh.umask)) === 0;

/** `trusted.*` is about the file system that the file is on. */
const isCopied = (name: string): boolean => !name.startsWith('trusted.');

function noteOf({ identity, ctime, ctimeNsec }: NodeStat, children?: Map<string, Copied>): Copied {
  return children === undefined ? { identity, ctime, ctimeNsec } : { identity, ctime, ctimeNsec, children };
}

/** Another file, or none, has come to the name since it was looked at. */
function hasVanished(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP' || code === 'ENXIO';
}

/** Undefined when the name is no link any more: that alone is `EINVAL` here. */
function linkTarget(directory: number, name: string): string | undefined {
  try {
    return readLinkAt(directory, name);
  } catch (error) {
    if (systemCode(error) === 'EINVAL') return undefined;
    throw error;
  }
}

/** An attribute that the target's file system does not have is left out (of NFS, for one). */
function copyXattr(fd: number, name: string, value: Uint8Array): void {
  try {
    setXattrOf(fd, name, value);
  } catch (error) {
    const code = systemCode(error);
    if (code !== 'ENOTSUP' && code !== 'EOPNOTSUPP') throw error;
  }
}
