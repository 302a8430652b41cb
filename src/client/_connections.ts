import { ResponseReader } from './_http1.ts';
import { formatEndpoint } from './endpoint.ts';
import type { Endpoint } from './endpoint.ts';
import { ConnectionError } from './errors.ts';
import { connect } from './socket.ts';
import type { ByteSocket } from './socket.ts';

export interface Connection {
  readonly socket: ByteSocket;
  readonly reader: ResponseReader;
  /** It carried a request before: the engine may have closed it meanwhile. */
  readonly isReused: boolean;
}

/** The connections to one engine; those that are idle are used again. */
export class Connections {
  readonly #endpoint: Endpoint;
  readonly #idle: Connection[] = [];
  /** All that are open, in use or not. */
  readonly #open = new Set<ByteSocket>();

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  /** An idle connection, or a new one. @throws ConnectionError when nobody answers */
  async take(): Promise<Connection> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    try {
      const socket = await connect(this.#endpoint);
      this.#open.add(socket);
      return { socket, reader: new ResponseReader(socket), isReused: false };
    } catch (error) {
      throw connectionError(formatEndpoint(this.#endpoint), error);
    }
  }

  /** Takes back a connection whose answer was read to its end. */
  give(connection: Connection): void {
    this.#idle.push({ ...connection, isReused: true });
  }

  drop({ socket }: Connection): void {
    this.#open.delete(socket);
    socket.destroy();
  }

  /** Drops all, those in use too. */
  close(): void {
    this.#idle.length = 0;
    for (const socket of this.#open) socket.destroy();
    this.#open.clear();
  }
}

function connectionError(endpoint: string, cause: unknown): ConnectionError {
  const code = (cause as { code?: unknown }).code;
  const message =
    code === 'EACCES' || code === 'EPERM'
      ? `permission denied while trying to connect to the Gantry daemon socket at ${endpoint}`
      : `Cannot connect to the Gantry daemon at ${endpoint}. Is the gantry daemon running?`;
  return new ConnectionError(endpoint, message, { cause });
}
