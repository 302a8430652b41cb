import type {
  ContainerInspect,
  ContainerSummary,
  CreateContainerRequest,
  WaitCondition,
  WaitResult,
} from '../../spec/engine/container.ts';
import type { Filters } from '../../spec/engine/filters.ts';
import type { ContainerControlsApi } from './container-controls.ts';
import type { ContainerFilesApi } from './container-files.ts';
import type { ContainerStreamsApi } from './container-streams.ts';

export interface ContainerListOptions {
  /** Else running ones only; filters `status` and `exited` widen it, as does `limit`. */
  readonly all: boolean;
  /** The newest so many, whatever their state; undefined for no limit. */
  readonly limit?: number;
  /** Fill in SizeRw and SizeRootFs. */
  readonly size: boolean;
  /** Who counts sizes stops when it aborts. */
  readonly signal?: AbortSignal;
  readonly filters: Filters;
}
export interface StopOptions {
  /** Seconds before SIGKILL; -1 waits for ever; undefined takes the container's own, else 10. */
  readonly timeoutSeconds?: number;
  /** Name or number as the client wrote it; undefined takes the container's own, else SIGTERM. */
  readonly signal?: string;
}
/** Making, changing and ending containers. */
export interface ContainerLifeApi {
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
}

export type ContainerService = ContainerLifeApi & ContainerControlsApi & ContainerStreamsApi & ContainerFilesApi;
