import type { ServerResponse } from 'node:http';
import { once } from 'node:events';
import { httpError } from '../errors.ts';
import type { ProgressMessage } from '../../spec/engine/progress.ts';
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

/** Bytes that are gathered at most before they are sent. */
const fullChunk = 64 * 1024;

/** Makes few chunks of many small pieces: what comes within one turn of the event loop goes out together. */
export class ChunkGatherer {
  readonly #response: ServerResponse;
  readonly #signal: AbortSignal;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #timer: NodeJS.Immediate | undefined;

  constructor(response: ServerResponse, signal: AbortSignal) {
    this.#response = response;
    this.#signal = signal;
  }

  /** Takes a piece, which must not change any more; a promise when there is enough for now and the client is behind. */
  add(piece: Uint8Array): Promise<void> | undefined {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes >= fullChunk) return this.flush();
    this.#timer ??= setImmediate(() => this.#send());
    return undefined;
  }

  /** Sends what was gathered, and waits while the client is behind; rejects when it goes away. */
  async flush(): Promise<void> {
    if (!this.#send()) await once(this.#response, 'drain', { signal: this.#signal });
  }

  #send(): boolean {
    clearImmediate(this.#timer);
    this.#timer = undefined;
    if (this.#bytes === 0 || this.#response.destroyed) return true;
    const chunk = Buffer.concat(this.#pieces, this.#bytes);
    this.#pieces = [];
    this.#bytes = 0;
    return this.#response.write(chunk);
  }
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
    if (!response.destroyed) send({ errorDetail: { message }, error: message });
  }
  if (!response.headersSent) response.writeHead(200, { 'Content-Type': 'application/json' });
  response.end();
}
