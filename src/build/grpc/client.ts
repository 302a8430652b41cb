import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import type { Duplex } from 'node:stream';
import { cancelledBy } from '../../base/async.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { decode } from '../wire/decode.ts';
import { encode } from '../wire/encode.ts';
import type { Draft, Message, Table } from '../wire/message.ts';
import { receiveBatches, receiveMessages, sendMessage } from './framing.ts';
import { closeWithPeer, connectionWindow, http2Options, loadHttp2 } from './http2.ts';
import { decodeMessage, GrpcError, statusCodes } from './status.ts';

/** Metadata that goes with a call. What is not ASCII must be encoded already. */
export type Metadata = Readonly<Record<string, string | readonly string[]>>;

/** A call that is under way. Who began it must read `messages` or `batches` to its end, or `cancel`. */
export interface ClientCall {
  /** Resolves when there is room for more. */
  send(message: Uint8Array): Promise<void>;
  /** Nothing more will be sent. */
  end(): void;
  /** Ends without an error when the other side ended the call well. @throws GrpcError with its status */
  readonly messages: AsyncIterable<Uint8Array>;
  /** The same, those together that came together; they are only valid until the next ones are asked for. */
  readonly batches: AsyncIterable<readonly Uint8Array[]>;
  cancel(): void;
}

/** A connection on which this engine calls its client. */
export interface GrpcClient {
  call(path: string, options: { readonly metadata?: Metadata; readonly signal: AbortSignal }): ClientCall;
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
  close(): void;
}

/** Speaks HTTP/2, as its client, on a connection that belongs to this from now on. */
export function connectGrpc(connection: Duplex, log: Logger): GrpcClient {
  closeWithPeer(connection);
  const http2 = loadHttp2();
  const session = http2.connect('http://localhost', { ...http2Options, createConnection: () => connection });
  const over = Promise.withResolvers<void>();
  session.once('close', () => over.resolve());
  session.on('error', (error) => log.debug('a session broke', { error: messageOf(error) }));
  session.once('connect', () => {
    if (!session.destroyed) session.setLocalWindowSize(connectionWindow);
  });
  return {
    closed: over.promise,
    close: () => session.destroy(),
    call: (path, { metadata = {}, signal }) => beginCall(session, path, metadata, signal),
  };
}

function beginCall(session: ClientHttp2Session, path: string, metadata: Metadata, signal: AbortSignal): ClientCall {
  if (signal.aborted) throw cancelledBy(signal);
  if (session.destroyed || session.closed) throw new GrpcError(statusCodes.unavailable, 'the client is gone');
  const stream = session.request({
    ':method': 'POST',
    ':scheme': 'http',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...(metadata as Record<string, string>),
  });
  const status = statusOf(stream);
  const onAbort = (): void => stream.close(loadHttp2().constants.NGHTTP2_CANCEL);
  signal.addEventListener('abort', onAbort, { once: true });
  stream.once('close', () => signal.removeEventListener('abort', onAbort));
  return {
    send: (message) => sendMessage(stream, message),
    end: () => void stream.end(),
    messages: untilStatus(receiveMessages(stream), stream, status, signal),
    batches: untilStatus(receiveBatches(stream), stream, status, signal),
    cancel: onAbort,
  };
}

/** What is received, then how the call ended. */
async function* untilStatus<T>(
  received: AsyncIterable<T>,
  stream: ClientHttp2Stream,
  status: Promise<GrpcError | undefined>,
  signal: AbortSignal,
): AsyncGenerator<T> {
  let broken: unknown;
  try {
    for await (const one of received) yield one;
  } catch (error) {
    if (error instanceof GrpcError && !stream.destroyed) stream.close(loadHttp2().constants.NGHTTP2_CANCEL);
    broken = error;
  }
  const failure = await status;
  if (signal.aborted) throw cancelledBy(signal);
  if (failure !== undefined) throw broken instanceof GrpcError ? broken : failure;
}

/** How the other side ended the call: undefined for well. */
function statusOf(stream: ClientHttp2Stream): Promise<GrpcError | undefined> {
  const { promise, resolve } = Promise.withResolvers<GrpcError | undefined>();
  let final: IncomingHttpHeaders | undefined;
  const note = (headers: IncomingHttpHeaders): void => {
    if (headers['grpc-status'] !== undefined) final = headers;
  };
  stream.on('response', note);
  stream.on('trailers', note);
  stream.on('error', () => undefined);
  const settle = (): void => {
    const status = final?.['grpc-status'];
    if (status === '0') resolve(undefined);
    else if (status === undefined) resolve(new GrpcError(statusCodes.unavailable, 'the client is gone'));
    else
      resolve(
        new GrpcError(Number(status), decodeMessage(String(final?.['grpc-message'] ?? `status ${String(status)}`))),
      );
  };
  // The other side may have said all while we have not: its stream is closed by us then.
  stream.once('end', () => {
    if (final !== undefined) settle();
  });
  stream.once('close', settle);
  return promise;
}

/** Reads what the other side says, for callers that only send: a call that is ended early is known at once. */
export function drained({ messages }: ClientCall): Promise<void> {
  const over = (async () => {
    for await (const _message of messages) continue;
  })();
  over.catch(() => undefined);
  return over;
}

/** One request, one answer. @throws GrpcError with the status of the other side */
export async function callUnary<Request extends Table, Response extends Table>(
  client: GrpcClient,
  path: string,
  options: {
    readonly request: Request;
    readonly response: Response;
    readonly draft: Draft<Request>;
    readonly signal: AbortSignal;
  },
): Promise<Message<Response>> {
  const call = client.call(path, { signal: options.signal });
  void call.send(encode(options.request, options.draft));
  call.end();
  let answer: Uint8Array | undefined;
  for await (const message of call.messages) answer = message;
  if (answer === undefined) throw new GrpcError(statusCodes.unknown, `${path} was answered with nothing`);
  return decode(options.response, answer);
}
