import type { Predicate } from '../../spec/contract/build.ts';
import type { Platform } from '../../spec/oci/image.ts';
import type { Message } from '../wire/message.ts';
import type { definition } from '../wire/control.ts';
import type { BuildJob } from './job.ts';

/** The results of a build, as later calls name them. */
export interface ResultRefs {
  /** One for each platform of a list, by that (`linux/amd64`); undefined for a result alone. */
  readonly list: ReadonlyMap<string, string> | undefined;
  readonly only: string | undefined;
}

/** What a frontend made of a request: something that can be exported, or answers alone. */
export interface Solved {
  /** What was built; undefined when nothing was. */
  readonly refs: ResultRefs | undefined;
  readonly metadata: ReadonlyMap<string, Uint8Array>;
}

/** A request to a frontend. */
export interface FrontendRequest {
  /** `dockerfile.v0` and the like. */
  readonly frontend: string;
  readonly options: ReadonlyMap<string, string>;
  readonly inputs: ReadonlyMap<string, Message<typeof definition>>;
  readonly definition: Message<typeof definition> | undefined;
}

export interface ExportRequest {
  /** `moby`, `image`, `docker`, `oci`, `tar`, `local`. */
  readonly type: string;
  readonly attributes: ReadonlyMap<string, string>;
  /** Its place among the exporters of the build. */
  readonly index: number;
}

/** A cache that a client wants of its build. */
export interface CacheRequest {
  /** `registry`, `local`. */
  readonly type: string;
  readonly attributes: ReadonlyMap<string, string>;
}

/** Builds what a job wants. */
export interface Solver {
  /** @throws EngineError; a failure of a step is a SourceError where its place is known */
  solve(job: BuildJob, request: FrontendRequest): Promise<Solved>;
  /** Gives what clients get to know (`containerimage.digest`). */
  export(job: BuildJob, refs: ResultRefs | undefined, request: ExportRequest): Promise<ReadonlyMap<string, string>>;
  /** What clients get to know of a result, wherever it goes. */
  told(job: BuildJob, refs: ResultRefs | undefined): ReadonlyMap<string, string>;
  /** What there is to say of a result, for the history; nothing without one. */
  describe(job: BuildJob, refs: ResultRefs | undefined): readonly Predicate[];
  /** Brings what the steps of a build have made to where later builds of other engines find it. */
  exportCache(job: BuildJob, refs: ResultRefs | undefined, request: CacheRequest): Promise<ReadonlyMap<string, string>>;
  /** The job is over: what it held may go. */
  release(job: BuildJob): Promise<void>;
}

/** Something on the disk that makes later builds faster. */
export interface CacheRecord {
  readonly id: string;
  readonly description: string;
  /** `regular`, `source.local`, `exec.cachemount`. */
  readonly type: string;
  readonly size: number;
  readonly createdNs: bigint;
  readonly lastUsedNs: bigint | undefined;
  readonly usageCount: number;
  readonly inUse: boolean;
  /** An image of the engine has it as well. */
  readonly shared: boolean;
  /** It is not finished: something may still change it. */
  readonly mutable: boolean;
  readonly parents: readonly string[];
}

export interface CacheQuery {
  /** As containerd writes them (`cache/filter.ts`); one that fits is enough. */
  readonly filters: readonly string[];
  /** Only what was not used for so long; 0 for any. */
  readonly unusedForNs: bigint;
}

/** Of the bytes each is 0 where nobody says. */
export interface CachePruneOptions extends CacheQuery {
  /** Also what images have as well. */
  readonly all: boolean;
  /** So many bytes stay in any case, those that were used last. */
  readonly reservedBytes: number;
  /** No more than this stays. */
  readonly maxUsedBytes: number;
  /** So much is to be free on the file system. */
  readonly minFreeBytes: number;
}

/** The build cache, as clients see it. */
export interface CacheView {
  /** @throws EngineError `invalid` for a filter that nobody knows */
  records(query: CacheQuery): Promise<readonly CacheRecord[]>;
  /** Gives what went. @throws EngineError `invalid` for a filter that nobody knows */
  prune(options: CachePruneOptions): Promise<readonly CacheRecord[]>;
}

/** What the engine says of itself to clients that build. */
export interface WorkerFacts {
  readonly id: string;
  readonly version: string;
  /** What commands of builds can be for; the builder's own first. */
  readonly platforms: () => Promise<readonly Platform[]>;
  readonly hostname: string;
}
