import { basename, dirname } from 'node:path';
import { check, SystemError } from '../ffi/errors.ts';
import { closeFd, openFd } from '../ffi/descriptor.ts';
import { lastErrno, openLibrary } from '../ffi/library.ts';
import { Poll, READABLE, WRITABLE } from '../poll/poll.ts';

const libc = openLibrary(null, {
  socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  connect: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  send: { arguments: ['i32', 'pointer', 'u64', 'i32'], return: 'i64' },
  recv: { arguments: ['i32', 'pointer', 'u64', 'i32'], return: 'i64' },
  shutdown: { arguments: ['i32', 'i32'], return: 'i32' },
});
const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_NONBLOCK_CLOEXEC = 0o2004000;
const MSG_DONTWAIT_NOSIGNAL = 0x4040;
const SHUT_WR = 1;
const EAGAIN = 11;
const EINTR = 4;
/** sizeof(struct sockaddr_un): the family and 108 bytes of path with its NUL. */
const ADDRESS_BYTES = 110;
const O_PATH = 0o10000000;

/** One buffer for all receiving: whoever keeps a packet copies it. Larger than any packet of conmon. */
const packet = Buffer.allocUnsafeSlow(65536);
/** Packets taken in one turn of the event loop, so that one busy container does not starve the others. */
const PACKETS_A_TURN = 64;

export interface PacketListener {
  /** One packet; the bytes are valid during the call only. */
  packet(bytes: Buffer): void;
  /** The other side is gone; called once, unless `close` came first. */
  ended(): void;
}

/** A connected unix SEQPACKET socket on the event loop. What comes in is read at once, unless it is paused. */
export class PacketSocket {
  readonly #fd: number;
  readonly #poll: Poll;
  readonly #listener: PacketListener;
  readonly #queue: { bytes: Uint8Array; sent: () => void }[] = [];
  #ending = false;
  #closed = false;
  #paused = false;

  /** Connects to the socket at `path`, of any length. @throws SystemError `ECONNREFUSED`, `ENOENT`. */
  constructor(path: string, listener: PacketListener) {
    this.#listener = listener;
    this.#fd = connectTo(path);
    this.#poll = new Poll(this.#fd, READABLE, (events) => this.#turn(events));
  }

  /** Queues one packet; resolves when the kernel has it, or when the socket is closed. */
  send(bytes: Uint8Array): Promise<void> {
    if (this.#closed || this.#ending) return Promise.resolve();
    return new Promise((sent) => {
      this.#queue.push({ bytes, sent });
      if (this.#queue.length === 1) this.#flush();
    });
  }

  /** Ends our direction after everything queued was sent. */
  end(): void {
    if (this.#ending || this.#closed) return;
    this.#ending = true;
    if (this.#queue.length === 0) libc.shutdown(this.#fd, SHUT_WR);
  }

  /** Leaves packets in the kernel, which holds the sender back, until `resume`. */
  pause(): void {
    this.#paused = true;
    this.#watch();
  }

  resume(): void {
    this.#paused = false;
    this.#watch();
  }

  /** Does not keep the process alive. */
  unref(): void {
    this.#poll.unref();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#poll.close();
    closeFd(this.#fd);
    for (const { sent } of this.#queue.splice(0)) sent();
  }

  #turn(events: number): void {
    if ((events & READABLE) !== 0) this.#receive();
    if ((events & WRITABLE) !== 0 && !this.#closed) this.#flush();
  }

  #watch(): void {
    this.#poll.watch((this.#paused ? 0 : READABLE) | (this.#queue.length > 0 ? WRITABLE : 0));
  }

  #receive(): void {
    for (let count = 0; count < PACKETS_A_TURN && !this.#closed && !this.#paused; count++) {
      const length = Number(libc.recv(this.#fd, packet, BigInt(packet.length), MSG_DONTWAIT_NOSIGNAL));
      if (length > 0) {
        this.#listener.packet(packet.subarray(0, length));
        continue;
      }
      const errno = length < 0 ? lastErrno() : 0;
      if (errno === EAGAIN) return;
      if (errno === EINTR) continue;
      this.close();
      this.#listener.ended();
    }
  }

  #flush(): void {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const result = libc.send(this.#fd, next.bytes, BigInt(next.bytes.length), MSG_DONTWAIT_NOSIGNAL);
      if (result < 0 && lastErrno() === EAGAIN) {
        this.#watch();
        return;
      }
      // Any other failure means that the reader is gone; the receiving side will tell.
      this.#queue.shift();
      next.sent();
    }
    this.#watch();
    if (this.#ending) libc.shutdown(this.#fd, SHUT_WR);
  }
}

/** The address has room for 107 bytes of path, so the directory is named by a descriptor. */
function connectTo(path: string): number {
  const directory = openFd(dirname(path), O_PATH);
  try {
    return connectShort(`/proc/self/fd/${directory}/${basename(path)}`, path);
  } finally {
    closeFd(directory);
  }
}

function connectShort(name: string, path: string): number {
  const address = Buffer.alloc(ADDRESS_BYTES);
  address.writeUInt16LE(AF_UNIX, 0);
  const length = address.write(name, 2);
  const fd = check(libc.socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK_CLOEXEC, 0), 'socket');
  if (libc.connect(fd, address, 2 + length + 1) < 0) {
    const errno = lastErrno();
    closeFd(fd);
    throw new SystemError(errno, 'connect', path);
  }
  return fd;
}
