import { closeFd, openFd } from '../ffi/descriptor.ts';
import { check, SystemError } from '../ffi/errors.ts';
import { addressOf, openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, {
  posix_spawn: { arguments: ['pointer', 'pointer', 'pointer', 'pointer', 'pointer', 'pointer'], return: 'i32' },
  posix_spawn_file_actions_init: { arguments: ['pointer'], return: 'i32' },
  posix_spawn_file_actions_adddup2: { arguments: ['pointer', 'i32', 'i32'], return: 'i32' },
  posix_spawn_file_actions_addclose: { arguments: ['pointer', 'i32'], return: 'i32' },
  posix_spawn_file_actions_addclosefrom_np: { arguments: ['pointer', 'i32'], return: 'i32' },
  posix_spawn_file_actions_addchdir_np: { arguments: ['pointer', 'pointer'], return: 'i32' },
  posix_spawn_file_actions_destroy: { arguments: ['pointer'], return: 'i32' },
  posix_spawnattr_init: { arguments: ['pointer'], return: 'i32' },
  posix_spawnattr_setflags: { arguments: ['pointer', 'i16'], return: 'i32' },
  posix_spawnattr_setsigmask: { arguments: ['pointer', 'pointer'], return: 'i32' },
  posix_spawnattr_setsigdefault: { arguments: ['pointer', 'pointer'], return: 'i32' },
  posix_spawnattr_destroy: { arguments: ['pointer'], return: 'i32' },
  signal: { arguments: ['i32', 'u64'], return: 'u64' },
  fcntl: { arguments: ['i32', 'i32', 'i64'], return: 'i32' },
});

/** sizeof(posix_spawn_file_actions_t), sizeof(posix_spawnattr_t), sizeof(sigset_t) of glibc, 64 bit. */
const FILE_ACTIONS_BYTES = 80;
const ATTRIBUTES_BYTES = 336;
const SIGSET_BYTES = 128;
const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
const POSIX_SPAWN_SETSID = 0x80;
const F_DUPFD_CLOEXEC = 1030;
const SIGXFSZ = 25;
const SIG_IGN = 1n;

export interface SpawnRequest {
  /** Absolute path of the program: no search. */
  readonly path: string;
  readonly argv: readonly string[];
  /** The whole environment, `NAME=value`. */
  readonly env: readonly string[];
  /** [descriptor here, descriptor there]; 0 to 2 are /dev/null when not named, everything else is closed. */
  readonly fds?: readonly (readonly [number, number])[];
  readonly cwd?: string;
  /** A session of its own (setsid(2)): no terminal, no signals of the engine's process group. */
  readonly newSession?: boolean;
  /** The child ignores SIGXFSZ, and so does this process from now on: writes beyond a limit fail instead of killing it. */
  readonly ignoresFileSize?: boolean;
}

const O_RDWR = 2;

/** A NULL-terminated vector of C strings in one buffer: pointers first, then the bytes they point at. */
function stringVector(strings: readonly string[]): Buffer {
  const encoded = strings.map((text) => {
    if (text.includes('\0')) throw new SystemError(22, 'posix_spawn', 'an argument contains a NUL');
    return Buffer.from(`${text}\0`);
  });
  const table = (encoded.length + 1) * 8;
  const buffer = Buffer.alloc(encoded.reduce((sum, bytes) => sum + bytes.length, table));
  const base = addressOf(buffer);
  let at = table;
  for (const [index, bytes] of encoded.entries()) {
    buffer.writeBigUInt64LE(base + BigInt(at), index * 8);
    bytes.copy(buffer, at);
    at += bytes.length;
  }
  return buffer;
}

/**
 * Puts the wanted descriptors in place and closes all others. A source whose number is another one's target would be
 * overwritten before its turn, so it is duplicated out of the way first. What was opened comes back, to be closed.
 */
function planDescriptors(actions: Buffer, fds: readonly (readonly [number, number])[]): number[] {
  const wanted = new Map<number, number>();
  for (const [here, there] of fds) wanted.set(there, here);
  const opened: number[] = [];
  const unnamed = [0, 1, 2].filter((there) => !wanted.has(there));
  if (unnamed.length > 0) {
    const devNull = openFd('/dev/null', O_RDWR);
    opened.push(devNull);
    for (const there of unnamed) wanted.set(there, devNull);
  }
  const highest = Math.max(...wanted.keys());
  for (const [there, here] of wanted) {
    if (here === there || here > highest) continue;
    const moved = check(libc.fcntl(here, F_DUPFD_CLOEXEC, BigInt(highest + 1)), 'fcntl');
    opened.push(moved);
    wanted.set(there, moved);
  }
  for (const [there, here] of wanted) libc.posix_spawn_file_actions_adddup2(actions, here, there);
  for (let fd = 3; fd < highest; fd++) if (!wanted.has(fd)) libc.posix_spawn_file_actions_addclose(actions, fd);
  libc.posix_spawn_file_actions_addclosefrom_np(actions, highest + 1);
  return opened;
}

/** The signals that get their default handlers: all of them, but for one that is ignored, which only inheritance does. */
function defaultSignals(request: SpawnRequest): Buffer {
  const signals = Buffer.alloc(SIGSET_BYTES, 0xff);
  if (request.ignoresFileSize === true) {
    libc.signal(SIGXFSZ, SIG_IGN);
    const bit = SIGXFSZ - 1;
    signals[bit >> 3] = 0xff & ~(1 << (bit & 7));
  }
  return signals;
}

/** posix_spawn(3) with default signal handlers and an empty signal mask. Blocks 0.25 ms. @throws SystemError. */
export function posixSpawn(request: SpawnRequest): number {
  const actions = Buffer.alloc(FILE_ACTIONS_BYTES);
  const attributes = Buffer.alloc(ATTRIBUTES_BYTES);
  const pid = Buffer.alloc(4);
  const argv = stringVector(request.argv);
  const env = stringVector(request.env);
  libc.posix_spawn_file_actions_init(actions);
  libc.posix_spawnattr_init(attributes);
  let opened: number[] = [];
  try {
    opened = planDescriptors(actions, request.fds ?? []);
    if (request.cwd !== undefined) libc.posix_spawn_file_actions_addchdir_np(actions, request.cwd);
    const session = request.newSession === true ? POSIX_SPAWN_SETSID : 0;
    libc.posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | session);
    libc.posix_spawnattr_setsigmask(attributes, Buffer.alloc(SIGSET_BYTES));
    libc.posix_spawnattr_setsigdefault(attributes, defaultSignals(request));
    const errno = libc.posix_spawn(pid, request.path, actions, attributes, argv, env);
    if (errno !== 0) throw new SystemError(errno, 'posix_spawn', request.path);
    return pid.readInt32LE(0);
  } finally {
    for (const fd of opened) closeFd(fd);
    libc.posix_spawn_file_actions_destroy(actions);
    libc.posix_spawnattr_destroy(attributes);
  }
}
