import type { Duplex } from 'node:stream';

/** What a client says of a session that it opens. */
export interface SessionRequest {
  readonly id: string;
  readonly sharedKey: string;
  readonly methods: ReadonlySet<string>;
}

/** BuildKit's protocol, on connections that were taken over. */
export interface BuildApi {
  /** Serves gRPC on the connection; resolves when it is over. */
  serve(connection: Duplex): Promise<void>;
  /** @throws EngineError `invalid` or `conflict` for a session that cannot be */
  checkSession(request: SessionRequest): void;
  openSession(connection: Duplex, request: SessionRequest): Promise<void>;
  /** Gives a build up. @throws not-found */
  cancel(id: string): void;
}
