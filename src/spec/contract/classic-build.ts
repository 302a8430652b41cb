import type { ByteStream } from '../../base/stream.ts';
import type { ProgressSink } from '../engine/progress.ts';
import type { RegistryLogin, StepRequest } from './build.ts';

/** What a build by `POST /build` gives besides, or instead of, an image of the engine (BuildKit's exporters). */
export interface ClassicOutput {
  /** `cacheonly` for nothing at all. */
  readonly type: string;
  readonly attributes: ReadonlyMap<string, string>;
}

/** A build by `POST /build`: everything comes in the request, or by a session that it names. */
export interface ClassicBuild {
  /** The client's name for the build, by which it gives it up; empty for none. */
  readonly buildId: string;
  /** The context with its Dockerfile; compressed or not. */
  readonly archive: ByteStream;
  /**
   * Where the context is, unless it is behind an address: in the archive, with the session's client, or in an archive that
   * another request brings (`ClassicBuilds.upload`).
   */
  readonly from: 'archive' | 'session' | 'upload';
  /** Of the client that is asked for logins, secrets and agents; empty for none. */
  readonly session: string;
  /** Told of in BuildKit's events, as clients with `version=2` expect. */
  readonly isTraced: boolean;
  /** As BuildKit's clients name them (`build-arg:NAME`, `target`, ...). */
  readonly attributes: ReadonlyMap<string, string>;
  readonly names: readonly string[];
  /** Undefined for an image of the engine. */
  readonly output: ClassicOutput | undefined;
  /** What commands run with: a network of the engine's. */
  readonly hostConfig: StepRequest['hostConfig'];
  /** What commands may use. It is no part of what they make. */
  readonly limits: StepRequest['hostConfig'];
  /** Only the id is told. */
  readonly quiet: boolean;
  readonly logins: (host: string) => RegistryLogin | undefined;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}
