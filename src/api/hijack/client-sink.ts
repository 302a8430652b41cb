import type { Duplex } from 'node:stream';
import type { StdioSink } from '../../spec/contract/launch.ts';
import { frame } from './frames.ts';

/** Bytes that may wait for one client before its container is asked to hold back, and so many when memory is short. */
const pauseAbove = 8 * 1024 * 1024;
const pauseAboveWhenShort = 256 * 1024;
/** Memory is short when so many bytes wait for all clients together. */
const plenty = 64 * 1024 * 1024;
/** Bytes at which a client is dropped when holding back does not help. */
const dropAbove = 16 * 1024 * 1024;
/** A client that takes nothing for so long, while output waits for it, is dropped. */
const stallMs = 5000;

export interface ClientSinkOptions {
  readonly multiplexed: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Called once, when no more output will come. */
  readonly onEnd: () => void;
}

/** Bytes that wait for all clients, as last seen by each. */
let waitingForAll = 0;

/**
 * One client as a sink of a container's output. What a pausing client (a pager, a stopped terminal) does not take waits
 * in memory; when that gets much, the container is held back at the client's pace, as with Docker. A client that takes
 * nothing at all then is dropped after some seconds: it cannot freeze the container.
 */
export class ClientSink implements StdioSink {
  readonly #client: Duplex;
  /** Bytes written so far, taken by the client or not. */
  #written = 0;
  readonly #options: ClientSinkOptions;
  #waiting = 0;
  #pace: Promise<void> | undefined;
  #ended = false;

  constructor(client: Duplex, options: ClientSinkOptions) {
    this.#client = client;
    this.#options = options;
    for (const event of ['drain', 'finish', 'close']) client.on(event, () => this.#count());
  }

  write(stream: 1 | 2, bytes: Uint8Array): void {
    const wanted = stream === 1 ? this.#options.stdout : this.#options.stderr;
    if (!wanted || bytes.length === 0 || this.#ended || !this.#client.writable) return;
    if (this.#client.writableLength > dropAbove) {
      this.#client.destroy();
      return;
    }
    for (const chunk of this.#options.multiplexed ? frame(stream, bytes) : [bytes]) {
      this.#written += chunk.length;
      this.#client.write(chunk);
    }
    this.#count();
  }

  pace(): Promise<void> | undefined {
    const limit = waitingForAll > plenty ? pauseAboveWhenShort : pauseAbove;
    if (this.#client.writableLength <= limit || this.#client.destroyed) return undefined;
    this.#pace ??= this.#caughtUp().finally(() => {
      this.#pace = undefined;
    });
    return this.#pace;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.onEnd();
  }

  /** Keeps the sum over all clients up to date. */
  #count(): void {
    const now = this.#client.destroyed ? 0 : this.#client.writableLength;
    waitingForAll += now - this.#waiting;
    this.#waiting = now;
  }

  /** Resolves when the client took everything, or is gone. */
  #caughtUp(): Promise<void> {
    const client = this.#client;
    const { promise, resolve } = Promise.withResolvers<void>();
    let taken = this.#written - client.writableLength;
    const watch = setInterval(() => {
      const now = this.#written - client.writableLength;
      if (now === taken) client.destroy();
      taken = now;
    }, stallMs);
    const done = () => {
      clearInterval(watch);
      client.off('drain', done);
      client.off('close', done);
      resolve();
    };
    client.once('drain', done);
    client.once('close', done);
    return promise;
  }
}
