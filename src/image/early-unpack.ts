import { codeOf } from '../base/errors.ts';
import type { DiffId } from '../base/ids.ts';
import type { Semaphore } from '../base/async.ts';
import type { GrowingFile } from '../store/blobs/growing.ts';
import type { ContentOperation } from './content.ts';
import type { UnpackOptions } from './ports.ts';

/** So often a slow download is looked at, and so many bytes it must have brought since to keep its place. */
const lookEveryMs = 2000;
const leastBytes = 2 << 20;

/**
 * Unpacks a layer while it is being downloaded. Places for unpacking are few: a download that hardly moves gives its
 * own back to others who wait, and its layer is unpacked when all of it is there.
 */
export class EarlyUnpack {
  readonly #content: ContentOperation;
  readonly #unpacks: Semaphore;
  readonly #options: UnpackOptions & { readonly expected: DiffId };
  readonly #hopeless: (error: unknown) => void;
  #current: { readonly stop: AbortController; readonly done: Promise<boolean> } | undefined;
  #bytes = 0;

  /** `hopeless` is told when the layer cannot be unpacked whatever comes next: it need not be downloaded. */
  constructor(
    content: ContentOperation,
    unpacks: Semaphore,
    options: UnpackOptions & { readonly expected: DiffId },
    hopeless: (error: unknown) => void,
  ) {
    this.#content = content;
    this.#unpacks = unpacks;
    this.#options = options;
    this.#hopeless = hopeless;
  }

  /** Begins, or begins anew with another file. */
  begin(file: GrowingFile): void {
    this.#current?.stop.abort();
    const stop = new AbortController();
    const done = this.#unpacks
      .run(() => this.#unpack(file, stop), stop.signal)
      .then(
        () => true,
        (error: unknown) => {
          // Wrong bytes are reported by who compares their digest; a cancelled one is made up for later.
          if (['invalid', 'no-space'].includes(codeOf(error))) this.#hopeless(error);
          return false;
        },
      );
    this.#current = { stop, done };
  }

  async #unpack(file: GrowingFile, stop: AbortController): Promise<void> {
    let before = this.#bytes;
    const look = setInterval(() => {
      if (this.#unpacks.waiting > 0 && this.#bytes - before < leastBytes) stop.abort();
      before = this.#bytes;
    }, lookEveryMs);
    try {
      await this.#content.unpack(file, { ...this.#options, signal: stop.signal });
    } finally {
      clearInterval(look);
    }
  }

  /** The download is so far. */
  grewTo(bytes: number): void {
    this.#bytes = bytes;
  }

  /** The download is complete: a place among others is no longer at stake. Resolves with whether the layer is made. */
  async finish(signal: AbortSignal): Promise<boolean> {
    this.#bytes = Number.POSITIVE_INFINITY;
    const onAbort = (): void => this.#current?.stop.abort();
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      return (await this.#current?.done) ?? false;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Gives up; nothing is left running. */
  async stop(): Promise<void> {
    this.#current?.stop.abort();
    await this.#current?.done;
  }
}
