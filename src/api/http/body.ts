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

/** Whether a Content-Type header declares JSON. Who asks plugins about bodies and who reads them must agree on this. */
export const declaresJson = (header: string | undefined): boolean =>
  (header ?? '').split(';', 1)[0]?.trim().toLowerCase() === 'application/json';

function checkContentType(header: string | undefined): void {
  if (!declaresJson(header)) {
    throw invalid(`unsupported Content-Type header (${header ?? ''}): must be 'application/json'`);
  }
}

/** The body as it comes. Whoever stops reading early leaves the connection as it is: the answer has yet to go out. */
export function bodyStream(request: IncomingMessage): AsyncIterable<Buffer> {
  const kept = keptBodies.get(request);
  return kept === undefined ? (request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) : once(kept);
}

/** Bodies that were read before their handler ran. */
const keptBodies = new WeakMap<IncomingMessage, Buffer>();

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  if (bytes.length > 0) yield bytes;
}

/**
 * Reads the whole body now; whoever reads it later, as a stream or at once, gets exactly these bytes.
 * @throws as `readBody`
 */
export async function keepBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const bytes = await readBody(request, limit);
  keptBodies.set(request, bytes);
  return bytes;
}

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
