import {
  errorCodes,
  type Frame,
  frameFlags,
  frameHead,
  frameTypes,
  numberAt,
  numberPayload,
  preface,
  readFrames,
  settingIds,
  settingsIn,
  settingsPayload,
  unpadded,
} from './_frames.ts';
import { encodeHeaders, HeaderDecoder, type HeaderList } from './_hpack.ts';
import { FrameOutput } from './_output.ts';
import { Http2Stream, type StreamOwner } from './_stream.ts';
import { OpenStreams } from './_streams.ts';
import { initialWindow, SendWindows } from './_windows.ts';

export { errorCodes } from './_frames.ts';
export type { HeaderList } from './_hpack.ts';
export type { Http2Stream } from './_stream.ts';

/** Bytes both ways, as a connection that was taken over gives them. */
export interface Http2Transport {
  readonly output: AsyncIterable<Uint8Array>;
  write(bytes: Uint8Array): Promise<void>;
  destroy(): void;
}

export interface Http2Options {
  /** `server`: the peer begins streams, and `onStream` is called for each. */
  readonly role: 'client' | 'server';
  readonly onStream?: (stream: Http2Stream) => void;
}

/** What either side may send in one frame, until it is told otherwise. */
const frameBytes = 16_384;
/** What a peer may send ahead of its reader: a window of 64 KiB makes downloads wait for every round trip. */
const ownStreamWindow = 4 << 20;
const ownWindow = 16 << 20;
const mostStreams = 250;
/** Of a header block in pieces. */
const mostHeaderBytes = 16 << 20;

/**
 * A connection that speaks HTTP/2 (RFC 9113), over any transport and with the same code for both roles: of the runtimes
 * that the command line runs on, not all can serve it on a connection that the client has opened. No priorities, no pushes.
 */
export class Http2Connection implements StreamOwner {
  /** Resolves when it is over. */
  readonly closed: Promise<void>;
  readonly #transport: Http2Transport;
  readonly #options: Http2Options;
  readonly #output: FrameOutput;
  readonly #decoder = new HeaderDecoder();
  readonly #streams = new OpenStreams();
  readonly #windows = new SendWindows();
  readonly #over = Promise.withResolvers<void>();
  #nextId = 1;
  #lastOfPeer = 0;
  #peerFrame = frameBytes;
  #unacknowledged = 0;
  /** Headers whose end is to come. */
  #block: { readonly frame: Frame; readonly pieces: Uint8Array[]; bytes: number } | undefined;
  #failure: Error | undefined;

