import { Socket } from 'node:net';

/** What conmon tells on its pipes: `data` is a pid, an exit code, or negative for a failure with a `message`. */
export interface MonitorReport {
  readonly data: number;
  readonly message: string | undefined;
}

/** conmon cuts its messages at 8 KiB; a line beyond this is not from conmon. */
const LONGEST_LINE = 256 * 1024;

function parseReport(line: string): MonitorReport | undefined {
  try {
    const value = JSON.parse(line) as { data?: unknown; exit_code?: unknown; message?: unknown };
    const data = value.data ?? value.exit_code;
    if (typeof data !== 'number') return undefined;
    return { data, message: typeof value.message === 'string' ? value.message : undefined };
  } catch {
    return undefined;
  }
}

/** The reports that come through a pipe, one JSON object a line; it owns the descriptor. */
export class ReportPipe {
  readonly #socket: Socket;
  readonly #arrived: MonitorReport[] = [];
  readonly #waiting: ((report: MonitorReport | undefined) => void)[] = [];
  #rest = '';
  #ended = false;

  constructor(fd: number) {
    this.#socket = new Socket({ fd, readable: true, writable: false });
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk.toString()));
    this.#socket.on('error', () => this.#socket.destroy());
    this.#socket.on('close', () => this.#finish());
  }

  /** The next report; undefined when the monitor closed the pipe. */
  next(): Promise<MonitorReport | undefined> {
    const report = this.#arrived.shift();
    if (report !== undefined || this.#ended) return Promise.resolve(report);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(text: string): void {
    this.#rest += text;
    for (let end = this.#rest.indexOf('\n'); end >= 0; end = this.#rest.indexOf('\n')) {
      this.#give(this.#rest.slice(0, end));
      this.#rest = this.#rest.slice(end + 1);
    }
    if (this.#rest.length > LONGEST_LINE) this.close();
  }

  #give(line: string): void {
    const report = parseReport(line);
    if (report === undefined) return;
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#arrived.push(report);
    else waiting(report);
  }

  #finish(): void {
    if (this.#rest !== '') this.#give(this.#rest);
    this.#ended = true;
    for (const waiting of this.#waiting.splice(0)) waiting(undefined);
  }
}
