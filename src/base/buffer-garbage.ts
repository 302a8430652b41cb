/** Bytes of dropped buffers that may wait for V8. */
const mostWaiting = 16 << 20;

/**
 * For work that drops many buffers which others have made for it, as what comes from a socket: V8 counts them, but collects
 * only when there are some 64 MiB. A collection of the young ones takes a millisecond. Without `--expose-gc` nothing is done.
 */
export class BufferGarbage {
  #waiting = 0;

  /** So many bytes are not needed any more. */
  add(bytes: number): void {
    this.#waiting += bytes;
    if (this.#waiting < mostWaiting) return;
    this.#waiting = 0;
    globalThis.gc?.({ type: 'minor' });
  }
}
