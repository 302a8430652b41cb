import { orAborted } from '../base/async.ts';
import { concatBytes } from '../base/stream.ts';
import type { ByteStream } from '../base/stream.ts';
import { Connections } from './_connections.ts';
import type { Connection } from './_connections.ts';
import { requestHead } from './_http1.ts';
import type { RequestHeaders, ResponseHead } from './_http1.ts';
import { formatEndpoint } from './endpoint.ts';
import type { Endpoint } from './endpoint.ts';
import { ApiError } from './errors.ts';
import type { ByteSocket } from './socket.ts';
import { compareVersions, queryText } from './target.ts';

/** The newest version of the Engine API that this client speaks, and the oldest. */
export const newestApiVersion = '1.55';
export const oldestApiVersion = '1.24';

export type QueryValue = string | number | boolean | undefined | readonly string[];
export interface RequestOptions {
  readonly query?: Readonly<Record<string, QueryValue>>;
  /** Sent as JSON; a byte stream is sent as it is, chunked. */
  readonly body?: unknown;
  readonly bodyType?: string;
  readonly headers?: RequestHeaders;
  readonly signal?: AbortSignal;
  /** What the connection speaks after it was taken over. */
  readonly upgrade?: 'tcp' | 'h2c';
  /** Leaves out the `/v1.xx` prefix. */
  readonly unversioned?: boolean;
}
export interface Response {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** To be read to its end, or left with `return`, which drops the connection. */
  readonly body: AsyncIterable<Uint8Array>;
}
/** A connection that was taken over for raw bytes in both directions. */
export interface Hijacked {
  readonly headers: ReadonlyMap<string, string>;
  readonly output: AsyncIterable<Uint8Array>;
  write(bytes: Uint8Array): Promise<void>;
  /** Half-close: the container's standard input ends, output goes on. */
  end(): void;
  destroy(): void;
}

export interface ClientOptions {
  readonly endpoint: Endpoint;
  /** Uses this version and skips the negotiation. */
  readonly version?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly userAgent?: string;
}

export interface Ping {
  readonly apiVersion: string;
  readonly osType: string;
  readonly headers: ReadonlyMap<string, string>;
}

/** Speaks HTTP/1.1 to one engine. Idle connections are kept and used again; `close` drops them. */
export class EngineClient {
  readonly endpoint: Endpoint;
  readonly #options: ClientOptions;
  readonly #connections: Connections;
  #version: string | undefined;
  #ping: Promise<Ping> | undefined;

  constructor(options: ClientOptions) {
    this.endpoint = options.endpoint;
    this.#connections = new Connections(options.endpoint);
    this.#options = options;
    this.#version = options.version;
  }

  /** `HEAD /_ping` once: what the engine says of itself. */
  ping(signal?: AbortSignal): Promise<Ping> {
    this.#ping ??= this.#askPing(signal);
    return this.#ping;
  }

  async #askPing(signal: AbortSignal | undefined): Promise<Ping> {
    const response = await this.#exchange('HEAD', '/_ping', signal === undefined ? {} : { signal });
    await drain(response.body);
    return {
      apiVersion: response.headers.get('api-version') ?? oldestApiVersion,
      osType: response.headers.get('ostype') ?? '',
      headers: response.headers,
    };
  }

  /** The version in use: the older of this client's and the engine's newest. */
  async version(signal?: AbortSignal): Promise<string> {
    if (this.#version === undefined) {
      const { apiVersion } = await this.ping(signal);
      this.#version = compareVersions(apiVersion, newestApiVersion) < 0 ? apiVersion : newestApiVersion;
    }
    return this.#version;
  }

  /** Sends a request; resolves with the head's arrival. @throws ApiError for a status of 400 and above. */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    const target = await this.#target(path, options);
    const response = await this.#exchange(method, target, options);
    if (response.status < 400) return response;
    throw await errorOf(response, `${formatEndpoint(this.endpoint)}${target}`);
  }

  /** The decoded body of a small JSON answer; undefined when the body is empty. */
  async json<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const text = await this.text(method, path, options);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  /** The whole body as text. */
  async text(method: string, path: string, options: RequestOptions = {}): Promise<string> {
    const response = await this.request(method, path, options);
    return readText(response.body);
  }

  /** Takes the connection over after the head, as attach and exec do (`Connection: Upgrade`). */
  async hijack(path: string, options: RequestOptions = {}): Promise<Hijacked> {
    const target = await this.#target(path, options);
    const connection = await this.#connections.take();
    options.signal?.addEventListener('abort', () => this.#connections.drop(connection), { once: true });
    const bytes = options.body === undefined ? undefined : new TextEncoder().encode(JSON.stringify(options.body));
    const head = requestHead('POST', target, {
      ...requestHeaders(this.#options, options),
      ...(bytes === undefined ? {} : { 'Content-Type': 'application/json' }),
      'Content-Length': String(bytes?.length ?? 0),
      Connection: 'Upgrade',
      Upgrade: options.upgrade ?? 'tcp',
    });
    await connection.socket.write(bytes === undefined ? head : concatBytes([head, bytes]));
    const response = await connection.reader.head();
    if (response === undefined) throw new Error('unexpected EOF');
    if (response.status !== 101 && response.status !== 200) {
      const body = connection.reader.body(response);
      const error = await errorOf({ status: response.status, headers: response.headers, body }, path);
      this.#connections.drop(connection);
      throw error;
    }
    const { socket, reader } = connection;
    return {
      headers: response.headers,
      output: reader.raw(),
      write: (chunk) => socket.write(chunk),
      end: () => socket.end(),
      destroy: () => this.#connections.drop(connection),
    };
  }

  /** Drops all connections, those in use too. */
  close(): void {
    this.#connections.close();
  }

  async #target(path: string, options: RequestOptions): Promise<string> {
    const prefix = options.unversioned === true ? '' : `/v${await this.version(options.signal)}`;
    return prefix + path + queryText(options.query);
  }

  /** One request and the head of its answer, on an idle connection when there is one. */
  async #exchange(method: string, target: string, options: RequestOptions): Promise<Response> {
    options.signal?.throwIfAborted();
    const connection = await this.#connections.take();
    const headers = requestHeaders(this.#options, options);
    const sent = send(connection, method, target, headers, options.body, options.bodyType);
    const outcome = await orAborted(sent, options.signal).catch((error: unknown) => ({ error }));
    if (outcome === undefined || 'error' in outcome) {
      this.#connections.drop(connection);
      // The engine closed an idle connection just as it was picked up: once more on a new one.
      const mayRetry = connection.isReused && !isStream(options.body) && options.signal?.aborted !== true;
      if (mayRetry) return this.#exchange(method, target, options);
      throw outcome === undefined ? new Error('unexpected EOF') : outcome.error;
    }
    const head = outcome;
    return { status: head.status, headers: head.headers, body: this.#body(connection, method, head, options.signal) };
  }

  async *#body(
    connection: Connection,
    method: string,
    head: ResponseHead,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const onAbort = () => this.#connections.drop(connection);
    signal?.addEventListener('abort', onAbort, { once: true });
    let isComplete = false;
    try {
      if (method !== 'HEAD') yield* connection.reader.body(head);
      isComplete = head.headers.get('connection')?.toLowerCase() !== 'close';
    } finally {
      signal?.removeEventListener('abort', onAbort);
      if (isComplete) this.#connections.give(connection);
      else this.#connections.drop(connection);
    }
  }
}

