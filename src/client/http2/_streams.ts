import type { Http2Stream } from './_stream.ts';

/** The open streams of a connection; one is gone when both sides have ended it. */
export class OpenStreams {
  readonly #open = new Map<number, Http2Stream>();
  /** Ended by one side. */
  readonly #half = new Map<number, 'own' | 'peer'>();

  get(id: number): Http2Stream | undefined {
    return this.#open.get(id);
  }

  all(): IterableIterator<Http2Stream> {
    return this.#open.values();
  }

  get count(): number {
    return this.#open.size;
  }

  add(stream: Http2Stream): void {
    this.#open.set(stream.id, stream);
  }

  end(id: number, side: 'own' | 'peer'): void {
    const half = this.#half.get(id);
    if (half === undefined && this.#open.has(id)) this.#half.set(id, side);
    else if (half !== side) this.#forget(id);
  }

  /** Given up by anybody. */
  break(id: number, failure: Error): void {
    this.#open.get(id)?.finish(failure);
    this.#forget(id);
  }

  #forget(id: number): void {
    this.#open.delete(id);
    this.#half.delete(id);
  }
}
