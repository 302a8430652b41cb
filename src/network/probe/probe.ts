/** The engine's own probes of servers inside containers: health checks for images without any client. */
import { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { codeOf, EngineError, messageOf } from '../../base/errors.ts';
import type { NetworkProbes, ProbeAnswer, ProbePlace, ProbeTarget } from '../../spec/contract/probe.ts';
import { callBlocking } from '../../sys/blocking/blocking.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import { socketAddress } from '../../sys/socket/inet-datagram.ts';
import { connectSocket } from '../../sys/socket/namespace-socket.ts';
import { bytesOf, parseAddress } from '../../base/address.ts';
import { askHttp } from './http.ts';

type Process = Parameters<NetworkProbes['probe']>[1];

/** What a connection failed with, in words that do not name the engine's own calls. */
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network is unreachable',
  ETIMEDOUT: 'connection timed out',
  ECONNRESET: 'connection reset by peer',
};
const reasonOf = (error: unknown): string => reasons[systemCode(error) ?? ''] ?? messageOf(error);

/** Sockets are opened by a worker thread, in the container's network namespace, and used here. */
export const networkProbes: NetworkProbes = {
  async probe(target, process, textLimit, signal) {
    try {
      return await answerOf(target, process, textLimit, signal);
    } catch (error) {
      if (signal.aborted || codeOf(error) === 'cancelled')
        throw new EngineError('cancelled', 'the probe was cancelled');
      const what = target.kind === 'tcp' ? 'TCP' : 'HTTP';
      return { isGood: false, text: `${what} check of ${placeOf(target)} failed: ${reasonOf(error)}` };
    }
  },
};

const placeOf = ({ addresses, port }: ProbePlace): string =>
  addresses.map((address) => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`)).join(', ');

async function answerOf(
  target: ProbeTarget,
  process: Process,
  textLimit: number,
  signal: AbortSignal,
): Promise<ProbeAnswer> {
  const socket = await connectFirst(target, process, signal);
  const abort = () => void socket.destroy();
  signal.addEventListener('abort', abort, { once: true });
  try {
    signal.throwIfAborted();
    if (target.kind === 'tcp') return { isGood: true, text: '' };
    // Nobody can vouch for the certificate of a server that is known as localhost.
    const stream = target.secure ? connectTls({ socket, rejectUnauthorized: false }) : socket;
    return await askHttp(stream, target, textLimit);
  } finally {
    signal.removeEventListener('abort', abort);
    socket.destroy();
  }
}

/** The first address that takes the connection. @throws what the last one failed with. */
async function connectFirst(target: ProbePlace, process: Process, signal: AbortSignal): Promise<Socket> {
  let failure: unknown = new EngineError('invalid', 'no address');
  for (const address of target.addresses) {
    signal.throwIfAborted();
    try {
      const parsed = parseAddress(address);
      if (parsed === undefined) throw new EngineError('invalid', `${address} is no address`);
      const fd = await callBlocking('openSocketIn', process, parsed.family);
      await connectSocket(fd, socketAddress(bytesOf(parsed), target.port), signal);
      const socket = new Socket({ fd, readable: true, writable: true });
      // Until somebody listens to it: a reset by the server is no fault of the engine.
      socket.on('error', () => socket.destroy());
      return socket;
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}
