import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { lookup } from 'node:dns/promises';
import { delay, orAborted } from '../../base/async.ts';
import { UnixDatagramSocket } from '../../sys/socket/datagram.ts';

/** Sends datagrams to one place; the next one after a failure begins with a new socket. */
export interface Datagrams {
  /** Resolves when the kernel has it. `too large`: no datagram holds so many bytes. */
  send(bytes: Uint8Array, signal: AbortSignal): Promise<'sent' | 'too large'>;
  close(): void;
}

/** So long to wait when the reader of a unix socket has not taken what was sent before. */
const FULL_MS = 5;

export function udpDatagrams(host: string, port: number): Datagrams {
  let socket: Socket | undefined;
  const close = () => {
    socket?.close();
    socket = undefined;
  };
  const open = async (): Promise<Socket> => {
    const { address } = await lookup(host);
    const opened = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    // Sends tell their errors themselves; one that the kernel tells later belongs to a datagram that is gone.
    opened.on('error', () => undefined);
    const { promise, resolve } = Promise.withResolvers<void>();
    opened.connect(port, address, resolve);
    await promise;
    return opened;
  };
  return {
    async send(bytes, signal) {
      socket ??= await orAborted(open(), signal);
      const { promise, resolve, reject } = Promise.withResolvers<'sent' | 'too large'>();
      socket.send(bytes, (error) => {
        if (error === null) return resolve('sent');
        if ((error as NodeJS.ErrnoException).code === 'EMSGSIZE') return resolve('too large');
        close();
        reject(error);
      });
      return promise;
    },
    close,
  };
}

export function unixDatagrams(path: string): Datagrams {
  let socket: UnixDatagramSocket | undefined;
  const close = () => {
    socket?.close();
    socket = undefined;
  };
  return {
    send: (bytes, signal) => sendUnix(() => (socket ??= new UnixDatagramSocket(path)), close, bytes, signal),
    close,
  };
}

/** Sends one datagram; with `asFile` one that is too large goes as a file in memory. */
export async function sendUnix(
  open: () => UnixDatagramSocket,
  close: () => void,
  bytes: Uint8Array,
  signal: AbortSignal,
  asFile = false,
): Promise<'sent' | 'too large'> {
  for (;;) {
    try {
      const socket = open();
      let outcome = socket.send(bytes);
      if (outcome === 'too large' && asFile) outcome = socket.sendAsFile(bytes);
      if (outcome !== 'full') return outcome;
    } catch (error) {
      close();
      throw error;
    }
    await delay(FULL_MS, signal);
  }
}
