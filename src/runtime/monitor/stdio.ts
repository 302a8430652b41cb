import { Latch } from '../../base/async.ts';
import type { StdioChannel, StdioSink } from '../../spec/contract/launch.ts';
import { PacketSocket } from '../../sys/socket/seqpacket.ts';
import { resizeTerminal } from './control.ts';

/** The first byte of a packet from conmon; a terminal's output comes as stdout. */
const FROM_STDERR = 3;
/** conmon cuts off what is longer than its buffer; 8 KiB always fit. */
const LARGEST_INPUT = 8192;

/**
 * The connection to one monitor's stdio. The engine is the only client of the monitor's socket and always connected:
 * conmon blocks the container while an attached client does not read. So output is always taken, and shared out here.
 */
export class MonitorStdio implements StdioChannel {
  readonly #directory: string;
  readonly #passEnd: boolean;
  readonly #sinks = new Set<StdioSink>();
  readonly #drained = new Latch();
  #socket: PacketSocket | undefined;
  #size: readonly [number, number] | undefined;
  #started: boolean;
  #finished = false;

  /**
   * Connects to the socket `attach` in the monitor's directory. `passEnd`: conmon passes on the end of stdin when the
   * connection's sending side ends, for ever; where it does not, ending it would cut off all later clients.
   * `started`: the control FIFO is there already. @throws SystemError when the monitor is not there.
   */
  constructor(directory: string, options: { readonly passEnd: boolean; readonly started: boolean }) {
    this.#directory = directory;
    this.#passEnd = options.passEnd;
    this.#started = options.started;
    this.#socket = new PacketSocket(`${directory}/attach`, {
      packet: (bytes) => this.#deliver(bytes),
      ended: () => this.#drained.set(),
    });
  }

  get drained(): Promise<void> {
    return this.#drained.wait();
  }

  add(sink: StdioSink): void {
    if (this.#finished) sink.end();
    else this.#sinks.add(sink);
  }

  remove(sink: StdioSink): void {
    this.#sinks.delete(sink);
  }

  async write(bytes: Uint8Array): Promise<void> {
    const sent: Promise<void>[] = [];
    for (let at = 0; at < bytes.length; at += LARGEST_INPUT) {
      const packet = bytes.subarray(at, at + LARGEST_INPUT);
      if (this.#socket !== undefined) sent.push(this.#socket.send(packet));
    }
    await Promise.all(sent);
  }

  closeStdin(): void {
    if (this.#passEnd) this.#socket?.end();
  }

  async resize(rows: number, columns: number): Promise<void> {
    this.#size = [rows, columns];
    if (this.#started) resizeTerminal(this.#directory, rows, columns);
  }

  /** The monitor has its control FIFO now: a size that was wanted before is set. */
  markStarted(): void {
    this.#started = true;
    if (this.#size !== undefined) resizeTerminal(this.#directory, ...this.#size);
  }

  /**
   * Tells the clients that nothing more comes. Called when the exit code is known: clients ask for it as soon as their
   * stream ends.
   */
  finish(): void {
    this.#finished = true;
    this.#socket?.close();
    this.#socket = undefined;
    this.#drained.set();
    for (const sink of this.#sinks) attempt(() => sink.end());
    this.#sinks.clear();
  }

  #deliver(packet: Buffer): void {
    // Most containers have no client most of the time: nothing is copied for nobody.
    if (packet.length < 2 || this.#sinks.size === 0) return;
    const stream = packet[0] === FROM_STDERR ? 2 : 1;
    const bytes = Buffer.from(packet.subarray(1));
    const slow: Promise<void>[] = [];
    for (const sink of this.#sinks) {
      const kept = attempt(() => {
        sink.write(stream, bytes);
        const pace = sink.pace?.();
        if (pace !== undefined) slow.push(pace);
      });
      if (!kept) this.#sinks.delete(sink);
    }
    if (slow.length === 0) return;
    this.#socket?.pause();
    void Promise.allSettled(slow).then(() => this.#socket?.resume());
  }
}

/** A client that fails is its own affair: the others, and the container, go on. */
function attempt(call: () => void): boolean {
  try {
    call();
    return true;
  } catch {
    return false;
  }
}
