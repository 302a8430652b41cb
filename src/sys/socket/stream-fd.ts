/**
 * A connected stream socket of the event loop's that a worker thread reads or writes itself: bytes of a large body then
 * take no way over the main thread. Nothing else may use that direction of the socket meanwhile.
 */
import { check, SystemError } from '../ffi/errors.ts';
import { lastErrno, openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, {
  fcntl: { arguments: ['i32', 'i32', 'i64'], return: 'i32' },
  poll: { arguments: ['pointer', 'u64', 'i32'], return: 'i32' },
  read: { arguments: ['i32', 'pointer', 'u64'], return: 'i64' },
  write: { arguments: ['i32', 'pointer', 'u64'], return: 'i64' },
  sendfile: { arguments: ['i32', 'i32', 'pointer', 'u64'], return: 'i64' },
});
const F_DUPFD_CLOEXEC = 1030;
const POLLIN = 1;
const POLLOUT = 4;
const EINTR = 4;
const EAGAIN = 11;
/** So often a waiting thread looks whether it is still wanted, in milliseconds. */
const patienceMs = 200;

/** Another descriptor of the same socket, the caller's: the event loop may close its own at any time. @throws SystemError. */
export const duplicate = (fd: number): number => check(libc.fcntl(fd, F_DUPFD_CLOEXEC, 0n), 'fcntl');

/** Waits until the socket is ready, or broken; `wanted` is asked meanwhile and throws to end it. */
function waitReady(fd: number, events: number, wanted: () => void): void {
  const request = Buffer.alloc(8);
  request.writeInt32LE(fd, 0);
  request.writeInt16LE(events, 4);
  while (libc.poll(request, 1n, patienceMs) <= 0) wanted();
}

const events = { read: POLLIN, write: POLLOUT, sendfile: POLLOUT } as const;

function retrying(fd: number, syscall: keyof typeof events, wanted: () => void, call: () => bigint): number {
  for (;;) {
    const result = Number(call());
    if (result >= 0) return result;
    const errno = lastErrno();
    if (errno === EAGAIN) waitReady(fd, events[syscall], wanted);
    else if (errno !== EINTR) throw new SystemError(errno, syscall);
  }
}

/** Sends all bytes, waiting for a slow reader. @throws SystemError `EPIPE` when it is gone; what `wanted` throws. */
export function sendAll(fd: number, bytes: Buffer, wanted: () => void): void {
  for (let at = 0; at < bytes.length; ) {
    const rest = bytes.subarray(at);
    at += retrying(fd, 'write', wanted, () => libc.write(fd, rest, BigInt(rest.length)));
  }
}

/** Sends up to `length` bytes of a file from where it stands; 0 at its end. The bytes are never copied to here. */
export const sendFromFile = (fd: number, file: number, length: number, wanted: () => void): number =>
  retrying(fd, 'sendfile', wanted, () => libc.sendfile(fd, file, null, BigInt(length)));

/** Bytes received into `room`, waiting for a slow sender; 0 when it has ended its side. @throws SystemError `ECONNRESET`. */
export const receive = (fd: number, room: Buffer, wanted: () => void): number =>
  retrying(fd, 'read', wanted, () => libc.read(fd, room, BigInt(room.length)));
