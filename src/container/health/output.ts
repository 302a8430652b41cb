import { concatBytes } from '../../base/stream.ts';
import type { StdioSink } from '../../spec/contract/launch.ts';

/** Bytes of a check's output that are kept. */
export const outputLimit = 4096;

/** Keeps the begin of what a check prints, both streams together; the rest is dropped. */
export class CheckOutput implements StdioSink {
  readonly #chunks: Uint8Array[] = [];
  #length = 0;
  #isCut = false;

  write(_stream: 1 | 2, bytes: Uint8Array): void {
    const kept = bytes.subarray(0, outputLimit - this.#length);
    if (kept.length < bytes.length) this.#isCut = true;
    if (kept.length === 0) return;
    this.#chunks.push(kept);
    this.#length += kept.length;
  }

  end(): void {}

  /** Bytes that are no UTF-8 show as replacement characters; `...` stands for what was dropped. */
  text(): string {
    return `${new TextDecoder().decode(concatBytes(this.#chunks, this.#length))}${this.#isCut ? '...' : ''}`;
  }
}
