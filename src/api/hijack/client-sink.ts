import type { Duplex } from 'node:stream';
import type { StdioSink } from '../../spec/contract/launch.ts';
import { frame } from './frames.ts';

/** Bytes that may wait for one client before its container is asked to hold back. */
const pauseAbove = 256 * 1024;
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

/**
 * One client as a sink of a container's output. A client that is slow but takes something paces the container, as
 * with Docker; one that takes nothing is dropped after some seconds, so that it cannot freeze anything.
 */
export class ClientSink implements StdioSink {
  readonly #client: Duplex;
  /** Bytes written so far, taken by the client or not. */
  #written = 0;
  readonly #options: ClientSinkOptions;
  #pace: Promise<void> | undefined;
  #ended = false;

  constructor(client: Duplex, options: ClientSinkOptions) {
    this.#client = client;
    this.#options = options;
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
  }

  pace(): Promise<void> | undefined {
    if (this.#client.writableLength <= pauseAbove || this.#client.destroyed) return undefined;
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
