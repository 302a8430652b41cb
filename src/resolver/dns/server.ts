import type { Server, Socket } from 'node:net';
import type { NamedSandbox } from '../../spec/resolver/names.ts';
import { closeNetNamespace, inNetNamespace, openNetNamespaceOfSocket } from '../../sys/namespace/net.ts';
import { DatagramServer, type SocketAddress } from '../../sys/socket/inet-datagram.ts';
import type { NameSockets } from '../../sys/socket/name-sockets.ts';
import { emptyAnswer, refusal } from './answer.ts';
import type { Enter } from './exchange.ts';
import { Forwarder, type Transport } from './forward.ts';
import type { NameBook } from './names.ts';
import { ownAnswer } from './own-answer.ts';
import { largestMessage, parseQuery, type Query, recordType } from './query.ts';
import { streamServer } from './streams.ts';

/** The name server of one container: its sockets, and who it passes questions on to. */
export class NameServer {
  readonly #book: NameBook;
  readonly #listen: () => void;
  readonly #datagrams: DatagramServer;
  readonly #streams: Server;
  readonly #connections = new Set<Socket>();
  readonly #forwarder: Forwarder;
  readonly #namespace: number;
  #sandbox: NamedSandbox;
  #closed = false;

  /** Takes the sockets over; `listen` may change the book, and close this server. @throws SystemError */
  constructor(book: NameBook, sandbox: NamedSandbox, sockets: NameSockets, listen: () => void) {
    this.#book = book;
    this.#listen = listen;
    this.#sandbox = sandbox;
    this.#namespace = openNetNamespaceOfSocket(sockets.udp);
    const enter: Enter = (from, work) => (from === 'host' ? (work() as never) : inNetNamespace(this.#namespace, work));
    this.#forwarder = new Forwarder(enter, () => performance.now());
    this.#datagrams = new DatagramServer(sockets.udp, (bytes, from) => this.#datagram(bytes, from));
    this.#streams = streamServer((question, give) => {
      const answer = this.#answer(question, 'tcp');
      if (answer === undefined) return;
      if (Buffer.isBuffer(answer)) give(answer);
      else this.#pass(answer, 'tcp', give);
    }, this.#connections);
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

  /** An answer, valid until the next one; the question when others have to be asked; undefined when there is none to give. */
  #answer(bytes: Buffer, transport: Transport): Buffer | Query | undefined {
    const query = parseQuery(bytes);
    if (query === undefined) return undefined;
    if ('responseCode' in query) return refusal(query);
    const limit = transport === 'tcp' ? largestMessage : query.room;
    const own = this.#own(query, limit);
    if (own !== undefined) return own;
    // What was said before the question was asked may still wait to be read.
    this.#listen();
    if (this.#closed) return undefined;
    const late = this.#own(query, limit);
    if (late !== undefined) return late;
    const isWhole = !this.#sandbox.dotted || !isAddressQuery(query) || query.name.includes('.');
    return isWhole ? query : emptyAnswer(query);
  }

  #own(query: Query, limit: number): Buffer | undefined {
    return ownAnswer(this.#book, this.#sandbox.endpoints, query, limit);
  }

  /** Asks others; `give` is called at most once, and what it gets is valid during the call only. */
  #pass(query: Query, transport: Transport, give: (answer: Buffer) => void): void {
    const kept = { ...query, bytes: Buffer.from(query.bytes) };
    this.#forwarder.ask(kept, transport, (passed) => {
      if (!this.#closed) give(Buffer.isBuffer(passed) ? passed : emptyAnswer(kept, passed.responseCode));
    });
  }
}

const isAddressQuery = ({ type, isInternet }: Query): boolean =>
  isInternet && (type === recordType.A || type === recordType.AAAA);
