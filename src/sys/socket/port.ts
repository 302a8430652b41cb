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
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const protocols = { tcp: [SOCK_STREAM, 6], udp: [SOCK_DGRAM, 17], sctp: [SOCK_STREAM, 132] } as const;

const nothing: Disposable = { [Symbol.dispose]: () => undefined };
/** The kernel has no such protocol, so no program can use it either. */
const lacking = new Set(['EPROTONOSUPPORT', 'EAFNOSUPPORT']);

/** A socket of that family that closes with its owner; undefined when the kernel lacks the protocol. */
function openSocket(family: number, protocol: keyof typeof protocols): number | undefined {
  const [type, number] = protocols[protocol];
  try {
    return check(libc.socket(family, type | SOCK_CLOEXEC, number), 'socket');
  } catch (error) {
    if (lacking.has(systemCode(error) ?? '')) return undefined;
    throw error;
  }
}

function switchOn(fd: number, level: number, option: number): void {
  check(libc.setsockopt(fd, level, option, Uint8Array.of(1, 0, 0, 0), 4), 'setsockopt');
}

/** Runs `work` with the descriptor; closes it when that throws, else with the result. */
function holding(fd: number, work: () => void): Disposable {
  try {
    work();
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  return { [Symbol.dispose]: () => closeFd(fd) };
}

/**
 * Takes an IPv4 port of the calling thread's network namespace, as a server would, until the result is disposed of; no
 * other program can listen there meanwhile. `address` is 4 bytes. @throws SystemError `EADDRINUSE`, `EADDRNOTAVAIL`,
 * `EACCES`.
 */
export function holdPort(protocol: 'tcp' | 'udp' | 'sctp', address: Uint8Array, port: number): Disposable {
  const fd = openSocket(AF_INET, protocol);
  if (fd === undefined) return nothing;
  const streams = protocol !== 'udp';
  return holding(fd, () => {
    // Connections of an ended server that linger in TIME_WAIT are no obstacle, a living listener still is one.
    if (streams) switchOn(fd, SOL_SOCKET, SO_REUSEADDR);
    const name = Buffer.alloc(16);
    name.writeUInt16LE(AF_INET, 0);
    name.writeUInt16BE(port, 2);
    name.set(address, 4);
    check(libc.bind(fd, name, name.length), 'bind');
    if (streams) check(libc.listen(fd, 0), 'listen');
  });
}

/**
 * Takes an IPv6 port for a server of this user that listens with SO_REUSEPORT: that one can come and go while the port
 * is held, others cannot. `address` is 16 bytes. A UDP port is only looked at, as a holder would get packets. Undefined
 * when the kernel has no IPv6. @throws SystemError as `holdPort`.
 */
export function sharePort6(protocol: 'tcp' | 'udp', address: Uint8Array, port: number): Disposable | undefined {
  const fd = openSocket(AF_INET6, protocol);
  if (fd === undefined) return undefined;
  const held = holding(fd, () => {
    switchOn(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    switchOn(fd, SOL_SOCKET, SO_REUSEPORT);
    const name = Buffer.alloc(28);
    name.writeUInt16LE(AF_INET6, 0);
    name.writeUInt16BE(port, 2);
    name.set(address, 8);
    check(libc.bind(fd, name, name.length), 'bind');
  });
  if (protocol === 'tcp') return held;
  held[Symbol.dispose]();
  return nothing;
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