  constructor(transport: Http2Transport, options: Http2Options) {
    this.#transport = transport;
    this.#options = options;
    this.#output = new FrameOutput(
      (bytes) => transport.write(bytes),
      (error) => this.#end(error as Error),
    );
    this.closed = this.#over.promise;
    if (options.role === 'client') this.#output.push(Buffer.from(preface));
    const settings = settingsPayload([
      [settingIds.enablePush, 0],
      [settingIds.maxStreams, mostStreams],
      [settingIds.initialWindow, ownStreamWindow],
    ]);
    // A server may not speak of pushes at all.
    this.#send(frameTypes.settings, 0, 0, options.role === 'client' ? settings : settings.subarray(6));
    this.#send(frameTypes.window, 0, 0, numberPayload(ownWindow - initialWindow));
    void this.#read();
  }

  /** Begins a stream. @throws Error when the connection is gone */
  request(headers: HeaderList): Http2Stream {
    if (this.#failure !== undefined) throw this.#failure;
    const stream = new Http2Stream(this, this.#nextId, this.#windows.ofNewStream);
    this.#nextId += 2;
    this.#streams.add(stream);
    this.sendHeaders(stream.id, headers, false);
    return stream;
  }

  sendHeaders(id: number, headers: HeaderList, isEnd: boolean): void {
    const block = encodeHeaders(headers);
    for (let at = 0; at === 0 || at < block.length; at += this.#peerFrame) {
      const piece = block.subarray(at, at + this.#peerFrame);
      const isLast = at + this.#peerFrame >= block.length;
      const flags = (at === 0 && isEnd ? frameFlags.endStream : 0) | (isLast ? frameFlags.endHeaders : 0);
      this.#send(at === 0 ? frameTypes.headers : frameTypes.continuation, flags, id, piece);
    }
    if (isEnd) this.#streams.end(id, 'own');
  }

  async sendData(stream: Http2Stream, bytes: Uint8Array, isEnd: boolean): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      if (stream.failure !== undefined) throw stream.failure;
      const count = this.#windows.take(stream, Math.min(this.#peerFrame, bytes.length - at));
      if (count === 0) {
        await this.#windows.changed();
        continue;
      }
      const isLast = isEnd && at + count === bytes.length;
      this.#send(frameTypes.data, isLast ? frameFlags.endStream : 0, stream.id, bytes.subarray(at, at + count));
      at += count;
    }
    if (stream.failure !== undefined) throw stream.failure;
    if (isEnd) {
      if (bytes.length === 0) this.#send(frameTypes.data, frameFlags.endStream, stream.id, bytes);
      this.#streams.end(stream.id, 'own');
    }
    await this.#output.room();
  }

  consumed(stream: Http2Stream, bytes: number): void {
    if (bytes === 0 || this.#failure !== undefined) return;
    this.#unacknowledged += bytes;
    if (this.#unacknowledged >= ownWindow / 4) {
      this.#send(frameTypes.window, 0, 0, numberPayload(this.#unacknowledged));
      this.#unacknowledged = 0;
    }
    if (this.#streams.get(stream.id) !== undefined) {
      this.#send(frameTypes.window, 0, stream.id, numberPayload(bytes));
    }
  }

  reset(stream: Http2Stream, code: number): void {
    this.#send(frameTypes.reset, 0, stream.id, numberPayload(code));
    this.#streams.break(stream.id, new Error('the call was given up'));
    this.#windows.wake();
  }

  /** Says that it is over, as soon as everything is sent. */
  async close(): Promise<void> {
    const payload = Buffer.concat([numberPayload(this.#lastOfPeer), numberPayload(errorCodes.none)]);
    this.#send(frameTypes.goAway, 0, 0, payload);
    await this.#output.flushed();
    this.#end(new Error('the connection is closed'));
  }

  #send(type: number, flags: number, stream: number, payload: Uint8Array): void {
    if (this.#failure === undefined) this.#output.push(frameHead(type, flags, stream, payload.length), payload);
  }

  async #read(): Promise<void> {
    try {
      for await (const frame of readFrames(this.#transport.output, frameBytes, this.#options.role === 'server')) {
        this.#take(frame);
      }
      this.#end(new Error('the engine has closed the connection'));
    } catch (error) {
      this.#end(error as Error);
    }
  }

  #take(frame: Frame): void {
    const { type, flags, stream: id, payload } = frame;
    const stream = this.#streams.get(id);
    if (this.#block !== undefined && type !== frameTypes.continuation) throw new Error('headers are not continued');
    switch (type) {
      case frameTypes.data: {
        const data = unpadded(frame, false);
        if (stream === undefined) this.#unacknowledged += payload.length;
        else if (data.length > 0) stream.take({ data });
        if ((flags & frameFlags.endStream) !== 0) this.#endOfPeer(id);
        break;
      }
      case frameTypes.headers:
        this.#block = { frame, pieces: [], bytes: 0 };
        this.#continueHeaders(unpadded(frame, true), flags);
        break;
      case frameTypes.continuation:
        this.#continueHeaders(payload, flags);
        break;
      case frameTypes.reset:
        this.#streams.break(id, new StreamReset(numberAt(payload, 0)));
        this.#windows.wake();
        break;
      case frameTypes.settings:
        if ((flags & frameFlags.ack) !== 0) break;
        for (const [setting, value] of settingsIn(payload)) {
          if (setting === settingIds.initialWindow) this.#windows.change(value, this.#streams.all());
          // Larger frames than this spare nothing, and smaller ones are not allowed.
          if (setting === settingIds.maxFrame) this.#peerFrame = Math.max(frameBytes, Math.min(value, 1 << 18));
        }
        this.#send(frameTypes.settings, frameFlags.ack, 0, new Uint8Array(0));
        break;
      case frameTypes.ping:
        if ((flags & frameFlags.ack) === 0) this.#send(frameTypes.ping, frameFlags.ack, 0, payload);
        break;
      case frameTypes.window:
        if (id === 0 || stream !== undefined) this.#windows.grow(numberAt(payload, 0) & 0x7fff_ffff, stream);
        break;
    }
  }

  #continueHeaders(piece: Uint8Array, flags: number): void {
    const block = this.#block;
    if (block === undefined) throw new Error('there are no headers to continue');
    block.pieces.push(piece);
    block.bytes += piece.length;
    if (block.bytes > mostHeaderBytes) throw new Error('the headers of a call are too long');
    if ((flags & frameFlags.endHeaders) === 0) return;
    this.#block = undefined;
    const headers = this.#decoder.decode(Buffer.concat(block.pieces));
    const { stream: id } = block.frame;
    let stream = this.#streams.get(id);
    const isNew = stream === undefined && this.#options.role === 'server' && id > this.#lastOfPeer;
    if (isNew) {
      this.#lastOfPeer = id;
      stream = new Http2Stream(this, id, this.#windows.ofNewStream);
      if (this.#streams.count >= mostStreams) {
        this.#send(frameTypes.reset, 0, id, numberPayload(errorCodes.refused));
        return;
      }
      this.#streams.add(stream);
    }
    stream?.take({ headers });
    if (isNew && stream !== undefined) this.#options.onStream?.(stream);
    if ((block.frame.flags & frameFlags.endStream) !== 0) this.#endOfPeer(id);
  }

  #endOfPeer(id: number): void {
    this.#streams.get(id)?.finish();
    this.#streams.end(id, 'peer');
  }

  #end(failure: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    for (const { id } of this.#streams.all()) this.#streams.break(id, failure);
    this.#windows.wake();
    this.#transport.destroy();
    this.#over.resolve();
  }
}

/** The peer has given a stream up. */
export class StreamReset extends Error {
  readonly code: number;

  constructor(code: number) {
    super(code === errorCodes.cancel ? 'context canceled' : `the call was reset (${code})`);
    this.code = code;
  }
}
