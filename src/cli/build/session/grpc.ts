import { batchesIn, framePrefix, messagesIn } from '../../../build/grpc/framing.ts';
import { asGrpcError, decodeMessage, encodeMessage, GrpcError, statusCodes } from '../../../build/grpc/status.ts';
import { decode } from '../../../build/wire/decode.ts';
import { encode } from '../../../build/wire/encode.ts';
import type { Draft, Message, Table } from '../../../build/wire/message.ts';
import {
  errorCodes,
  type HeaderList,
  type Http2Connection,
  type Http2Stream,
} from '../../../client/http2/connection.ts';

/** A call of one side, as both sides see it. */
export interface GrpcCall {
  /** Of who was called: names in lower case, all values. */
  readonly metadata: ReadonlyMap<string, readonly string[]>;
  /** Encoded messages of the other side, until it ends. @throws GrpcError */
  readonly messages: AsyncIterable<Uint8Array>;
  /** The same, those together that came together; they are only valid until the next ones are asked for. */
  readonly batches: AsyncIterable<readonly Uint8Array[]>;
  /** Sends messages, at once; resolves when there is room for more. */
  send(...messages: readonly Uint8Array[]): Promise<void>;
  /** The same with messages that have their prefixes. */
  sendFramed(messages: Uint8Array): Promise<void>;
  /** Nothing more will be sent. */
  end(): Promise<void>;
  cancel(): void;
}

/** Serves one method: the call ends well when it resolves, else with the status of what it threw. */
export type Method = (call: GrpcCall) => Promise<void>;

const requestHeaders = (path: string, metadata: HeaderList): HeaderList => [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', path],
  [':authority', 'localhost'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
  ...metadata,
];

/** Calls a method of the other side. @throws Error when the connection is gone */
export function beginCall(connection: Http2Connection, path: string, metadata: HeaderList = []): GrpcCall {
  const stream = connection.request(requestHeaders(path, metadata));
  return callOn(stream, new Map(), {
    messages: answers(stream, messagesIn(stream.bytes())),
    batches: answers(stream, batchesIn(stream.bytes())),
  });
}

/** One request, one answer. @throws GrpcError with the status of the other side */
export async function callOnce<Request extends Table, Response extends Table>(
  connection: Http2Connection,
  path: string,
  options: {
    readonly request: Request;
    readonly response: Response;
    readonly draft: Draft<Request>;
    readonly signal: AbortSignal;
    readonly metadata?: HeaderList;
  },
): Promise<Message<Response>> {
  const call = beginCall(connection, path, options.metadata);
  const onAbort = (): void => call.cancel();
  options.signal.addEventListener('abort', onAbort, { once: true });
  try {
    await call.send(encode(options.request, options.draft));
    await call.end();
    let answer: Uint8Array | undefined;
    for await (const message of call.messages) answer = message;
    if (answer === undefined) throw new GrpcError(statusCodes.unknown, `${path} was answered with nothing`);
    return decode(options.response, answer);
  } finally {
    options.signal.removeEventListener('abort', onAbort);
  }
}

function callOn(
  stream: Http2Stream,
  metadata: GrpcCall['metadata'],
  received: Pick<GrpcCall, 'messages' | 'batches'>,
): GrpcCall {
  // Who reads the answers is told why nothing can be sent.
  const sendFramed = (bytes: Uint8Array): Promise<void> => stream.send(bytes).catch(() => undefined);
  return {
    metadata,
    ...received,
    send: (...drafts) => sendFramed(framed(drafts)),
    sendFramed,
    end: () => stream.send(new Uint8Array(0), true).catch(() => undefined),
    cancel: () => stream.reset(errorCodes.cancel),
  };
}

function framed(messages: readonly Uint8Array[]): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (const message of messages) pieces.push(framePrefix(message.length), message);
  return Buffer.concat(pieces);
}

/** The messages of an answer, then how it ended. */
async function* answers<T>(stream: Http2Stream, received: AsyncIterable<T>): AsyncGenerator<T> {
  let broken: unknown;
  try {
    for await (const one of received) yield one;
  } catch (error) {
    broken = error;
  }
  const failure = await statusOf(stream);
  if (failure !== undefined) throw failure;
  if (broken !== undefined) throw broken instanceof Error ? broken : new Error('the call broke', { cause: broken });
}

async function statusOf(stream: Http2Stream): Promise<GrpcError | undefined> {
  let found: ReadonlyMap<string, readonly string[]>;
  try {
    const head = gathered(await stream.headers);
    found = head.has('grpc-status') ? head : gathered(await stream.trailers);
  } catch (error) {
    return new GrpcError(statusCodes.unavailable, (error as Error).message);
  }
  const status = found.get('grpc-status')?.[0];
  if (status === '0') return undefined;
  const message = decodeMessage(found.get('grpc-message')?.[0] ?? '');
  const details = found.get('grpc-status-details-bin')?.[0];
  return new GrpcError(
    Number(status ?? statusCodes.unknown),
    message || `status ${status ?? 'unknown'}`,
    details === undefined ? undefined : Buffer.from(details, 'base64'),
  );
}

function gathered(headers: HeaderList): ReadonlyMap<string, readonly string[]> {
  const map = new Map<string, string[]>();
  for (const [name, value] of headers) map.set(name, [...(map.get(name) ?? []), value]);
  return map;
}

/** Serves a stream that the other side began. Never rejects. */
export async function serveCall(stream: Http2Stream, methods: ReadonlyMap<string, Method>): Promise<void> {
  try {
    const metadata = gathered(await stream.headers);
    const path = metadata.get(':path')?.[0] ?? '';
    const method = methods.get(path);
    stream.respond([
      [':status', '200'],
      ['content-type', 'application/grpc'],
    ]);
    const call = callOn(stream, metadata, {
      messages: messagesIn(stream.bytes()),
      batches: batchesIn(stream.bytes()),
    });
    let failure: GrpcError | undefined;
    try {
      if (method === undefined) throw new GrpcError(statusCodes.unimplemented, `unknown method ${path}`);
      await method(call);
    } catch (error) {
      failure = asGrpcError(error);
    }
    stream.respond(
      [
        ['grpc-status', String(failure?.status ?? statusCodes.ok)],
        ...(failure === undefined ? [] : [['grpc-message', encodeMessage(failure.message)] as const]),
      ],
      true,
    );
  } catch {
    // The other side has given the call up.
  }
}

/** A method with one request and one answer. */
export const once =
  <Request extends Table, Response extends Table>(
    request: Request,
    response: Response,
    handle: (message: Message<Request>) => Promise<Draft<Response>>,
  ): Method =>
  async (call) => {
    let received: Uint8Array = new Uint8Array(0);
    for await (const message of call.messages) received = message;
    await call.send(encode(response, await handle(decode(request, received))));
  };