function requestHeaders(client: ClientOptions, request: RequestOptions): Record<string, string | readonly string[]> {
  const { endpoint } = client;
  return {
    Host: endpoint.kind !== 'tcp' ? 'api.moby.localhost' : `${endpoint.host}:${endpoint.port}`,
    'User-Agent': client.userAgent ?? 'Gantry-Client (linux)',
    ...client.headers,
    ...request.headers,
  };
}

/** Sends one request and waits for the head of its answer; undefined when the connection ended instead. */
async function send(
  { socket, reader }: Connection,
  method: string,
  target: string,
  headers: Record<string, string | readonly string[]>,
  body: unknown,
  bodyType: string | undefined,
): Promise<ResponseHead | undefined> {
  if (isStream(body)) {
    headers['Content-Type'] = bodyType ?? 'application/x-tar';
    headers['Transfer-Encoding'] = 'chunked';
    await socket.write(requestHead(method, target, headers));
    // The engine may answer before it has read everything; that the rest cannot be sent then is of no interest.
    const answer = reader.head();
    const broken = Promise.withResolvers<never>();
    for (const one of [answer, broken.promise]) one.catch(() => undefined);
    sendChunked(socket, body).catch((error: unknown) => {
      if (!(error instanceof BodyError)) return;
      broken.reject(error.cause);
      // An engine that waits for the rest would wait for ever.
      socket.destroy();
    });
    return Promise.race([broken.promise, answer]);
  }
  if (body === undefined) {
    if (method === 'POST') headers['Content-Length'] = '0';
    await socket.write(requestHead(method, target, headers));
    return reader.head();
  }
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  headers['Content-Type'] = bodyType ?? 'application/json';
  headers['Content-Length'] = String(bytes.length);
  await socket.write(concatBytes([requestHead(method, target, headers), bytes]));
  return reader.head();
}

const isStream = (body: unknown): body is ByteStream =>
  typeof body === 'object' && body !== null && Symbol.asyncIterator in body;

/** What the body was to come from failed, as opposed to the connection. */
class BodyError extends Error {}

async function* bytesOf(body: ByteStream): ByteStream {
  try {
    yield* body;
  } catch (cause) {
    throw new BodyError('the body cannot be read', { cause });
  }
}

async function sendChunked(socket: ByteSocket, body: ByteStream): Promise<void> {
  const encoder = new TextEncoder();
  for await (const chunk of bytesOf(body)) {
    if (chunk.length === 0) continue;
    await socket.write(encoder.encode(`${chunk.length.toString(16)}\r\n`));
    await socket.write(chunk);
    await socket.write(encoder.encode('\r\n'));
  }
  await socket.write(encoder.encode('0\r\n\r\n'));
}

async function drain(body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of body);
}

/** A whole body as text. */
export async function readText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return chunks.length === 0 ? '' : new TextDecoder().decode(concatBytes(chunks));
}

async function errorOf(response: Response, where: string): Promise<ApiError> {
  const text = await readText(response.body);
  const type = response.headers.get('content-type') ?? '';
  if (text === '') {
    return new ApiError(
      response.status,
      `request returned ${response.status} for API route and version ${where}, check if the server supports the requested API version`,
    );
  }
  if (!type.startsWith('application/json')) {
    return new ApiError(response.status, `Error response from daemon: ${text.trim()}`);
  }
  let message = text.trim();
  try {
    const decoded = JSON.parse(text) as { message?: unknown };
    if (typeof decoded.message === 'string') message = decoded.message;
  } catch {
    // The words of the engine are better than nothing.
  }
  return new ApiError(response.status, `Error response from daemon: ${message.trim()}`);
}
