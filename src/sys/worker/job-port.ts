import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { codeOf, EngineError, type ErrorCode, messageOf } from '../../base/errors.ts';
import { copyInto } from '../../base/room.ts';

/** What travels between the engine and a job in a worker thread. Bytes change hands, they are not copied. */
export type JobMessage =
  /** Bytes: of the job's output, or of its input. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array<ArrayBuffer> }
  /** The room of bytes that were used, to be filled again. */
  | { readonly kind: 'room'; readonly room: ArrayBuffer }
  /** The end of the input. */
  | { readonly kind: 'end' }
  | { readonly kind: 'cancel' }
  | { readonly kind: 'done'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string };

/** Bytes that travel together, and how many such pieces may be on their way at once: memory of a job. */
export const pieceSize = 512 << 10;
export const mostPieces = 4;

/** What a worker is given to work on a job. */
export interface JobTicket {
  readonly task: unknown;
  readonly port: MessagePort;
  /** Counts the engine's messages: a worker that waits sleeps on it. */
  readonly bell: Int32Array<SharedArrayBuffer>;
}

/**
 * The worker's end of a job. It is synchronous: a job sleeps while the engine has to do something, so a thread works on
 * one job at a time.
 */
export class JobPort {
  readonly #port: MessagePort;
  readonly #bell: Int32Array<SharedArrayBuffer>;
  #rooms: ArrayBuffer[] = [];
  #made = 0;
  #piece = Buffer.alloc(0);
  #filled = 0;
  #used: ArrayBuffer | undefined;

  constructor({ port, bell }: JobTicket) {
    this.#port = port;
    this.#bell = bell;
  }

  /** Room for output, at least one byte; what was put into it is told by `advance`. @throws EngineError cancelled. */
  reserve(): Buffer {
    if (this.#filled === this.#piece.length) {
      this.flush();
      this.#piece = Buffer.from(this.#takeRoom());
      this.#filled = 0;
    }
    return this.#piece.subarray(this.#filled);
  }

  advance(length: number): void {
    this.#filled += length;
  }

  /** Adds output. */
  write(bytes: Uint8Array): void {
    copyInto(this, bytes);
  }

  /** Sends what is gathered. */
  flush(): void {
    if (this.#filled === 0) return;
    const room = this.#piece.buffer as ArrayBuffer;
    this.#send({ kind: 'bytes', bytes: new Uint8Array(room, 0, this.#filled) }, [room]);
    this.#piece = Buffer.alloc(0);
    this.#filled = 0;
  }

  /** The next part of the input, valid until the next call; undefined at its end. @throws EngineError cancelled. */
  read(): Buffer | undefined {
    if (this.#used !== undefined) this.#send({ kind: 'room', room: this.#used }, [this.#used]);
    this.#used = undefined;
    const message = this.#wait();
    if (message.kind !== 'bytes') return undefined;
    const { buffer, byteOffset, length } = message.bytes;
    this.#used = buffer;
    return Buffer.from(buffer, byteOffset, length);
  }

  /** To be called now and then by a job that waits for something else. @throws EngineError cancelled. */
  checkCancelled(): void {
    const received = receiveMessageOnPort(this.#port) as { message: JobMessage } | undefined;
    if (received?.message.kind === 'cancel') throw cancelled();
  }

  /** Runs the job and tells how it ended. */
  finish(work: () => unknown): void {
    try {
      const value = work();
      this.flush();
      this.#send({ kind: 'done', value }, []);
    } catch (error) {
      this.#send({ kind: 'failed', code: codeOf(error), message: messageOf(error) }, []);
    }
    this.#port.close();
  }

  #takeRoom(): ArrayBuffer {
    const room = this.#rooms.pop();
    if (room !== undefined) return room;
    if (this.#made < mostPieces) {
      this.#made++;
      return new ArrayBuffer(pieceSize);
    }
    const message = this.#wait();
    if (message.kind !== 'room') throw new EngineError('internal', 'a job was sent something else than room');
    return message.room;
  }

  #wait(): JobMessage {
    for (;;) {
      const seen = Atomics.load(this.#bell, 0);
      const received = receiveMessageOnPort(this.#port) as { message: JobMessage } | undefined;
      if (received === undefined) {
        Atomics.wait(this.#bell, 0, seen);
        continue;
      }
      if (received.message.kind === 'cancel') throw cancelled();
      return received.message;
    }
  }

  #send(message: JobMessage, transfer: ArrayBuffer[]): void {
    this.#port.postMessage(message, transfer);
  }
}

const cancelled = (): EngineError => new EngineError('cancelled', 'the operation was cancelled');
