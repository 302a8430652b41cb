import type { IncomingMessage } from 'node:http';
import { EngineError, invalid } from '../../base/errors.ts';
import { maxJsonBytes, parseJson } from '../../spec/decode/json.ts';

/**
 * The request's body as JSON; undefined when there is none.
 * @throws EngineError `invalid` when it is too large, is not declared as JSON, or is no JSON.
 */
export async function readJsonBody(request: IncomingMessage): Promise<unknown> {
  const bytes = await readBody(request, maxJsonBytes);
  if (bytes.length === 0) return undefined;
  checkContentType(request.headers['content-type']);
  return parseJson(bytes);
}

function checkContentType(header: string | undefined): void {
  const type = (header ?? '').split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'application/json') {
    throw invalid(`unsupported Content-Type header (${header ?? ''}): must be 'application/json'`);
  }
}

/** The body as it comes. Whoever stops reading early leaves the connection as it is: the answer has yet to go out. */
export const bodyStream = (request: IncomingMessage): AsyncIterable<Buffer> =>
  request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;

/** So long, in milliseconds, a client that was answered may go on sending: it may not read before it has sent all. */
const lingerMs = 500;

/**
 * To be called when the answer is out. What is left of the body is read and thrown away for a moment, then the
 * connection is closed: a body that nobody reads would hide the end of the connection for ever.
 */
export function discardBody(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  // Of an iterator that was left in the middle: as long as it listens, nothing flows.
  request.removeAllListeners('readable');
  setImmediate(() => request.resume());
  const timer = setTimeout(() => request.socket.destroy(), lingerMs);
  request.once('error', () => undefined);
  request.once('close', () => clearTimeout(timer));
}

/** The whole body. @throws EngineError `invalid` above `limit` bytes, `cancelled` when the client goes away. */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > limit) throw invalid(`the request body is larger than the allowed ${limit} bytes`);
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of bodyStream(request)) {
      length += chunk.length;
      if (length > limit) throw invalid(`the request body is larger than the allowed ${limit} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new EngineError('cancelled', 'the client went away while it sent its request', { cause: error });
  }
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length);
}
