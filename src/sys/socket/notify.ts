import { closeFd } from '../ffi/descriptor.ts';
import { check } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, {
  socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  sendto: { arguments: ['i32', 'pointer', 'u64', 'i32', 'pointer', 'u32'], return: 'i64' },
});
const AF_UNIX = 1;
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0o2004000;
const MSG_DONTWAIT_NOSIGNAL = 0x4040;
/** sizeof(sa_family_t), and the longest sun_path (unix(7)). */
const FAMILY_BYTES = 2;
const LONGEST_PATH = 108;

/**
 * Sends one datagram to a unix socket: `/path`, or `@name` in the abstract namespace, as NOTIFY_SOCKET has it. It never
 * waits. @throws SystemError when nobody takes it
 */
export function sendDatagram(socket: string, text: string): void {
  const name = Buffer.from(socket.startsWith('@') ? `\0${socket.slice(1)}` : `${socket}\0`);
  const address = Buffer.alloc(FAMILY_BYTES + LONGEST_PATH);
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, FAMILY_BYTES, 0, LONGEST_PATH);
  const bytes = Buffer.from(text);
  const fd = check(libc.socket(AF_UNIX, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0), 'socket');
  try {
    const length = FAMILY_BYTES + Math.min(name.length, LONGEST_PATH);
    const sent = libc.sendto(fd, bytes, BigInt(bytes.length), MSG_DONTWAIT_NOSIGNAL, address, length);
    check(Number(sent), 'sendto', socket);
  } finally {
    closeFd(fd);
  }
}
