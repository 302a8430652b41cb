/**
 * The mount system calls themselves: synchronous, able to sleep, so only the syscall worker runs them. The engine's
 * side of it is mount.ts. Everything is built on the descriptor-based interface (fsopen(2), fsconfig(2), fsmount(2),
 * move_mount(2)): no length limits, no option string to escape, and the kernel explains its refusals in words.
 */
import { closeFd } from '../ffi/descriptor.ts';
import { check, SystemError } from '../ffi/errors.ts';
import { lastErrno, openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, {
  fsopen: { arguments: ['pointer', 'u32'], return: 'i32' },
  fsconfig: { arguments: ['i32', 'u32', 'pointer', 'pointer', 'i32'], return: 'i32' },
  fsmount: { arguments: ['i32', 'u32', 'u32'], return: 'i32' },
  move_mount: { arguments: ['i32', 'pointer', 'i32', 'pointer', 'u32'], return: 'i32' },
  open_tree: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  mount_setattr: { arguments: ['i32', 'pointer', 'u32', 'pointer', 'u64'], return: 'i32' },
  mount: { arguments: ['pointer', 'pointer', 'pointer', 'u64', 'pointer'], return: 'i32' },
  umount2: { arguments: ['pointer', 'i32'], return: 'i32' },
  read: { arguments: ['i32', 'pointer', 'u64'], return: 'i64' },
});

const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const AT_RECURSIVE = 0x8000;
const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;
const MOVE_MOUNT_F_EMPTY_PATH = 0x04;
const MOVE_MOUNT_T_EMPTY_PATH = 0x40;
const OPEN_TREE_CLONE = 1;
const OPEN_TREE_CLOEXEC = 0o2000000;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;
const EINVAL = 22;
const ENOENT = 2;

/** Attribute bits of mount_setattr(2). */
const attributeBits = {
  readOnly: 1,
  noSuid: 2,
  noDev: 4,
  noExec: 8,
  noAtime: 0x10,
  noSymlinkFollow: 0x200000,
} as const;

/** Attributes of one mount (not of the file system below it); left out means: as it is, or off for a new mount. */
export type MountAttributes = { readonly [Name in keyof typeof attributeBits]?: boolean };

/** `key` alone is a flag, `[key, value]` a parameter of the file system. */
export type MountOption = string | readonly [string, string];

const bitsOf = (attributes: MountAttributes, wanted: boolean): number => {
  let bits = 0;
  for (const [name, bit] of Object.entries(attributeBits)) {
    if (attributes[name as keyof MountAttributes] === wanted) bits |= bit;
  }
  return bits;
};

/** What the kernel says about the last failure of a file system context (fsopen(2), "message retrieval"). */
function reasonOf(context: number, errno: number, syscall: string, target: string): SystemError {
  const words: string[] = [];
  const line = Buffer.alloc(1024);
  for (let count = 0; count < 8; count++) {
    const length = Number(libc.read(context, line, BigInt(line.length)));
    if (length <= 0) break;
    // Each message starts with its severity: "e ", "w " or "i ".
    words.push(line.toString('utf8', 2, length).trim());
  }
  return new SystemError(errno, syscall, words.length === 0 ? target : `${target}: ${words.join('; ')}`);
}

/** Puts a detached mount at `target`: a path whose last component is no link, or an O_PATH descriptor. */
export function attachMount(mount: number, target: string | number): void {
  const result =
    typeof target === 'number'
      ? libc.move_mount(mount, '', target, '', MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)
      : libc.move_mount(mount, '', AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH);
  check(result, 'move_mount', String(target));
}

/** A new file system instance, mounted nowhere yet: the caller's descriptor. `what` names it in errors. */
export function makeMount(
  type: string,
  options: readonly MountOption[],
  what: string,
  attributes: MountAttributes = {},
): number {
  const context = check(libc.fsopen(type, FSOPEN_CLOEXEC), 'fsopen', type);
  try {
    for (const option of options) {
      const [key, value] = typeof option === 'string' ? [option, null] : option;
      const command = value === null ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING;
      if (libc.fsconfig(context, command, key, value, 0) < 0) {
        throw reasonOf(context, lastErrno(), `fsconfig ${type} ${key}`, what);
      }
    }
    if (libc.fsconfig(context, FSCONFIG_CMD_CREATE, null, null, 0) < 0) {
      throw reasonOf(context, lastErrno(), `mount ${type}`, what);
    }
    const mount = libc.fsmount(context, FSMOUNT_CLOEXEC, bitsOf(attributes, true));
    if (mount < 0) throw reasonOf(context, lastErrno(), `fsmount ${type}`, what);
    return mount;
  } finally {
    closeFd(context);
  }
}

/**
 * Makes a new file system instance and mounts it. `target` is a path whose last component is no link, or an O_PATH
 * descriptor. @throws SystemError with the kernel's words.
 */
export function mountNew(
  type: string,
  options: readonly MountOption[],
  target: string | number,
  attributes: MountAttributes = {},
): void {
  const mount = makeMount(type, options, String(target), attributes);
  try {
    attachMount(mount, target);
  } finally {
    closeFd(mount);
  }
}

