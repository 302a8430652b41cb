import { readFileSync } from 'node:fs';
import { check, systemCode } from '../ffi/errors.ts';
import { closeFd } from '../ffi/descriptor.ts';
import { openLibrary } from '../ffi/library.ts';

const libc = openLibrary(null, {
  socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  bind: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  listen: { arguments: ['i32', 'i32'], return: 'i32' },
  setsockopt: { arguments: ['i32', 'i32', 'i32', 'pointer', 'u32'], return: 'i32' },
});

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const protocols = { tcp: [SOCK_STREAM, 6], udp: [SOCK_DGRAM, 17], sctp: [SOCK_STREAM, 132] } as const;

const nothing: Disposable = { [Symbol.dispose]: () => undefined };

/**
 * Takes an IPv4 port of the calling thread's network namespace, as a server would, until the result is disposed of; no
 * other program can listen there meanwhile. `address` is 4 bytes. A protocol that the kernel lacks has no programs
 * to guard against. @throws SystemError `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES`.
 */
export function holdPort(protocol: 'tcp' | 'udp' | 'sctp', address: Uint8Array, port: number): Disposable {
  const [type, number] = protocols[protocol];
  let fd: number;
  try {
    fd = check(libc.socket(AF_INET, type | SOCK_CLOEXEC, number), 'socket');
  } catch (error) {
    if (systemCode(error) === 'EPROTONOSUPPORT') return nothing;
    throw error;
  }
  try {
    // Connections of an ended server that linger in TIME_WAIT are no obstacle, a living listener still is one.
    if (type === SOCK_STREAM)
      check(libc.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, Uint8Array.of(1, 0, 0, 0), 4), 'setsockopt');
    const name = Buffer.alloc(16);
    name.writeUInt16LE(AF_INET, 0);
    name.writeUInt16BE(port, 2);
    name.set(address, 4);
    check(libc.bind(fd, name, name.length), 'bind');
    if (type === SOCK_STREAM) check(libc.listen(fd, 0), 'listen');
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  return { [Symbol.dispose]: () => closeFd(fd) };
}

/** The ports that the kernel picks from for programs that don't care (ip_local_port_range), first and last. */
export function ephemeralPortRange(): readonly [number, number] {
  const fallback = [32768, 60999] as const;
  try {
    const [first, last] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
      .trim()
      .split(/\s+/)
      .map(Number);
    return first !== undefined && last !== undefined && first > 0 && last >= first && last < 65536
      ? [first, last]
      : fallback;
  } catch {
    return fallback;
  }
}
