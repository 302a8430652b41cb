import type { HeaderList } from './_hpack.ts';

/** What a stream needs of its connection. */
export interface StreamOwner {
  sendHeaders(id: number, headers: HeaderList, isEnd: boolean): void;
  /** Resolves when there is room for more. @throws Error when the stream or the connection is gone */
  sendData(stream: Http2Stream, bytes: Uint8Array, isEnd: boolean): Promise<void>;
  /** The reader has taken so many bytes: the peer may send as many more. */
  consumed(stream: Http2Stream, bytes: number): void;
  reset(stream: Http2Stream, code: number): void;
}

/** One stream of a connection: headers, bytes and trailers both ways. */
export class Http2Stream {
  readonly id: number;
  /** Headers of the peer: of a request when it began the stream, else of its answer. Rejects when there are none. */
  readonly headers: Promise<HeaderList>;
  /** Of the peer; empty when the stream ended without. Rejects when it did not end well. */
  readonly trailers: Promise<HeaderList>;
  /** How much may be sent still; kept by the connection. */
  sendWindow: number;
  readonly #owner: StreamOwner;
  readonly #headers = Promise.withResolvers<HeaderList>();
  readonly #trailers = Promise.withResolvers<HeaderList>();
  readonly #chunks: Uint8Array[] = [];
  readonly #onEnd: (() => void)[] = [];
  #hasHeaders = false;
  #ended = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(owner: StreamOwner, id: number, sendWindow: number) {
    this.#owner = owner;
    this.id = id;
    this.sendWindow = sendWindow;
    this.headers = this.#headers.promise;
    this.trailers = this.#trailers.promise;
    // Who reads the bytes is told there.
    for (const promise of [this.headers, this.trailers]) promise.catch(() => undefined);
  }

  /** Why nothing can be sent or read any more; undefined while it can. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  respond(headers: HeaderList, isEnd = false): void {
    if (this.#failure === undefined) this.#owner.sendHeaders(this.id, headers, isEnd);
  }

  send(bytes: Uint8Array, isEnd = false): Promise<void> {
    return this.#owner.sendData(this, bytes, isEnd);
  }

  /** Gives the stream up on both sides. */
  reset(code: number): void {
    if (this.#failure === undefined) this.#owner.reset(this, code);
  }

  /** Calls back when the stream is given up by anybody. */
  onFailure(callback: () => void): void {
    if (this.#failure === undefined) this.#onEnd.push(callback);
    else callback();
  }

  /** The bytes of the peer until its end. @throws Error when the stream breaks */
  async *bytes(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        yield chunk;
        this.#owner.consumed(this, chunk.length);
      } else if (this.#failure !== undefined) throw this.#failure;
      else if (this.#ended) return;
      else {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        await promise;
      }
    }
  }

  /** For the connection: what came. */
  take(part: { readonly headers: HeaderList } | { readonly data: Uint8Array }): void {
    if ('data' in part) this.#chunks.push(part.data);
    else if (this.#hasHeaders) this.#trailers.resolve(part.headers);
    else {
      this.#hasHeaders = true;
      this.#headers.resolve(part.headers);
    }
    this.#wake?.();
  }

  /** For the connection: the peer has ended its side, or the stream is broken. */
  finish(failure?: Error): void {
    if (failure !== undefined && this.#failure === undefined) {
      this.#failure = failure;
      this.#headers.reject(failure);
      this.#trailers.reject(failure);
      for (const callback of this.#onEnd) callback();
    }
    if (failure === undefined) {
      this.#ended = true;
      this.#headers.resolve([]);
      this.#trailers.resolve([]);
    }
    this.#wake?.();
  }
}
