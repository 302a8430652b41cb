import { createServer, type Server, type Socket } from 'node:net';
import type { NamedSandbox } from '../../spec/resolver/names.ts';
import { closeNetNamespace, inNetNamespace, openNetNamespaceOfSocket } from '../../sys/namespace/net.ts';
import { DatagramServer, type SocketAddress } from '../../sys/socket/inet-datagram.ts';
import type { NameSockets } from '../../sys/socket/name-sockets.ts';
import { addressAnswer, canBeWritten, emptyAnswer, pointerAnswer, refusal } from './answer.ts';
import type { Enter } from './exchange.ts';
import { Forwarder, type Transport } from './forward.ts';
import { frameMessage, MessageReader } from './frames.ts';
import { addressOfReverse, type NameBook } from './names.ts';
import { largestMessage, parseQuery, type Query, recordType, responseCode } from './query.ts';

/** Connections of one container: the kernel keeps the rest waiting, or turns it away. */
const mostConnections = 32;
const quietMs = 10_000;
/** Questions of one connection that are worked on, and answers in bytes that it has not taken yet. */
const mostAtOnce = 64;
const mostUnread = 256 << 10;
const longestQuery = 4096;

/** The name server of one container: its sockets, and who it passes questions on to. */
export class NameServer {
  readonly #book: NameBook;
  readonly #datagrams: DatagramServer;
  readonly #streams: Server;
  readonly #connections = new Set<Socket>();
  readonly #forwarder: Forwarder;
  readonly #namespace: number;
  #sandbox: NamedSandbox;
  #closed = false;

  /** Takes the sockets over. @throws SystemError */
  constructor(book: NameBook, sandbox: NamedSandbox, sockets: NameSockets, nowMs = () => performance.now()) {
    this.#book = book;
    this.#sandbox = sandbox;
    this.#namespace = openNetNamespaceOfSocket(sockets.udp);
    const enter: Enter = (from, work) => (from === 'host' ? (work() as never) : inNetNamespace(this.#namespace, work));
    this.#forwarder = new Forwarder(enter, nowMs);
    this.#datagrams = new DatagramServer(sockets.udp, (bytes, from) => this.#datagram(bytes, from));
    this.#streams = createServer((socket) => this.#connected(socket));
    this.#streams.maxConnections = mostConnections;
    this.#streams.on('error', () => undefined).listen({ fd: sockets.tcp });
    this.set(sandbox);
  }

  /** The container has changed: its networks, links or servers. */
  set(sandbox: NamedSandbox): void {
    this.#sandbox = sandbox;
    // Without a way out nothing may be asked in the host's name; what the container's own namespace reaches it may ask.
    const { outside, upstreams } = sandbox;
    this.#forwarder.setUpstreams(outside ? upstreams : upstreams.filter(({ from }) => from === 'container'));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#datagrams.close();
    this.#streams.close();
    for (const socket of this.#connections) socket.destroy();
    this.#forwarder.close();
    closeNetNamespace(this.#namespace);
  }

  #datagram(bytes: Buffer, from: SocketAddress): void {
    const answer = this.#answer(bytes, 'udp');
    if (answer === undefined) return;
    if (Buffer.isBuffer(answer)) return this.#datagrams.send(answer, from);
    const to = Buffer.from(from);
    this.#pass(answer, 'udp', (passed) => this.#datagrams.send(passed, to));
  }

  #connected(socket: Socket): void {
    this.#connections.add(socket);
    let atOnce = 0;
    const give = (answer: Buffer): void => {
      if (socket.destroyed) return;
      socket.write(frameMessage(answer));
      if (socket.writableLength > mostUnread) socket.destroy();
    };
    const reader = new MessageReader((message) => {
      const answer = this.#answer(message, 'tcp');
      if (answer === undefined) return;
      if (Buffer.isBuffer(answer)) return give(answer);
      atOnce++;
      if (atOnce > mostAtOnce) return void socket.destroy();
      this.#pass(answer, 'tcp', (passed) => {
        atOnce--;
        give(passed);
      });
    }, longestQuery);
    socket.on('data', (chunk: Buffer) => {
      if (!reader.read(chunk)) socket.destroy();
    });
    socket.setTimeout(quietMs, () => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('close', () => this.#connections.delete(socket));
  }

  /** An answer, valid until the next one; the question when others have to be asked; undefined when there is none to give. */
  #answer(bytes: Buffer, transport: Transport): Buffer | Query | undefined {
    const query = parseQuery(bytes);
    if (query === undefined) return undefined;
    if ('responseCode' in query) return refusal(query);
    const own = this.#ownAnswer(query, transport);
    if (own !== undefined) return own;
    const isWhole = !this.#sandbox.dotted || !isAddressQuery(query) || query.name.includes('.');
    return isWhole ? query : emptyAnswer(query);
  }

  /** Asks others; `give` is called at most once, and what it gets is valid during the call only. */
  #pass(query: Query, transport: Transport, give: (answer: Buffer) => void): void {
    const kept = { ...query, bytes: Buffer.from(query.bytes) };
    this.#forwarder.ask(kept, transport, (passed) => {
      if (!this.#closed) give(Buffer.isBuffer(passed) ? passed : emptyAnswer(kept, passed.responseCode));
    });
  }

  /** What the containers' own names come to; undefined when it is not about any. */
  #ownAnswer(query: Query, transport: Transport): Buffer | undefined {
    if (!query.isInternet) return undefined;
    const { endpoints } = this.#sandbox;
    const find = (family: 4 | 6): Uint8Array[] | undefined => this.#book.resolve(endpoints, query.name, family);
    switch (query.type) {
      case recordType.A:
      case recordType.AAAA: {
        const found = find(query.type === recordType.A ? 4 : 6);
        if (found === undefined) return undefined;
        return addressAnswer(query, shuffled(found), transport === 'tcp' ? largestMessage : query.room);
      }
      // A container's mail goes to its address (RFC 5321, section 5.1).
      case recordType.MX:
        return find(4) === undefined ? undefined : emptyAnswer(query);
      case recordType.PTR: {
        const address = addressOfReverse(query.name);
        const name = address === undefined ? undefined : this.#book.reverse(endpoints, address);
        if (name === undefined) return undefined;
        return canBeWritten(name) ? pointerAnswer(query, name) : emptyAnswer(query, responseCode.serverFailure);
      }
      default:
        return undefined;
    }
  }
}

const isAddressQuery = ({ type, isInternet }: Query): boolean =>
  isInternet && (type === recordType.A || type === recordType.AAAA);

/** Clients take the first: so each container of a name gets its share. */
function shuffled(addresses: Uint8Array[]): Uint8Array[] {
  for (let last = addresses.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    const [one, two] = [addresses[last], addresses[other]];
    if (one !== undefined && two !== undefined) [addresses[last], addresses[other]] = [two, one];
  }
  return addresses;
}
