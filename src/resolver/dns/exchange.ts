import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { bytesOf, parseAddress } from '../../base/address.ts';
import type { Upstream } from '../../spec/resolver/names.ts';
import { linkIndex } from '../../sys/netlink/plug.ts';
import { connectDatagrams, DatagramClient, type SocketAddress, socketAddress } from '../../sys/socket/inet-datagram.ts';
import { connectSocket, openStream } from '../../sys/socket/namespace-socket.ts';
import { frameMessage, MessageReader } from './frames.ts';
import { largestMessage, type Query, responseCode } from './query.ts';
import { readReply, type Reply } from './reply.ts';

/** A question that is passed on: an own copy, as it lives longer than the buffer it came in. */
export type PassedQuery = Pick<Query, 'bytes' | 'questionEnd'>;

/** Runs `work` in the namespace that a server is asked from. */
export type Enter = <T>(from: Upstream['from'], work: () => T extends Promise<unknown> ? never : T) => T;

/** A server that says nothing for so long is asked again after the others; the last one is waited for longer. */
const patienceMs = 1200;
const lastPatienceMs = 2500;
const rounds = 2;
const streamPatienceMs = 3000;
const namePort = 53;

/** A reply that settles the question: others mean that the next server may know better. */
const isFinal = ({ code }: Reply): boolean => code !== responseCode.serverFailure && code !== responseCode.refused;

/** @throws SystemError */
function addressOfUpstream({ address: text, port = namePort }: Upstream): SocketAddress {
  const [plain = '', scope] = text.split('%');
  const address = parseAddress(plain);
  if (address === undefined) throw new Error(`${text} is no address`);
  return socketAddress(bytesOf(address), port, scope === undefined ? 0 : linkIndex(scope));
}

/**
 * Asks servers over UDP, in their order, one more whenever there was no reply for a while or a useless one; the first final
 * reply counts, whoever sends it. Each question has a socket, and so a port, of its own, and a number: a reply is hard to
 * guess. Gives undefined when nobody had a final reply.
 */
export function exchangeByDatagrams(
  query: PassedQuery,
  upstreams: readonly Upstream[],
  enter: Enter,
  signal: AbortSignal,
): Promise<Reply | undefined> {
  return new Promise((resolve) => {
    const cancel = (): void => exchange.cancel();
    const exchange = new DatagramExchange(query, upstreams, enter, (reply) => {
      signal.removeEventListener('abort', cancel);
      resolve(reply);
    });
    signal.addEventListener('abort', cancel, { once: true });
    exchange.begin();
  });
}

class DatagramExchange {
  readonly #query: PassedQuery;
  readonly #upstreams: readonly Upstream[];
  readonly #enter: Enter;
  readonly #done: (reply: Reply | undefined) => void;
  readonly #open = new Set<DatagramClient>();
  #attempts = 0;
  #timer: NodeJS.Timeout | undefined;
  #over = false;

  constructor(
    query: PassedQuery,
    upstreams: readonly Upstream[],
    enter: Enter,
    done: (reply: Reply | undefined) => void,
  ) {
    this.#query = query;
    this.#upstreams = upstreams;
    this.#enter = enter;
    this.#done = done;
  }

  begin(): void {
    this.#next();
  }

  /** Ends it without a reply. */
  cancel(): void {
    this.#finish(undefined);
  }

  #next(): void {
    clearTimeout(this.#timer);
    const most = this.#upstreams.length * rounds;
    while (this.#attempts < most && !this.#over) {
      const upstream = this.#upstreams[this.#attempts % this.#upstreams.length];
      this.#attempts++;
      if (upstream === undefined || !this.#ask(upstream)) continue;
      this.#timer = setTimeout(() => this.#next(), this.#attempts < most ? patienceMs : lastPatienceMs);
      return;
    }
    this.#finish(undefined);
  }

  /** False when the question could not be sent. */
  #ask(upstream: Upstream): boolean {
    const id = randomInt(0x1_0000);
    const bytes = Buffer.from(this.#query.bytes);
    bytes.writeUInt16BE(id, 0);
    let client: DatagramClient;
    const failed = (): void => {
      this.#open.delete(client);
      client.close();
      // Others may still reply; when nobody is left the next one need not wait.
      if (this.#open.size === 0) this.#next();
    };
    try {
      const fd = this.#enter(upstream.from, () => connectDatagrams(addressOfUpstream(upstream)));
      client = new DatagramClient(fd, {
        packet: (packet) => {
          const reply = readReply(packet, this.#query, id);
          if (reply === undefined) return;
          if (isFinal(reply)) this.#finish(reply);
          else failed();
        },
        failed,
      });
    } catch {
      return false;
    }
    this.#open.add(client);
    if (client.send(bytes)) return true;
    this.#open.delete(client);
    client.close();
    return false;
  }

  #finish(reply: Reply | undefined): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    for (const client of this.#open) client.close();
    this.#open.clear();
    this.#done(reply);
  }
}

/** Asks servers over TCP, one after the other; undefined when nobody had a final reply. */
export async function exchangeByStream(
  query: PassedQuery,
  upstreams: readonly Upstream[],
  enter: Enter,
  signal: AbortSignal,
): Promise<Reply | undefined> {
  for (const upstream of upstreams) {
    if (signal.aborted) return undefined;
    const patience = AbortSignal.any([signal, AbortSignal.timeout(streamPatienceMs)]);
    const reply = await askByStream(query, upstream, enter, patience).catch(() => undefined);
    if (reply !== undefined && isFinal(reply)) return reply;
  }
  return undefined;
}

async function askByStream(
  query: PassedQuery,
  upstream: Upstream,
  enter: Enter,
  signal: AbortSignal,
): Promise<Reply | undefined> {
  const address = addressOfUpstream(upstream);
  const fd = enter(upstream.from, () => openStream(address.length === 16 ? 4 : 6));
  await connectSocket(fd, address, signal);
  const socket = new Socket({ fd, readable: true, writable: true });
  const abort = (): void => void socket.destroy();
  signal.addEventListener('abort', abort, { once: true });
  try {
    const id = randomInt(0x1_0000);
    const bytes = Buffer.from(query.bytes);
    bytes.writeUInt16BE(id, 0);
    let reply: Reply | undefined;
    const reader = new MessageReader((message) => {
      reply ??= readReply(message, query, id);
    }, largestMessage);
    socket.on('data', (chunk: Buffer) => {
      reader.read(chunk);
      if (reply !== undefined) socket.destroy();
    });
    socket.on('error', () => undefined);
    const closed = once(socket, 'close');
    socket.write(frameMessage(bytes));
    if (signal.aborted) socket.destroy();
    await closed;
    return reply;
  } finally {
    signal.removeEventListener('abort', abort);
    socket.destroy();
  }
}
