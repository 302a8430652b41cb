import { write } from 'node:fs';
import { getSystemErrorMessage, getSystemErrorName, promisify } from 'node:util';
import { closeFd } from '../ffi/descriptor.ts';
import { check, SystemError } from '../ffi/errors.ts';
import { lastErrno, openLibrary } from '../ffi/library.ts';
import {
  acknowledgementIn,
  controlType,
  encodeMessage,
  flags,
  messagesIn,
  type NetlinkMessage,
  type ReceivedMessage,
} from './message.ts';

const libc = openLibrary(null, {
  socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  bind: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  send: { arguments: ['i32', 'pointer', 'u64', 'i32'], return: 'i64' },
  recv: { arguments: ['i32', 'pointer', 'u64', 'i32'], return: 'i64' },
  setsockopt: { arguments: ['i32', 'i32', 'i32', 'pointer', 'u32'], return: 'i32' },
});

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const MSG_DONTWAIT = 0x40;
const EAGAIN = 11;
const EINTR = 4;
const ENOBUFS = 105;

/** Netlink families (linux/netlink.h). */
export const netlinkFamily = { route: 0, netfilter: 12 } as const;

/** The kernel's refusal of a netlink request. */
export class NetlinkError extends Error {
  /** `EEXIST`, ... */
  readonly code: string;
  readonly errno: number;

  constructor(errno: number, text: string, what: string) {
    const reason = text === '' ? getSystemErrorMessage(-errno) : text;
    super(`${what}: ${reason} (${getSystemErrorName(-errno)})`);
    this.name = 'NetlinkError';
    this.code = getSystemErrorName(-errno);
    this.errno = errno;
  }
}

/** Large enough for the kernel's own datagrams (at most 32 KiB in dumps). */
const receiveBuffer = Buffer.alloc(64 << 10);

/**
 * A netlink socket of the calling thread's network namespace; it stays with that namespace when the thread moves on.
 * The kernel works a request off within send(2), so every call is synchronous and nothing ever waits for an answer;
 * a request may still wait for the lock of the routing tables while another process changes them. What takes the kernel
 * tens of milliseconds goes by `requestAside`.
 */
export class NetlinkSocket implements Disposable {
  readonly fd: number;
  #sequence = 1;

  /** @throws SystemError. */
  constructor(family: number) {
    this.fd = check(libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, family), 'socket');
    try {
      const address = Buffer.alloc(12);
      address.writeUInt16LE(AF_NETLINK, 0);
      check(libc.bind(this.fd, address, address.length), 'bind');
      this.#option(SOL_NETLINK, NETLINK_CAP_ACK, 1);
      this.#option(SOL_NETLINK, NETLINK_EXT_ACK, 1);
    } catch (error) {
      closeFd(this.fd);
      throw error;
    }
  }

  /** Makes room for one request of `bytes`; needs the rights of root. */
  reserve(bytes: number): void {
    this.#option(SOL_SOCKET, SO_SNDBUFFORCE, bytes);
    this.#option(SOL_SOCKET, SO_RCVBUFFORCE, bytes);
  }

  /** Joins a multicast group: the kernel's notices then come to `receive`. */
  subscribe(group: number): void {
    this.#option(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
  }

  /**
   * Sends messages in one datagram and returns when all were worked off. `what` opens the message of an error.
   * @throws NetlinkError with the first refusal; whether the other messages took effect is the family's matter.
   */
  request(messages: readonly NetlinkMessage[], what: string): void {
    this.#exchange(messages, what, undefined);
  }

  /**
   * As `request`, in a thread of libuv's pool: neither the event loop nor the syscall worker waits. One at a time.
   * @throws NetlinkError, SystemError of `write`
   */
  async requestAside(messages: readonly NetlinkMessage[], what: string): Promise<void> {
    const first = this.#sequence;
    await writeWhole(this.fd, this.#encode(messages, true));
    this.#answers(first, what, undefined);
  }

  /** Sends one `get` message and gives the objects of the answer. @throws NetlinkError. */
  query(message: NetlinkMessage, what: string): ReceivedMessage[] {
    const found: ReceivedMessage[] = [];
    this.#exchange([message], what, found);
    return found;
  }

  /** What has arrived by itself, without waiting; `lost` when the kernel had to drop some of it. */
  receive(): { messages: ReceivedMessage[]; lost: boolean } {
    const messages: ReceivedMessage[] = [];
    for (let lost = false; ; ) {
      const length = Number(libc.recv(this.fd, receiveBuffer, BigInt(receiveBuffer.length), MSG_DONTWAIT));
      if (length >= 0) {
        for (const message of messagesIn(receiveBuffer.subarray(0, length))) messages.push(owned(message));
        continue;
      }
      const errno = lastErrno();
      if (errno === EAGAIN) return { messages, lost };
      if (errno === ENOBUFS) lost = true;
      else if (errno !== EINTR) throw new SystemError(errno, 'recv');
    }
  }

  [Symbol.dispose](): void {
    closeFd(this.fd);
  }

  #option(level: number, name: number, value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    check(libc.setsockopt(this.fd, level, name, bytes, bytes.length), 'setsockopt');
  }

  #exchange(messages: readonly NetlinkMessage[], what: string, found: ReceivedMessage[] | undefined): void {
    const first = this.#sequence;
    const bytes = this.#encode(messages, found === undefined);
    check(libc.send(this.fd, bytes, BigInt(bytes.length), 0), what);
    this.#answers(first, what, found);
  }

  #encode(messages: readonly NetlinkMessage[], acknowledged: boolean): Buffer {
    const parts: Buffer[] = [];
    for (const message of messages) {
      // Only the last one asks for its acknowledgement; refusals always come.
      const last = parts.length === messages.length - 1 && acknowledged;
      parts.push(encodeMessage(last ? { ...message, flags: message.flags | flags.ack } : message, this.#sequence++));
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  }

  /** What the kernel has answered by now to the messages from sequence number `first` on. */
  #answers(first: number, what: string, found: ReceivedMessage[] | undefined): void {
    const { messages: answers, lost } = this.receive();
    for (const answer of answers) {
      if (answer.sequence < first || answer.sequence >= this.#sequence) continue;
      if (answer.type === controlType.error) {
        const { errno, text } = acknowledgementIn(answer);
        if (errno !== 0) throw new NetlinkError(errno, text, what);
      } else if (answer.type !== controlType.done) found?.push(answer);
    }
    if (lost) throw new NetlinkError(ENOBUFS, 'the answer was lost', what);
  }
}

const writeWhole = promisify(write);
const owned = (message: ReceivedMessage): ReceivedMessage => ({ ...message, body: Buffer.from(message.body) });
