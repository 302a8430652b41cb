import { closeFd } from '../ffi/descriptor.ts';
import { check, SystemError } from '../ffi/errors.ts';
import { lastErrno, openLibrary } from '../ffi/library.ts';
import { closeNetNamespace, inNetNamespace, openNetNamespaceOfProcess } from '../namespace/net.ts';
import { pollOnce, WRITABLE } from '../poll/poll.ts';
import type { ProcessIdentity } from '../process/pidfd.ts';
import type { SocketAddress } from './inet-datagram.ts';

const libc = openLibrary(null, {
  socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  connect: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  getsockopt: { arguments: ['i32', 'i32', 'i32', 'pointer', 'pointer'], return: 'i32' },
});
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const EINPROGRESS = 115;

/** An unconnected TCP socket of the calling thread's namespace, as a descriptor of the caller. @throws SystemError */
export const openStream = (family: 4 | 6): number =>
  check(libc.socket(family === 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'socket');

/**
 * An unconnected TCP socket in the network namespace of exactly this process, as a descriptor of the caller: it belongs
 * to that namespace for ever, whoever uses it. Only for a worker thread, which visits the namespace for the length of
 * the call and always comes home. @throws SystemError `ENOENT` or `ESRCH` when the process is gone.
 */
export function openSocketIn(process: ProcessIdentity, family: 4 | 6): number {
  const namespace = openNetNamespaceOfProcess(process);
  try {
    return inNetNamespace(namespace, () => openStream(family));
  } finally {
    closeNetNamespace(namespace);
  }
}

/**
 * Connects a TCP socket without ever blocking; when this rejects the socket is closed.
 * @throws SystemError (`ECONNREFUSED`, ...); `ECANCELED` when `signal` aborts.
 */
export async function connectSocket(fd: number, where: SocketAddress, signal: AbortSignal): Promise<void> {
  try {
    if (libc.connect(fd, where, where.length) === 0) return;
    if (lastErrno() !== EINPROGRESS) check(-1, 'connect');
    if ((await pollOnce(fd, WRITABLE, { signal })) === 0) throw new SystemError(125, 'connect');
    const error = Buffer.alloc(4);
    const length = Buffer.from([4, 0, 0, 0]);
    check(libc.getsockopt(fd, SOL_SOCKET, SO_ERROR, error, length), 'getsockopt');
    const errno = error.readInt32LE(0);
    if (errno !== 0) throw new SystemError(errno, 'connect');
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}
