import type { Duplex } from 'node:stream';
import { delay } from '../../base/async.ts';
import { EngineError, invalid } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { connectGrpc, type GrpcClient } from '../grpc/client.ts';

/** What a client says of itself when it opens a session. */
export interface SessionInfo {
  /** Chosen by the client; builds name their session by it. */
  readonly id: string;
  /** The same for all sessions of one client about one folder; empty when it says nothing. */
  readonly sharedKey: string;
  /** The methods that it serves (`/moby.filesync.v1.FileSync/DiffCopy`). */
  readonly methods: ReadonlySet<string>;
}

/** A client that serves methods to this engine while its builds run. */
export interface Session extends SessionInfo {
  readonly client: GrpcClient;
}

/** How long a build waits for its session: the client opens both at once. */
const patienceMs = 5000;
/** Names of sessions and keys are short; nothing else is said of them. */
const longestName = 512;
const mostMethods = 200;

/** The open sessions, by their ids. */
export class Sessions {
  readonly #open = new Map<string, Session>();
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  /**
   * Serves a session on a connection, which belongs to this from now on; resolves when it is over.
   * @throws EngineError `invalid` for a wrong id, `conflict` when there is a session of that id; the connection is left alone
   */
  async open(connection: Duplex, info: SessionInfo): Promise<void> {
    this.check(info);
    const client = connectGrpc(connection, this.#log);
    const session: Session = { ...info, client };
    this.#open.set(info.id, session);
    for (const wake of this.#waiting.get(info.id) ?? []) wake();
    try {
      await client.closed;
    } finally {
      this.#open.delete(info.id);
    }
  }

  /** @throws EngineError `invalid`, `conflict` */
  check({ id, sharedKey, methods }: SessionInfo): void {
    if (id === '' || id.length > longestName) throw invalid('a session needs an id of at most 512 characters');
    if (sharedKey.length > longestName) throw invalid('the shared key of a session is too long');
    if (methods.size > mostMethods) throw invalid(`a session may offer ${mostMethods} methods`);
    if (this.#open.has(id)) throw new EngineError('conflict', `session ${id} already exists`);
  }

  /** The session of that id, which may be a moment away. @throws not-found when it does not come, cancelled */
  async find(id: string, signal: AbortSignal): Promise<Session> {
    const open = this.#open.get(id);
    if (open !== undefined) return open;
    if (id === '') throw invalid('the build names no session');
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, waiting.add(resolve));
    const enough = new AbortController();
    try {
      await Promise.race([promise, delay(patienceMs, AbortSignal.any([signal, enough.signal]))]);
    } finally {
      enough.abort();
      waiting.delete(resolve);
      if (waiting.size === 0) this.#waiting.delete(id);
    }
    const found = this.#open.get(id);
    if (found === undefined)
      throw new EngineError('not-found', `no active session for ${id}: context deadline exceeded`);
    return found;
  }

  close(): void {
    for (const { client } of this.#open.values()) client.close();
  }
}
