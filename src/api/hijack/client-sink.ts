import type { Socket } from 'node:net';
import type { StdioSink } from '../../spec/contract/launch.ts';
import { frame } from './frames.ts';

/** Bytes that may wait for one client before its container is asked to hold back. */
const pauseAbove = 1024 * 1024;
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
  readonly #socket: Socket;
  readonly #options: ClientSinkOptions;
  #pace: Promise<void> | undefined;
  #ended = false;

  constructor(socket: Socket, options: ClientSinkOptions) {
    this.#socket = socket;
    this.#options = options;
  }

  write(stream: 1 | 2, bytes: Uint8Array): void {
    const wanted = stream === 1 ? this.#options.stdout : this.#options.stderr;
    if (!wanted || bytes.length === 0 || this.#ended || !this.#socket.writable) return;
    if (this.#socket.writableLength > dropAbove) {
      this.#socket.destroy();
      return;
    }
    if (!this.#options.multiplexed) this.#socket.write(bytes);
    else for (const chunk of frame(stream, bytes)) this.#socket.write(chunk);
  }

  pace(): Promise<void> | undefined {
    if (this.#socket.writableLength <= pauseAbove || this.#socket.destroyed) return undefined;
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
    const socket = this.#socket;
    const { promise, resolve } = Promise.withResolvers<void>();
    let taken = socket.bytesWritten - socket.writableLength;
    const watch = setInterval(() => {
      const now = socket.bytesWritten - socket.writableLength;
      if (now === taken) socket.destroy();
      taken = now;
    }, stallMs);
    const done = () => {
      clearInterval(watch);
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.once('drain', done);
    socket.once('close', done);
    return promise;
  }
}
