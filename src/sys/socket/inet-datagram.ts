import { closeFd } from '../ffi/descriptor.ts';
import { check, SystemError } from '../ffi/errors.ts';
import { lastErrno, openLibrary } from '../ffi/library.ts';
import { Poll, READABLE } from '../poll/poll.ts';

/**
 * UDP sockets on the event loop, by descriptor: so that they may belong to any network namespace. node:dgram takes a
 * buffer, three objects and a turn of the loop for each packet; a name server's packets are answered where they are read.
 */

const libc = openLibrary(null, {
  socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  connect: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  send: { arguments: ['i32', 'pointer', 'u64', 'i32'], return: 'i64' },
  recv: { arguments: ['i32', 'pointer', 'u64', 'i32'], return: 'i64' },
  recvfrom: { arguments: ['i32', 'pointer', 'u64', 'i32', 'pointer', 'pointer'], return: 'i64' },
  sendto: { arguments: ['i32', 'pointer', 'u64', 'i32', 'pointer', 'u32'], return: 'i64' },
});
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK_CLOEXEC = 0o2004000;
const MSG_DONTWAIT = 0x40;
const EAGAIN = 11;
const EINTR = 4;

/** Packets taken in one turn of the event loop, so that a flood on one socket does not starve the others. */
const packetsATurn = 32;
/** sizeof(struct sockaddr_in6), the longer one. */
const addressBytes = 28;

/** One buffer for all receiving. */
const packet = Buffer.allocUnsafeSlow(65_536);
const from = Buffer.alloc(addressBytes);
const fromLength = Buffer.alloc(4);

/** Where a packet came from: struct sockaddr, of as many bytes as it has. */
export type SocketAddress = Buffer;

/** Serves a bound socket, which it takes over. */
export class DatagramServer {
  readonly #fd: number;
  readonly #poll: Poll;
  readonly #listener: (bytes: Buffer, from: SocketAddress) => void;
  #closed = false;

  /** `listener` gets each packet and its sender; both are valid during the call only. */
  constructor(fd: number, listener: (bytes: Buffer, from: SocketAddress) => void) {
    this.#fd = fd;
    this.#listener = listener;
    this.#poll = new Poll(fd, READABLE, () => this.#receive());
  }

  /** Sends one packet; what does not go is lost, as packets are. */
  send(bytes: Uint8Array, to: SocketAddress): void {
    if (!this.#closed) libc.sendto(this.#fd, bytes, BigInt(bytes.length), MSG_DONTWAIT, to, to.length);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#poll.close();
    closeFd(this.#fd);
  }

  #receive(): void {
    for (let count = 0; count < packetsATurn && !this.#closed; count++) {
      fromLength.writeUInt32LE(addressBytes, 0);
      const length = Number(libc.recvfrom(this.#fd, packet, BigInt(packet.length), MSG_DONTWAIT, from, fromLength));
      if (length < 0) {
        if (lastErrno() === EAGAIN) return;
        // Errors of packets that were sent before come here, too: the next call is about the next thing.
        continue;
      }
      this.#listener(packet.subarray(0, length), from.subarray(0, fromLength.readUInt32LE(0)));
    }
    // After an error libuv stops to watch.
    this.#poll.watch(READABLE);
  }
}

export interface DatagramListener {
  /** A packet of the peer; the bytes are valid during the call only. */
  packet(bytes: Buffer): void;
  /** The network says that nothing can come of it: nobody listens there, or there is no way. */
  failed(): void;
}

/** A socket to one peer, with a port that the kernel chooses. Only packets of that peer come in. */
export class DatagramClient {
  readonly #fd: number;
  readonly #poll: Poll;
  readonly #listener: DatagramListener;
  #closed = false;

  /** Takes over the descriptor of `connectDatagrams`. */
  constructor(fd: number, listener: DatagramListener) {
    this.#fd = fd;
    this.#listener = listener;
    this.#poll = new Poll(fd, READABLE, () => this.#receive());
  }

  /** False when it cannot go. */
  send(bytes: Uint8Array): boolean {
    return !this.#closed && libc.send(this.#fd, bytes, BigInt(bytes.length), MSG_DONTWAIT) >= 0;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#poll.close();
    closeFd(this.#fd);
  }

  #receive(): void {
    for (let count = 0; count < packetsATurn && !this.#closed; count++) {
      const length = Number(libc.recv(this.#fd, packet, BigInt(packet.length), MSG_DONTWAIT));
      if (length >= 0) {
        this.#listener.packet(packet.subarray(0, length));
        continue;
      }
      const errno = lastErrno();
      if (errno === EAGAIN) return;
      if (errno !== EINTR) return this.#listener.failed();
    }
  }
}

/** struct sockaddr_in or sockaddr_in6 of an address of 4 or 16 bytes; `scope` is the interface of a link-local one. */
export function socketAddress(address: Uint8Array, port: number, scope = 0): SocketAddress {
  const isV4 = address.length === 4;
  const bytes = Buffer.alloc(isV4 ? 16 : addressBytes);
  bytes.writeUInt16LE(isV4 ? AF_INET : AF_INET6, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(address, isV4 ? 4 : 8);
  if (!isV4) bytes.writeUInt32LE(scope, 24);
  return bytes;
}

/** A socket of the calling thread's namespace that is connected to a peer. @throws SystemError `ENETUNREACH`, ... */
export function connectDatagrams(to: SocketAddress): number {
  const fd = check(libc.socket(to.readUInt16LE(0), SOCK_DGRAM | SOCK_NONBLOCK_CLOEXEC, 0), 'socket');
  if (libc.connect(fd, to, to.length) === 0) return fd;
  const errno = lastErrno();
  closeFd(fd);
  throw new SystemError(errno, 'connect');
}
