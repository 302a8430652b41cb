import { basename, dirname } from 'node:path';
import { closeFd, openFd } from '../ffi/descriptor.ts';
import { check, SystemError, systemCode } from '../ffi/errors.ts';
import { addressOf, lastErrno, openLibrary } from '../ffi/library.ts';
import { Poll, READABLE, WRITABLE } from '../poll/poll.ts';

/** Unix stream sockets that carry lines of text and, with some of them, descriptors (unix(7), SCM_RIGHTS). */

const libc = openLibrary(null, {
  socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  bind: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  listen: { arguments: ['i32', 'i32'], return: 'i32' },
  accept4: { arguments: ['i32', 'pointer', 'pointer', 'i32'], return: 'i32' },
  connect: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  sendmsg: { arguments: ['i32', 'pointer', 'i32'], return: 'i64' },
  recvmsg: { arguments: ['i32', 'pointer', 'i32'], return: 'i64' },
});
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK_CLOEXEC = 0o2004000;
const MSG_DONTWAIT_NOSIGNAL = 0x4040;
const MSG_DONTWAIT_CMSG_CLOEXEC = 0x40000040;
const MSG_CTRUNC = 0x8;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const EAGAIN = 11;
const EINTR = 4;
const ADDRESS_BYTES = 110;
const O_PATH = 0o10000000;

/** Descriptors that one line may bring along. */
const mostDescriptors = 8;
const controlHeader = 16;
/** Bytes taken at once, and how often in one turn of the event loop. */
const pieceBytes = 64 << 10;
const piecesATurn = 16;

export interface LineListener {
  /** One line, without its end. `descriptors` came with it: whoever is told closes them. */
  line(text: string, descriptors: readonly number[]): void;
  /** The other side is gone; called once, unless `close` came first. */
  ended(): void;
}

/** How many descriptors a line brings stands before it. */
const frame = (text: string, count: number): Buffer => Buffer.from(`${count}${text}\n`);

interface Outgoing {
  bytes: Buffer;
  /** Sent with the first byte. */
  descriptors: readonly number[];
}

/** One connection. Lines are short enough to be kept whole; a longer one than `limit` characters ends it. */
export class LineSocket {
  readonly #fd: number;
  readonly #poll: Poll;
  readonly #listener: LineListener;
  readonly #limit: number;
  readonly #queue: Outgoing[] = [];
  readonly #arrived: number[] = [];
  #rest: Buffer = Buffer.alloc(0);
  #closed = false;

  /** Takes the descriptor of a connected socket over. */
  constructor(fd: number, limit: number, listener: LineListener) {
    this.#fd = fd;
    this.#limit = limit;
    this.#listener = listener;
    this.#poll = new Poll(fd, READABLE, (events) => this.#turn(events));
  }

  /** Does not keep the process alive. */
  unref(): this {
    this.#poll.unref();
    return this;
  }

