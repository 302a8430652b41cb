import type { Http2Session, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import { codeOf, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { decode } from '../wire/decode.ts';
import { encode } from '../wire/encode.ts';
import type { Draft, Message, Table } from '../wire/message.ts';
import { longestMessage, receiveMessages, sendMessage } from './framing.ts';
import { closeWithPeer, http2Options, loadHttp2 } from './http2.ts';
import { asGrpcError, encodeMessage, GrpcError, statusCodes } from './status.ts';

/** One call of a client, as the method's handler sees it. */
export interface ServerCall {
  /** What the client sent with the call; names in lower case. */
  readonly metadata: IncomingHttpHeaders;
  /** Aborts when the client gives the call up, its connection goes, or its deadline has come. */
  readonly signal: AbortSignal;
  /** The encoded messages that it sends, until it ends its side. */
  readonly messages: AsyncIterable<Uint8Array>;
  /** Sends an encoded message; resolves when there is room for more. */
  send(message: Uint8Array): Promise<void>;
  /** Tells the client that the call is being served, before there is a first message. */
  begin(metadata?: Readonly<Record<string, string>>): void;
  /** The stream itself, for methods that carry another protocol. */
  readonly stream: ServerHttp2Stream;
}

/** Serves one method; the call ends with `ok` when it resolves, else with the status of what it threw. */
export type Method = (call: ServerCall) => Promise<void>;

/** Methods by their paths (`/package.Service/Method`). */
export type Methods = ReadonlyMap<string, Method>;

/** A method with one request and one answer. */
export const unary =
  <Request extends Table, Response extends Table>(
    request: Request,
    response: Response,
    handle: (message: Message<Request>, call: ServerCall) => Promise<Draft<Response>>,
  ): Method =>
  async (call) => {
    const answer = await handle(decode(request, await only(call)), call);
    await call.send(encode(response, answer));
  };

/** A method with one request and any number of answers. */
export const answering =
  <Request extends Table, Response extends Table>(
    request: Request,
    response: Response,
    handle: (message: Message<Request>, call: ServerCall) => AsyncIterable<Draft<Response>>,
  ): Method =>
  async (call) => {
    const message = decode(request, await only(call));
    for await (const answer of handle(message, call)) await call.send(encode(response, answer));
  };

async function only(call: ServerCall): Promise<Uint8Array> {
  let found: Uint8Array | undefined;
  for await (const message of call.messages) {
    if (found !== undefined) throw new GrpcError(statusCodes.invalid, 'the method takes one message only');
    found = message;
  }
  return found ?? new Uint8Array(0);
}

/**
 * Serves gRPC on a connection that speaks HTTP/2 from its next byte on; resolves when that is over. The connection
 * belongs to this from the call on.
 */
export async function serveGrpc(connection: Duplex, methods: Methods, log: Logger): Promise<void> {
  closeWithPeer(connection);
  const http2 = loadHttp2();
  const session: Http2Session = http2.performServerHandshake(connection, http2Options);
  const over = Promise.withResolvers<void>();
  session.once('close', () => over.resolve());
  // A client that closes while we still send is no failure of anybody.
  session.on('error', (error) => log.debug('a gRPC connection broke', { error: messageOf(error) }));
  session.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', (error) => log.debug('a gRPC call broke', { error: messageOf(error) }));
    void serveCall(stream, headers, methods, log);
  });
  await over.promise;
}

async function serveCall(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  methods: Methods,
  log: Logger,
): Promise<void> {
  const path = String(headers[':path']);
  const abort = new AbortController();
  const deadline = deadlineOf(headers['grpc-timeout']);
  const timer =
    deadline === undefined
      ? undefined
      : setTimeout(() => abort.abort(new GrpcError(statusCodes.deadline, 'context deadline exceeded')), deadline);
  stream.once('close', () => {
    clearTimeout(timer);
    abort.abort(new GrpcError(statusCodes.cancelled, 'context canceled'));
  });
  const ending = new Ending(stream);
  try {
    const method = methods.get(path);
    if (method === undefined) throw new GrpcError(statusCodes.unimplemented, `unknown method ${path}`);
    await method({
      metadata: headers,
      signal: abort.signal,
      messages: receiveMessages(stream, longestMessage),
      send(message) {
        ending.begin();
        return sendMessage(stream, message);
      },
      begin: (metadata) => ending.begin(metadata),
      stream,
    });
    ending.succeed();
  } catch (error) {
    const failure = abort.signal.aborted && codeOf(error) === 'cancelled' ? abort.signal.reason : error;
    const told = asGrpcError(failure);
    if (told.status === statusCodes.unknown) log.debug('a gRPC call failed', { path, error });
    ending.fail(told);
  }
}

/** How a call is answered: headers first, trailers last, or both in one block when it fails at once. */
class Ending {
  readonly #stream: ServerHttp2Stream;
  #trailers: Record<string, string> = { 'grpc-status': '0' };

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream;
  }

  begin(metadata: Readonly<Record<string, string>> = {}): void {
    const stream = this.#stream;
    if (stream.headersSent || stream.destroyed) return;
    stream.once('wantTrailers', () => {
      if (!stream.destroyed) stream.sendTrailers(this.#trailers);
    });
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...metadata }, { waitForTrailers: true });
  }

  succeed(): void {
    this.begin();
    if (!this.#stream.destroyed) this.#stream.end();
  }

  fail(error: GrpcError): void {
    const stream = this.#stream;
    if (stream.destroyed) return;
    this.#trailers = {
      'grpc-status': String(error.status),
      'grpc-message': encodeMessage(error.message.slice(0, longestText)),
      ...(error.details === undefined
        ? {}
        : { 'grpc-status-details-bin': Buffer.from(error.details).toString('base64').replaceAll('=', '') }),
    };
    if (stream.headersSent) stream.end();
    else {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...this.#trailers }, { endStream: true });
    }
    // What the client still sends is of no interest.
    stream.resume();
  }
}

/** Of an error in a header; the whole of it is in a step's log. */
const longestText = 64 << 10;

const unitsMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** `grpc-timeout` in milliseconds: up to eight digits and a unit. */
function deadlineOf(header: string | readonly string[] | undefined): number | undefined {
  const text = typeof header === 'string' ? header : undefined;
  const unit = text === undefined ? undefined : unitsMs[text.slice(-1)];
  if (text === undefined || unit === undefined || !/^\d{1,8}$/.test(text.slice(0, -1))) return undefined;
  // Longer than a timer can wait is as good as none.
  const ms = Number(text.slice(0, -1)) * unit;
  return ms >= 2 ** 31 ? undefined : ms;
}
