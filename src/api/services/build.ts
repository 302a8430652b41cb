import type { Duplex } from 'node:stream';
import type { Filters } from '../../spec/engine/filters.ts';
import type { BuildPruneView } from '../../spec/engine/usage.ts';

/** What a client says of a session that it opens. */
export interface SessionRequest {
  readonly id: string;
  readonly sharedKey: string;
  readonly methods: ReadonlySet<string>;
}

export interface BuildPruneRequest {
  readonly all: boolean;
  /** So many bytes stay; 0 for none. */
  readonly keepBytes: number;
  readonly filters: Filters;
}

/** BuildKit's protocol, on connections that were taken over. */
export interface BuildApi {
  /** Serves gRPC on the connection; resolves when it is over. */
  serve(connection: Duplex): Promise<void>;
  /** @throws EngineError `invalid` or `conflict` for a session that cannot be */
  checkSession(request: SessionRequest): void;
  openSession(connection: Duplex, request: SessionRequest): Promise<void>;
  /** @throws EngineError `invalid` or not-implemented for a filter */
  pruneCache(request: BuildPruneRequest): Promise<BuildPruneView>;
  /** Gives a build up. @throws not-found */
  cancel(id: string): void;
}