  /** Queues a line without line breaks; the descriptors are this socket's from now on. */
  send(text: string, descriptors: readonly number[] = []): void {
    if (this.#closed) return closeAll(descriptors);
    this.#queue.push({ bytes: frame(text, descriptors.length), descriptors });
    if (this.#queue.length === 1) this.#flush();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#poll.close();
    closeFd(this.#fd);
    for (const { descriptors } of this.#queue.splice(0)) closeAll(descriptors);
    closeAll(this.#arrived.splice(0));
  }

  #turn(events: number): void {
    if ((events & READABLE) !== 0) this.receive();
    if ((events & WRITABLE) !== 0 && !this.#closed) this.#flush();
  }

  #lost(): void {
    if (this.#closed) return;
    this.close();
    this.#listener.ended();
  }

  #flush(): void {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const sent = send(this.#fd, next.bytes, next.descriptors);
      if (sent === 'full') break;
      if (sent === 'gone') return this.#lost();
      closeAll(next.descriptors);
      next.descriptors = [];
      next.bytes = next.bytes.subarray(sent);
      if (next.bytes.length === 0) this.#queue.shift();
    }
    this.#poll.watch(READABLE | (this.#queue.length > 0 ? WRITABLE : 0));
  }

  /** Tells the listener at once of what has arrived. Not to be called by the listener. */
  receive(): void {
    for (let count = 0; count < piecesATurn && !this.#closed; count++) {
      const received = receive(this.#fd, this.#arrived);
      if (received === 'empty') return;
      if (received === 'gone') return this.#lost();
      this.#take(received);
    }
  }

  #take(piece: Buffer): void {
    let from = 0;
    for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, from)) {
      const part = piece.subarray(from, end);
      const line = (this.#rest.length === 0 ? part : Buffer.concat([this.#rest, part])).toString();
      this.#rest = Buffer.alloc(0);
      from = end + 1;
      const count = Number(line.slice(0, 1));
      if (!(count <= this.#arrived.length)) return this.#lost();
      this.#listener.line(line.slice(1), this.#arrived.splice(0, count));
      if (this.#closed) return;
    }
    if (this.#rest.length + piece.length - from > this.#limit) return this.#lost();
    this.#rest = Buffer.concat([this.#rest, piece.subarray(from)]);
  }
}

function closeAll(descriptors: readonly number[]): void {
  for (const fd of descriptors) closeFd(fd);
}

/** Connects to the socket at `path`, of any length; undefined when nobody listens there. @throws SystemError */
export function connectLines(path: string, limit: number, listener: LineListener): LineSocket | undefined {
  const fd = openSocket();
  try {
    withAddress(path, (address, length) => {
      if (libc.connect(fd, address, length) < 0) throw new SystemError(lastErrno(), 'connect', path);
    });
  } catch (error) {
    closeFd(fd);
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ECONNREFUSED') return undefined;
    throw error;
  }
  return new LineSocket(fd, limit, listener);
}

/** Listens at `path`, where nothing may be; gives each connection's descriptor away. @throws SystemError */
export function listenForLines(path: string, onConnection: (fd: number) => void): Disposable {
  const fd = openSocket();
  try {
    withAddress(path, (address, length) => check(libc.bind(fd, address, length), 'bind', path));
    check(libc.listen(fd, 16), 'listen', path);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  const poll = new Poll(fd, READABLE, () => {
    const connection = libc.accept4(fd, null, null, SOCK_NONBLOCK_CLOEXEC);
    if (connection >= 0) onConnection(connection);
  });
  return {
    [Symbol.dispose]() {
      poll.close();
      closeFd(fd);
    },
  };
}

const openSocket = (): number => check(libc.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK_CLOEXEC, 0), 'socket');

/** The address has room for 107 bytes of path, so the directory is named by a descriptor. */
function withAddress(path: string, work: (address: Buffer, length: number) => void): void {
  const directory = openFd(dirname(path), O_PATH);
  try {
    const address = Buffer.alloc(ADDRESS_BYTES);
    address.writeUInt16LE(AF_UNIX, 0);
    const length = address.write(`/proc/self/fd/${directory}/${basename(path)}`, 2);
    work(address, 2 + length + 1);
  } finally {
    closeFd(directory);
  }
}

/** One struct msghdr and its parts, used for every call: calls are synchronous. */
const piece = Buffer.allocUnsafeSlow(pieceBytes);
const vector = Buffer.alloc(16);
const control = Buffer.alloc(controlHeader + 4 * mostDescriptors);
const header = Buffer.alloc(56);
const controlLengthAt = 40;
const flagsAt = 48;
header.writeBigUInt64LE(addressOf(vector), 16);
header.writeBigUInt64LE(1n, 24);

function pointAt(bytes: Buffer): void {
  vector.writeBigUInt64LE(addressOf(bytes), 0);
  vector.writeBigUInt64LE(BigInt(bytes.length), 8);
}

/** Gives how many bytes went; the descriptors went when any did. */
function send(fd: number, bytes: Buffer, descriptors: readonly number[]): number | 'full' | 'gone' {
  pointAt(bytes);
  const length = descriptors.length === 0 ? 0 : controlHeader + 4 * descriptors.length;
  header.writeBigUInt64LE(length === 0 ? 0n : addressOf(control), 32);
  header.writeBigUInt64LE(BigInt(length === 0 ? 0 : (length + 7) & ~7), controlLengthAt);
  if (length > 0) {
    control.writeBigUInt64LE(BigInt(length), 0);
    control.writeInt32LE(SOL_SOCKET, 8);
    control.writeInt32LE(SCM_RIGHTS, 12);
    for (const [at, one] of descriptors.entries()) control.writeInt32LE(one, controlHeader + 4 * at);
  }
  for (;;) {
    const result = Number(libc.sendmsg(fd, header, MSG_DONTWAIT_NOSIGNAL));
    if (result >= 0) return result;
    const errno = lastErrno();
    if (errno === EAGAIN) return 'full';
    if (errno !== EINTR) return 'gone';
  }
}

/** The bytes are valid until the next call; descriptors are added to `arrived`. */
function receive(fd: number, arrived: number[]): Buffer | 'empty' | 'gone' {
  pointAt(piece);
  header.writeBigUInt64LE(addressOf(control), 32);
  for (;;) {
    header.writeBigUInt64LE(BigInt(control.length), controlLengthAt);
    const result = Number(libc.recvmsg(fd, header, MSG_DONTWAIT_CMSG_CLOEXEC));
    if (result > 0) {
      const length = Number(header.readBigUInt64LE(controlLengthAt));
      if (length >= controlHeader) {
        const end = Number(control.readBigUInt64LE(0));
        for (let at = controlHeader; at + 4 <= end; at += 4) arrived.push(control.readInt32LE(at));
      }
      return (header.readInt32LE(flagsAt) & MSG_CTRUNC) !== 0 ? 'gone' : piece.subarray(0, result);
    }
    const errno = result < 0 ? lastErrno() : 0;
    if (errno === EAGAIN) return 'empty';
    if (errno !== EINTR) return 'gone';
  }
}
