import type { ByteStream } from '../base/stream.ts';
import type { StdioChannel, StdioSink } from '../spec/contract/launch.ts';
import type { LogEntry, LogReadOptions } from '../spec/contract/logs.ts';
import type {
  ContainerInspect,
  ContainerSummary,
  CreateContainerRequest,
  CreateExecRequest,
  WaitCondition,
  WaitResult,
} from '../spec/engine/container.ts';
import type { JournalEvent } from '../spec/engine/event.ts';
import type { ExecInspect } from '../spec/engine/exec.ts';
import type { Filters } from '../spec/engine/filters.ts';
import type {
  ImageDeleteItem,
  ImageHistoryItem,
  ImageInspect,
  ImagePruneView,
  ImageSummary,
} from '../spec/engine/image.ts';
import type { NetworkView } from '../spec/engine/network.ts';
import type { ProgressSink } from '../spec/engine/progress.ts';
import type { StatsView } from '../spec/engine/stats.ts';
import type { InfoView, VersionView } from '../spec/engine/system.ts';
import type { CreateVolumeRequest, VolumeListView, VolumePruneView, VolumeView } from '../spec/engine/volume.ts';

/**
 * What the API needs of the rooms behind it. The API owns HTTP: it decodes requests, negotiates versions, moves bytes
 * and maps errors to statuses; a service owns its objects: it finds them by name, id or unambiguous id prefix, checks
 * their state and throws EngineError with Docker's message. A service never sees a request or a response.
 */
export interface ApiServices {
  readonly system: SystemApi;
  readonly events: EventsApi;
  readonly containers: ContainerService;
  readonly execs: ExecService;
  readonly images: ImageApi;
  readonly volumes: VolumeApi;
  readonly networks: NetworkApi;
}

export interface SystemApi {
  /** `ApiVersion`, `MinAPIVersion` and the API's part of `Components` are filled in by the API. */
  version(): VersionView | Promise<VersionView>;
  info(): InfoView | Promise<InfoView>;
}

export interface EventSubscription {
  /** Events of the journal from here on, inclusive; without any of the two only what happens from now on. */
  readonly sinceNs?: bigint;
  readonly sinceSeq?: number;
  /** The stream ends here (wall clock), also when it lies in the future. */
  readonly untilNs?: bigint;
  readonly filters: Filters;
  readonly signal: AbortSignal;
}
export interface EventsApi {
  /**
   * The subscription holds from the call on: what happens after `subscribe` returned is delivered, without gap or
   * duplicate, whenever iteration begins. Ends at `untilNs`, when the signal aborts, and when the engine goes down.
   */
  subscribe(subscription: EventSubscription): AsyncIterable<JournalEvent>;
}

export interface ContainerListOptions {
  /** Else running ones only; filters `status` and `exited` widen it, as does `limit`. */
  readonly all: boolean;
  /** The newest so many, whatever their state; undefined for no limit. */
  readonly limit?: number;
  /** Fill in SizeRw and SizeRootFs. */
  readonly size: boolean;
  readonly filters: Filters;
}
export interface StopOptions {
  /** Seconds before SIGKILL; -1 waits for ever; undefined takes the container's own, else 10. */
  readonly timeoutSeconds?: number;
  /** Name or number as the client wrote it; undefined takes the container's own, else SIGTERM. */
  readonly signal?: string;
}
export interface AttachSession {
  readonly tty: boolean;
  /** Whether the container was made with an open stdin. */
  readonly openStdin: boolean;
  /**
   * The container's stdio, also before it was started (output then begins with the start). Its sinks are ended when
   * the container stops, or when its start fails. `closeStdin` says that this client sends no more: it reaches the
   * process only where Docker passes it on (StdinOnce without a terminal).
   */
  readonly stdio: Omit<StdioChannel, 'drained'>;
  /** To be called when the client left by its detach keys (event `detach`). */
  detached(): void;
}

export interface ContainerService {
  list(options: ContainerListOptions): Promise<ContainerSummary[]>;
  create(request: CreateContainerRequest): Promise<{ id: string; warnings: string[] }>;
  inspect(nameOrId: string, options: { size: boolean }): Promise<ContainerInspect>;
  /** @throws not-modified when it runs already. */
  start(nameOrId: string): Promise<void>;
  /** @throws not-modified when it is stopped already. */
  stop(nameOrId: string, options: StopOptions): Promise<void>;
  restart(nameOrId: string, options: StopOptions): Promise<void>;
  /** `signal` as the client wrote it (`SIGHUP`, `hup`, `1`); undefined for SIGKILL. @throws conflict when it does not run. */
  kill(nameOrId: string, signal: string | undefined): Promise<void>;
  /**
   * Resolves as soon as the wait is registered, so that no exit after that is missed; `result` resolves with the end.
   * It rejects with `cancelled` when the signal aborts.
   */
  wait(nameOrId: string, condition: WaitCondition, signal: AbortSignal): Promise<{ result: Promise<WaitResult> }>;
  remove(nameOrId: string, options: { force: boolean; volumes: boolean; link: boolean }): Promise<void>;
  attach(nameOrId: string): Promise<AttachSession>;
  /** @throws before the first entry when the container does not exist or its log cannot be read. */
  logs(nameOrId: string, options: LogReadOptions): Promise<{ tty: boolean; entries: AsyncIterable<LogEntry> }>;
  /** @throws conflict when it does not run. */
  resize(nameOrId: string, rows: number, columns: number): Promise<void>;
  /**
   * One view a second with `stream`, else a single one: after two samples, or with `oneShot` of one. Ends when the
   * container is removed; rejects with `cancelled` when the signal aborts.
   */
  stats(
    nameOrId: string,
    options: { readonly stream: boolean; readonly oneShot: boolean; readonly signal: AbortSignal },
  ): Promise<AsyncIterable<StatsView>>;
}

