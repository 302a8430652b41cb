import { Duplex } from 'node:stream';
import { closeCode, closeFrame, FrameReader, frameHeader, opcode, ProtocolError } from './frames.ts';

/** How long the other side may take to answer our close frame. */
const closeTimeoutMs = 5000;

/**
 * The messages of a WebSocket (the server's side, RFC 6455) as a plain stream of bytes: what is written goes out as one
 * frame a chunk, what comes in is read without its cuts. A close frame is the end of the stream; its own end sends one
 * and waits for the other. `connection` is the bare connection, behind the handshake, and goes with the stream.
 */
export class WebSocketStream extends Duplex {
  readonly #connection: Duplex;
  readonly #reader = new FrameReader();
  readonly #kind: typeof opcode.text | typeof opcode.binary;
  #hasSentClose = false;
  #hasEnded = false;
  #timeout: NodeJS.Timeout | undefined;

  constructor(connection: Duplex, kind: 'text' | 'binary') {
    super({ autoDestroy: true });
    this.#connection = connection;
    this.#kind = opcode[kind];
    connection.on('data', (chunk: Uint8Array) => this.#receive(chunk));
    connection.once('end', () => this.#endInput());
    connection.once('close', () => this.destroy());
    connection.pause();
  }

  override _read(): void {
    this.#connection.resume();
  }

  override _write(chunk: Uint8Array, _encoding: unknown, done: (error?: Error | null) => void): void {
    // Cut, they may be half written when the close frame of the other side is answered.
    this.#connection.cork();
    this.#connection.write(frameHeader(this.#kind, chunk.length));
    const isTaken = this.#connection.write(chunk);
    this.#connection.uncork();
    if (isTaken) done();
    else this.#connection.once('drain', () => done());
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#sendClose(closeCode.normal);
    done();
    this.#connection.resume();
    this.#timeout = setTimeout(() => this.destroy(), closeTimeoutMs);
    this.#timeout.unref();
    if (this.#hasEnded) this.#hangUp();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#timeout);
    this.#connection.destroy();
    done(error);
  }

  #receive(chunk: Uint8Array): void {
    if (this.#hasEnded) return;
    try {
      for (const incoming of this.#reader.read(chunk)) {
        if (incoming.kind === 'data' && !this.push(incoming.bytes)) this.#connection.pause();
        if (incoming.kind === 'ping' && !this.#hasSentClose) {
          const pong = Buffer.concat([frameHeader(opcode.pong, incoming.payload.length), incoming.payload]);
          // Who floods with pings and reads nothing gets no answers.
          if (!this.#connection.writableNeedDrain) this.#connection.write(pong);
        }
        if (incoming.kind !== 'close') continue;
        this.#closed(incoming.code);
        return;
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#closed(closeCode.protocolError);
    }
  }

  /** Nothing more comes in; the frame is answered, and then both sides are through with each other. */
  #closed(code: number): void {
    this.#sendClose(code);
    this.#endInput();
    this.#hangUp();
  }

  #endInput(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.push(null);
    if (this.writableFinished) this.#hangUp();
  }

  #sendClose(code: number): void {
    if (this.#hasSentClose) return;
    this.#hasSentClose = true;
    // Codes that may not be sent (section 7.4.2) are answered like no code.
    this.#connection.write(
      closeFrame(code >= 1000 && code < 5000 && code !== 1005 && code !== 1006 ? code : closeCode.normal),
    );
  }

  #hangUp(): void {
    if (!this.#connection.writableEnded) this.#connection.end();
    // What waits for this stream's reader must reach it before the stream is gone.
    if (this.readableEnded || this.readableLength === 0) setImmediate(() => this.destroy());
    else this.once('end', () => this.destroy());
  }
}