function setAttributes(
  fd: number,
  path: string,
  flags: number,
  attributes: MountAttributes,
  propagation: bigint = 0n,
): number {
  const argument = Buffer.alloc(32);
  argument.writeBigUInt64LE(BigInt(bitsOf(attributes, true)), 0);
  argument.writeBigUInt64LE(BigInt(bitsOf(attributes, false)), 8);
  argument.writeBigUInt64LE(propagation, 16);
  return libc.mount_setattr(fd, path, flags, argument, BigInt(argument.length));
}

const MOUNT_ATTR_IDMAP = 0x0010_0000n;

/** Shifts the owners that a mount shows by a user namespace; only once, and before it is mounted. */
export function setIdMap(tree: number, userNamespace: number, path: string, recursive = false): void {
  const argument = Buffer.alloc(32);
  argument.writeBigUInt64LE(MOUNT_ATTR_IDMAP, 0);
  argument.writeBigUInt64LE(BigInt(userNamespace), 24);
  const reach = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  check(libc.mount_setattr(tree, '', reach, argument, BigInt(argument.length)), 'mount_setattr', path);
}

/**
 * A copy of what is at `source` (with what is mounted below it when `recursive`), mounted nowhere yet: the caller's
 * descriptor. Without `attributesBelow` the attributes are those of the uppermost mount only.
 */
export function cloneTree(
  source: string | number,
  options: {
    readonly recursive: boolean;
    readonly attributes: MountAttributes;
    readonly attributesBelow: boolean;
    readonly propagation?: Propagation;
  },
): number {
  const deep = options.recursive ? AT_RECURSIVE : 0;
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | deep;
  const tree = check(
    typeof source === 'number'
      ? libc.open_tree(source, '', flags | AT_EMPTY_PATH)
      : libc.open_tree(AT_FDCWD, source, flags),
    'open_tree',
    String(source),
  );
  try {
    if (bitsOf(options.attributes, true) !== 0) {
      const reach = AT_EMPTY_PATH | (options.attributesBelow ? deep : 0);
      check(setAttributes(tree, '', reach, options.attributes), 'mount_setattr', String(source));
    }
    if (options.propagation !== undefined) {
      const how = propagationFlags[options.propagation];
      check(setAttributes(tree, '', AT_EMPTY_PATH | deep, {}, how), 'mount_setattr', String(source));
    }
    return tree;
  } catch (error) {
    closeFd(tree);
    throw error;
  }
}

/**
 * Mounts a copy of what is at `source` (with what is mounted below it when `recursive`) at `target`, where `idMap` (a
 * descriptor of a user namespace) shifts its owners.
 */
export function bind(
  source: string | number,
  target: string | number,
  {
    recursive = false,
    idMap,
    ...attributes
  }: MountAttributes & { readonly recursive?: boolean; readonly idMap?: number },
): void {
  const tree = cloneTree(source, { recursive, attributes, attributesBelow: true });
  try {
    if (idMap !== undefined) setIdMap(tree, idMap, String(source), recursive);
    attachMount(tree, target);
  } finally {
    closeFd(tree);
  }
}

/** Sets attributes of the mount that a descriptor of its root is on. @throws SystemError. */
export function restrictMounts(root: number, attributes: MountAttributes): void {
  check(setAttributes(root, '', AT_EMPTY_PATH, attributes), 'mount_setattr');
}

/** Changes attributes of an existing mount. */
export function changeAttributes(target: string, attributes: MountAttributes, recursive: boolean): void {
  check(setAttributes(AT_FDCWD, target, recursive ? AT_RECURSIVE : 0, attributes), 'mount_setattr', target);
}

const propagationFlags = { shared: 1n << 20n, slave: 1n << 19n, private: 1n << 18n, unbindable: 1n << 17n } as const;
const MS_REC = 0x4000n;
export type Propagation = keyof typeof propagationFlags;

/** Sets how mounts below `target` travel to copies of it (mount_namespaces(7)). */
export function setPropagation(target: string, propagation: Propagation, recursive: boolean): void {
  const flags = propagationFlags[propagation] | (recursive ? MS_REC : 0n);
  check(libc.mount(null, target, null, flags, null), `mount --make-${propagation}`, target);
}

/** mount(2) with an option string, for kernels that do not know a parameter otherwise. */
export function mountClassic(source: string, target: string, type: string, options: string): void {
  check(libc.mount(source, target, type, 0n, options), `mount ${type}`, target);
}

/**
 * Detaches the mount that `fd` (O_PATH, of its root) holds, in a thread whose working directory is its own folder of
 * descriptors: no path is walked that anybody could bend. @throws SystemError: EINVAL when it is no root of a mount.
 */
export function unmountDescriptor(fd: number): void {
  check(libc.umount2(String(fd), MNT_DETACH), 'umount2', String(fd));
}

/** Unmounts; false when nothing is mounted there. `lazy` detaches at once what is still in use. */
export function unmountPath(target: string, lazy: boolean): boolean {
  const result = libc.umount2(target, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0));
  if (result < 0) {
    const errno = lastErrno();
    if (errno === EINVAL || errno === ENOENT) return false;
    throw new SystemError(errno, 'umount2', target);
  }
  return true;
}
