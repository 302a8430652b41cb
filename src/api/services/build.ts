import type { Duplex } from 'node:stream';
import type { ByteStream } from '../../base/stream.ts';
import type { HostConfig } from '../../spec/engine/container.ts';
import type { ProgressSink } from '../../spec/engine/progress.ts';
import type { RegistryAuth } from './image.ts';
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

/** A build by `POST /build`. */
export interface ClassicBuildRequest {
  /** The client's name for the build, by which it gives it up; empty for none. */
  readonly buildId: string;
  readonly archive: ByteStream;
  /** Where the context is when not behind an address: in the archive, in the session, in that of another request. */
  readonly from: 'archive' | 'session' | 'upload';
  /** Of the client that is asked for logins and secrets; empty for none. */
  readonly session: string;
  /** Told of in BuildKit's events. */
  readonly isTraced: boolean;
  /** What is wanted, as BuildKit's clients name it (`build-arg:NAME`, `target`, ...). */
  readonly attributes: ReadonlyMap<string, string>;
  readonly names: readonly string[];
  /** One of BuildKit's exporters; undefined for an image of the engine. */
  readonly output: { readonly type: string; readonly attributes: ReadonlyMap<string, string> } | undefined;
  /** What commands run with: a network of the engine's. */
  readonly hostConfig: Partial<HostConfig>;
  /** What commands may use. */
  readonly limits: Partial<HostConfig>;
  readonly quiet: boolean;
  readonly logins: (host: string) => RegistryAuth | undefined;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
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
  build(request: ClassicBuildRequest): Promise<void>;
  /** Brings the context of a build that waits for it; resolves when it was read. @throws not-found, conflict, cancelled */
  upload(id: string, archive: ByteStream, signal: AbortSignal): Promise<void>;
  /** Gives a build up; nothing is said where there is none of that name (any more). */
  cancel(id: string): void;
}
