import { closeSync, fstatSync, readSync } from 'node:fs';
import { addressOf, lastErrno, openLibrary } from '../../src/sys/ffi/library.ts';

const libc = openLibrary(null, {
  socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  bind: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  recvmsg: { arguments: ['i32', 'pointer', 'i32'], return: 'i64' },
});
const AF_UNIX = 1;
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 0o2004002;
const bytes = Buffer.alloc(1 << 20);
const control = Buffer.alloc(24);

/** A unix datagram socket at a path of at most 107 bytes. */
export function bindDatagrams(path: string): number {
  const address = Buffer.alloc(110);
  address.writeUInt16LE(AF_UNIX, 0);
  const length = address.write(path, 2);
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0);
  if (fd < 0 || libc.bind(fd, address, 2 + length + 1) < 0) throw new Error(`bind: errno ${lastErrno()}`);
  return fd;
}

/** The next datagram, or what is in the file that came with it; undefined when there is none. */
export function receiveDatagram(fd: number): Buffer | undefined {
  const piece = Buffer.alloc(16);
  piece.writeBigUInt64LE(addressOf(bytes), 0);
  piece.writeBigUInt64LE(BigInt(bytes.length), 8);
  const header = Buffer.alloc(56);
  header.writeBigUInt64LE(addressOf(piece), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(addressOf(control), 32);
  header.writeBigUInt64LE(BigInt(control.length), 40);
  const length = Number(libc.recvmsg(fd, header, 0));
  if (length < 0) return undefined;
  if (Number(header.readBigUInt64LE(40)) < 20) return Buffer.from(bytes.subarray(0, length));
  const file = control.readInt32LE(16);
  const content = Buffer.alloc(fstatSync(file).size);
  readSync(file, content, 0, content.length, 0);
  closeSync(file);
  return content;
}
