import type { Duplex } from 'node:stream';
import type { ByteStream } from '../../base/stream.ts';
import type { ClassicBuild } from '../../spec/contract/classic-build.ts';
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
  /** So many bytes stay in any case; 0 for none, here and below. */
  readonly reservedBytes: number;
  /** No more than these stay. */
  readonly maxUsedBytes: number;
  /** So many are to be free on the file system. */
  readonly minFreeBytes: number;
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
  /** Resolves when the image has its names. @throws EngineError */
  build(request: ClassicBuild): Promise<void>;
  /** Brings the context of a build that waits for it; resolves when it was read. @throws not-found, conflict, cancelled */
  upload(id: string, archive: ByteStream, signal: AbortSignal): Promise<void>;
  /** Gives a build up; nothing is said where there is none of that name (any more). */
  cancel(id: string): void;
}
