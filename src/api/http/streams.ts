import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { orAborted } from '../../base/async.ts';
import { httpError } from '../errors.ts';
import { CommandFailure, type ProgressMessage } from '../../spec/engine/progress.ts';
import type { Exchange } from './exchange.ts';

/** Bytes in a response's buffer above which progress updates are dropped, and above which its client is. */
const lagging = 256 * 1024;
const hopeless = 16 * 1024 * 1024;

/** Writes, and waits while the client is behind; rejects when it goes away. */
export async function writeChunk(
  response: ServerResponse,
  chunk: string | Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  if (!response.write(chunk)) await once(response, 'drain', { signal });
}

/** Writes what is only lent: resolves when the bytes are no longer needed; rejects when the client goes away. */
export async function writeBorrowed(response: Writable, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  response.write(bytes, (error) => (error ? reject(error) : resolve()));
  await orAborted(promise, signal);
}

/**
 * The descriptor of an answer's socket once its head is out, for a thread that writes the chunks of the body itself. The
 * answer is ended as usual afterwards. Undefined where that cannot be: bytes on the wire are not those of the body.
 */
export async function bareSocket(response: ServerResponse, signal: AbortSignal): Promise<number | undefined> {
  const socket = response.socket as (Socket & { readonly encrypted?: boolean; readonly _handle?: SocketHandle }) | null;
  if (socket === null || socket.encrypted === true || !response.chunkedEncoding) return undefined;
  response.flushHeaders();
  if (socket.writableLength > 0) {
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.write('', () => resolve());
    await orAborted(promise, signal);
  }
  const fd = socket._handle?.fd ?? -1;
  return socket.destroyed || fd < 0 ? undefined : fd;
}

interface SocketHandle {
  readonly fd?: number;
}

/** Sends the head of a streamed answer at once, so that the client knows that the request is under way. */
export function beginStream(response: ServerResponse, contentType: string): void {
  response.writeHead(200, { 'Content-Type': contentType });
  response.flushHeaders();
}

/**
 * A stream of JSON messages for `work` to report on. An error before the first message is an ordinary error answer;
 * after it, the last message says it, as the status was sent already.
 */
export async function streamProgress(
  exchange: Exchange,
  work: (report: (message: ProgressMessage) => void) => Promise<void>,
): Promise<void> {
  const { response } = exchange;
  const send = (message: unknown): void => {
    if (!response.headersSent) response.writeHead(200, { 'Content-Type': 'application/json' });
    response.write(`${JSON.stringify(message)}\r\n`);
  };
  try {
    await work((message) => {
      if (response.destroyed || response.writableEnded) return;
      if (response.writableLength > lagging && message.progressDetail?.current !== undefined) return;
      if (response.writableLength > hopeless) response.destroy();
      else send(message);
    });
  } catch (error) {
    if (!response.headersSent) throw error;
    const { message } = httpError(error);
    const code = error instanceof CommandFailure ? { code: error.exitCode } : {};
    if (!response.destroyed) send({ errorDetail: { ...code, message }, error: message });
  }
  if (!response.headersSent) response.writeHead(200, { 'Content-Type': 'application/json' });
  response.end();
}
