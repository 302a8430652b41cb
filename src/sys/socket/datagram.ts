import { basename, dirname } from 'node:path';
import { closeFd, openFd } from '../ffi/descriptor.ts';
import { check, SystemError } from '../ffi/errors.ts';
import { sealedFile } from '../file/sealed.ts';
import { addressOf, lastErrno, openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, {
  socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  connect: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  send: { arguments: ['i32', 'pointer', 'u64', 'i32'], return: 'i64' },
  sendmsg: { arguments: ['i32', 'pointer', 'i32'], return: 'i64' },
});
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK_CLOEXEC = 0o2004000;
const MSG_DONTWAIT_NOSIGNAL = 0x4040;
const EAGAIN = 11;
const EMSGSIZE = 90;
const ENOBUFS = 105;
const ADDRESS_BYTES = 110;
const O_PATH = 0o10000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;

/** A unix datagram socket that sends to one path. It never blocks; whoever sends waits and tries again. */
export class UnixDatagramSocket {
  readonly #fd: number;

  /** @throws SystemError `ENOENT`, `ECONNREFUSED`, `EPROTOTYPE` (the path takes streams). */
  constructor(path: string) {
    const directory = openFd(dirname(path), O_PATH);
    try {
      // The address has room for 107 bytes of path, so the directory is named by a descriptor.
      this.#fd = connectTo(`/proc/self/fd/${directory}/${basename(path)}`, path);
    } finally {
      closeFd(directory);
    }
  }

  /** Sends one datagram: `full` when the receiver has to take something first. @throws SystemError when it is gone. */
  send(bytes: Uint8Array): 'sent' | 'full' | 'too large' {
    const result = libc.send(this.#fd, bytes, BigInt(bytes.length), MSG_DONTWAIT_NOSIGNAL);
    return outcome(result);
  }

  /** Sends the descriptor of a sealed file in memory that holds the bytes, as journald takes large messages. */
  sendAsFile(bytes: Uint8Array): 'sent' | 'full' | 'too large' {
    const file = sealedFile(bytes, { name: 'message' });
    try {
      return outcome(libc.sendmsg(this.#fd, descriptorMessage(file).header, MSG_DONTWAIT_NOSIGNAL));
    } finally {
      closeFd(file);
    }
  }

  close(): void {
    closeFd(this.#fd);
  }
}

function outcome(result: bigint): 'sent' | 'full' | 'too large' {
  if (result >= 0n) return 'sent';
  const errno = lastErrno();
  if (errno === EAGAIN) return 'full';
  if (errno === EMSGSIZE || errno === ENOBUFS) return 'too large';
  throw new SystemError(errno, 'send');
}

function connectTo(name: string, path: string): number {
  const address = Buffer.alloc(ADDRESS_BYTES);
  address.writeUInt16LE(AF_UNIX, 0);
  const length = address.write(name, 2);
  const fd = check(libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK_CLOEXEC, 0), 'socket');
  if (libc.connect(fd, address, 2 + length + 1) < 0) {
    const errno = lastErrno();
    closeFd(fd);
    throw new SystemError(errno, 'connect', path);
  }
  return fd;
}

/** A struct msghdr without bytes and with one descriptor; `control` must live as long as the header is used. */
function descriptorMessage(fd: number): { header: Buffer; control: Buffer } {
  const control = Buffer.alloc(24);
  control.writeBigUInt64LE(20n, 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  control.writeInt32LE(fd, 16);
  const header = Buffer.alloc(56);
  header.writeBigUInt64LE(addressOf(control), 32);
  header.writeBigUInt64LE(BigInt(control.length), 40);
  return { header, control };
}