export interface ExecStartOptions {
  /** Rows and columns. */
  readonly consoleSize?: readonly [number, number];
  /** Watch from the first byte on; none for a detached start. */
  readonly sinks: readonly StdioSink[];
}
export interface StartableExec {
  readonly tty: boolean;
  readonly openStdin: boolean;
  /** What the client wants to see; true when left out. */
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  readonly detachKeys: string | undefined;
}
export interface StartedExec {
  readonly stdio: StdioChannel;
}
export interface ExecService {
  /** Gives the new exec's id. @throws conflict when the container does not run. */
  create(nameOrId: string, request: CreateExecRequest): Promise<string>;
  /** @throws not-found; conflict when its container does not run any more, or when it was started before. */
  startable(id: string): Promise<StartableExec>;
  /**
   * Resolves when the process runs. The sinks are ended after the exit code was recorded, so that an `inspect` after
   * the end of the stream finds it. @throws EngineError with the runtime's reason; the exec then counts as ended.
   */
  start(id: string, options: ExecStartOptions): Promise<StartedExec>;
  /** @throws conflict when it does not run. */
  resize(id: string, rows: number, columns: number): Promise<void>;
  inspect(id: string): Promise<ExecInspect>;
}

export interface ImageListOptions {
  readonly all: boolean;
  readonly sharedSize: boolean;
  readonly manifests: boolean;
  readonly filters: Filters;
}
/** What `X-Registry-Auth` carries, for one registry. */
export interface RegistryAuth {
  readonly username?: string;
  readonly password?: string;
  readonly identityToken?: string;
  readonly registryToken?: string;
}
export interface PullRequest {
  /** As the user wrote it, without the tag or digest that came beside it. */
  readonly reference: string;
  /** A tag or a digest; undefined when the reference says it itself (then `latest`). */
  readonly tag?: string;
  readonly platform?: string;
  readonly auth?: RegistryAuth;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}
export interface ImportRequest {
  /** `-` for the request's body, else a URL that the engine fetches. */
  readonly source: string;
  readonly body: ByteStream;
  /** `name[:tag]`; empty for an untagged image. */
  readonly repository: string;
  readonly tag: string;
  readonly message: string;
  /** Dockerfile instructions for the image's configuration. */
  readonly changes: readonly string[];
  readonly platform?: string;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}
export interface ImageApi {
  list(options: ImageListOptions): Promise<ImageSummary[]>;
  inspect(nameOrId: string, options: { manifests: boolean; platform?: string }): Promise<ImageInspect>;
  history(nameOrId: string, options: { platform?: string }): Promise<ImageHistoryItem[]>;
  tag(nameOrId: string, repository: string, tag: string): Promise<void>;
  remove(
    nameOrId: string,
    options: { force: boolean; noPrune: boolean; platforms: readonly string[] },
  ): Promise<ImageDeleteItem[]>;
  prune(filters: Filters): Promise<ImagePruneView>;
  /** Resolves when everything in the archive is stored; reports `Loaded image: ...` by itself. */
  load(request: {
    body: ByteStream;
    quiet: boolean;
    platforms: readonly string[];
    progress: ProgressSink;
    signal: AbortSignal;
  }): Promise<void>;
  pull(request: PullRequest): Promise<void>;
  /** Reports the new image's id as its last status. */
  import(request: ImportRequest): Promise<void>;
}

export interface VolumeApi {
  list(filters: Filters): Promise<VolumeListView>;
  create(request: CreateVolumeRequest): Promise<VolumeView>;
  inspect(name: string): Promise<VolumeView>;
  remove(name: string, options: { force: boolean }): Promise<void>;
  prune(filters: Filters): Promise<VolumePruneView>;
}

export interface NetworkApi {
  /** The API leaves `Containers` out of lists. */
  list(filters: Filters): Promise<NetworkView[]>;
  inspect(nameOrId: string, options: { verbose: boolean; scope: string }): Promise<NetworkView>;
}
