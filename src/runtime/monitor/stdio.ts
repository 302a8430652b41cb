import { Latch } from '../../base/async.ts';
import type { StdioChannel, StdioSink } from '../../spec/contract/launch.ts';
import { PacketSocket } from '../../sys/socket/seqpacket.ts';
import { resizeTerminal } from './control.ts';

/** The first byte of a packet from conmon; a terminal's output comes as stdout. */
const FROM_STDERR = 3;
/** conmon cuts off what is longer than its buffer; 8 KiB always fit. */
const LARGEST_INPUT = 8192;

/** When a monitor is connected to, and what is known of it. */
export interface StdioOptions {
  /**
   * conmon passes on the end of stdin when the connection's sending side ends, for ever; where it does not, ending it
   * would cut off all later clients.
   */
  readonly passEnd: boolean;
  /** The control FIFO is there already. */
  readonly started: boolean;
  /**
   * Connected only while somebody watches: for processes without stdin. conmon then need not send what nobody wants,
   * and nobody has to take it: a million lines of a detached container cost a third less processor time.
   */
  readonly onDemand: boolean;
}

/**
 * The connection to one monitor's stdio. The engine is the only client of the monitor's socket: conmon blocks the
 * container while an attached client does not read. So output is always taken, and shared out here.
 */
export class MonitorStdio implements StdioChannel {
  readonly #directory: string;
  readonly #options: StdioOptions;
  readonly #sinks = new Set<StdioSink>();
  #connection: { readonly socket: PacketSocket; readonly drained: Latch<void> } | undefined;
  #size: readonly [number, number] | undefined;
  #started: boolean;
  #finished = false;

  /**
   * Connects to the socket `attach` in the monitor's directory, or will do so on demand.
   * @throws SystemError when the monitor is not there, unless it is connected to on demand.
   */
  constructor(directory: string, options: StdioOptions) {
    this.#directory = directory;
    this.#options = options;
    this.#started = options.started;
    if (!options.onDemand) this.#connect();
  }

  /** Everything that was on its way has been delivered; at once where nobody is connected. */
  get drained(): Promise<void> {
    return this.#connection?.drained.wait() ?? Promise.resolve();
  }

  add(sink: StdioSink): void {
    if (this.#finished) {
      sink.end();
      return;
    }
    this.#sinks.add(sink);
    // A monitor that cannot be reached is about to end: `finish` then tells the sink.
    if (this.#connection === undefined) attempt(() => this.#connect());
  }

  remove(sink: StdioSink): void {
    this.#sinks.delete(sink);
    if (this.#sinks.size === 0 && this.#options.onDemand) this.#disconnect();
  }

  async write(bytes: Uint8Array): Promise<void> {
    const sent: Promise<void>[] = [];
    for (let at = 0; at < bytes.length; at += LARGEST_INPUT) {
      const packet = bytes.subarray(at, at + LARGEST_INPUT);
      if (this.#connection !== undefined) sent.push(this.#connection.socket.send(packet));
    }
    await Promise.all(sent);
  }

  closeStdin(): void {
    if (this.#options.passEnd) this.#connection?.socket.end();
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
    this.#disconnect();
    for (const sink of this.#sinks) attempt(() => sink.end());
    this.#sinks.clear();
  }

  #connect(): void {
    const drained = new Latch<void>();
    const socket = new PacketSocket(`${this.#directory}/attach`, {
      packet: (bytes) => this.#deliver(bytes),
      ended: () => drained.set(),
    });
    this.#connection = { socket, drained };
  }

  #disconnect(): void {
    this.#connection?.socket.close();
    this.#connection?.drained.set();
    this.#connection = undefined;
  }

  #deliver(packet: Buffer): void {
    // Nothing is copied for nobody.
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
      if (!kept) this.remove(sink);
    }
    if (slow.length === 0) return;
    const socket = this.#connection?.socket;
    socket?.pause();
    void Promise.allSettled(slow).then(() => socket?.resume());
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
