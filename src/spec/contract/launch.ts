import { EngineError } from '../../base/errors.ts';
import type { ContainerId, ExecId } from '../../base/ids.ts';
import type { SetOfContainers } from './storage.ts';
import type { IdMapping } from './user-namespace.ts';
import type { HostConfig } from '../engine/container.ts';
import type { DeviceEdits } from './devices.ts';

/** Which limits of block devices the kernel has; they depend on its version and its I/O schedulers. */
export interface BlockLimits {
  readonly weight: boolean;
  readonly weightDevice: boolean;
  /** Bytes and operations a second. */
  readonly throttle: boolean;
}

/** The numeric identity of a process, resolved by the engine: a runtime is never given a name. */
export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
}

/** One mount into the container; `target` was resolved inside the root and holds no link. */
export type LaunchMount =
  | {
      readonly kind: 'bind';
      readonly source: string;
      readonly target: string;
      readonly readOnly: boolean;
      readonly recursive: boolean;
      readonly propagation: string;
      /** Mounts below a read-only bind stay writable; otherwise they become read-only too, where the kernel can. */
      readonly readOnlyNonRecursive?: boolean;
      /** They must become read-only: where the kernel cannot, the container does not start. */
      readonly readOnlyForceRecursive?: boolean;
      /** Flags of the source's own mount, which a runtime that mounts it anew would drop: `ro`, `nosuid`, ... */
      readonly flags?: readonly string[];
      /** The engine's own small files (resolv.conf, hosts, hostname). */
      readonly engineOwned?: boolean;
    }
  | {
      readonly kind: 'tmpfs';
      readonly target: string;
      readonly readOnly: boolean;
      /** Mount options as tmpfs(5) has them, without `ro`: `size=65536k`, `mode=1777`, `noexec`. */
      readonly options: readonly string[];
    };

export interface LaunchProcess {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: ProcessUser;
  readonly tty: boolean;
  /** Rows and columns, when the client told them. */
  readonly consoleSize?: readonly [number, number];
  readonly openStdin: boolean;
  /** stdin's end is passed on when the first attached client ends it. */
  readonly stdinOnce: boolean;
}

/** How a namespace comes about: a new one, the host's, or the one at a path. */
export type NamespaceChoice =
  | { readonly kind: 'new' }
  | { readonly kind: 'host' }
  | { readonly kind: 'join'; readonly path: string };

/** Everything that a runtime needs to make one container. */
export interface LaunchRequest {
  readonly id: ContainerId;
  readonly name: string;
  /** Absolute path of the mounted root. */
  readonly rootfs: string;
  readonly hostname: string;
  readonly domainname: string;
  readonly process: LaunchProcess;
  /** Docker's settings behind resources, capabilities, devices, security options, masked paths, ... */
  readonly hostConfig: HostConfig;
  readonly mounts: readonly LaunchMount[];
  /** What devices that were asked for by name add; their mounts are among `mounts` already. */
  readonly deviceEdits?: DeviceEdits;
  /** The path of the shared memory for /dev/shm; undefined for one of the container's own. */
  readonly sharedMemory?: string;
  readonly namespaces: {
    readonly network: NamespaceChoice;
    readonly pid: NamespaceChoice;
    readonly ipc: NamespaceChoice;
    readonly uts: NamespaceChoice;
    readonly cgroup: NamespaceChoice;
  };
  /** The user namespace to join, and its ids; undefined for the host's. */
  readonly userNamespace?: { readonly path: string; readonly ids: IdMapping } | undefined;
  /** Container directory, 0700, the engine's own: spec, monitor files and log live in it. */
  readonly directory: string;
  /** Absolute path of the log that the monitor writes; undefined for none. */
  readonly logPath: string | undefined;
  /** Bytes that the monitor writes to one file of the log at most, or 0: a guard for the time when the engine is away. */
  readonly logGuardBytes: number;
  readonly runtime: string;
  readonly useInit: boolean;
}

export interface ExecRequest {
  readonly containerId: ContainerId;
  readonly execId: ExecId;
  readonly process: LaunchProcess;
  readonly hostConfig: HostConfig;
  readonly privileged: boolean;
  /** JSON that comes back when a later engine finds this exec (`adoptExecs`). */
  readonly memo: unknown;
  /** Clients that watch from the first byte on: the process does not run before they are connected. */
  readonly sinks: readonly StdioSink[];
  /** The container's directory; the exec makes its own below it and removes it. */
  readonly directory: string;
  readonly runtime: string;
}

export interface ExitStatus {
  /** 0 to 255; 128 + signal for a process that a signal ended. */
  readonly code: number;
  readonly oomKilled: boolean;
  readonly finishedNs: bigint;
}

/** One client that watches a container's stdio. The engine always drains the container, whatever a sink does. */
export interface StdioSink {
  /**
   * Bytes of stdout (1; also a terminal's) or stderr (2). Must not block; a sink that falls behind
   * drops itself. Sinks keep `bytes`: whoever delivers them does not change them afterwards.
   */
  write(stream: 1 | 2, bytes: Uint8Array): void;
  /**
   * Asked after a write: a promise when this client is behind. Whoever delivers output may hold the container's output
   * back until it resolves, which it does within seconds, because a client that makes no progress is dropped.
   */
  pace?(): Promise<void> | undefined;
  /** No more output will come. */
  end(): void;
}

/** The live connection to a container's or exec's stdio. */
export interface StdioChannel {
  add(sink: StdioSink): void;
  remove(sink: StdioSink): void;
  /** Sends stdin; resolves when there is room for more. Bytes after the end of the process are dropped. */
  write(bytes: Uint8Array): Promise<void>;
  /** Passes on the end of stdin. */
  closeStdin(): void;
  resize(rows: number, columns: number): Promise<void>;
  /** Resolves when all output was delivered. */
  readonly drained: Promise<void>;
}

/** A container that a monitor holds. */
export interface LaunchedContainer {
  readonly pid: number;
  /** Start time of `pid` in clock ticks (proc_pid_stat(5), field 22), against pid reuse. */
  readonly pidStart: number;
  readonly stdio: StdioChannel;
  /** Resolves once, when the container's first process ended and its output is complete. */
  readonly exited: Promise<ExitStatus>;
}

export interface LaunchedExec {
  readonly pid: number;
  readonly stdio: StdioChannel;
  readonly exited: Promise<ExitStatus>;
  /** Sends a signal number to its first process; false when that is gone. */
  signal(signal: number): boolean;
  /** Kills its process and everything that it started; wait for `exited`. */
  kill(): Promise<void>;
}

/** An exec that an earlier engine started: it runs, or its end is known by now. */
export interface AdoptedExec {
  readonly execId: ExecId;
  readonly memo: unknown;
  readonly found: LaunchedExec | ExitStatus;
}

/** Makes, starts, watches and ends containers through monitors and OCI runtimes. */
export interface Launcher {
  /**
   * Writes the spec, starts the monitor and lets the runtime create the container, stopped before its first
   * instruction. @throws EngineError with the runtime's reason made readable: `CommandNotFound` and
   * `CommandNotExecutable` carry the exit codes 127 and 126 (see LaunchError).
   */
  create(request: LaunchRequest): Promise<LaunchedContainer>;
  /** Lets a created container run. */
  start(id: ContainerId, directory: string): Promise<void>;
  /** Finds a container that was launched by an earlier engine; undefined with its exit status when it ended. */
  adopt(request: {
    id: ContainerId;
    directory: string;
    pid: number;
    pidStart: number;
    tty: boolean;
    stdinOnce: boolean;
    openStdin: boolean;
    runtime: string;
  }): Promise<LaunchedContainer>;
  exec(request: ExecRequest): Promise<LaunchedExec>;
  /** The execs of an adopted container that an earlier engine did not see end; each is given once. */
  adoptExecs(id: ContainerId, directory: string): Promise<AdoptedExec[]>;
  /** Sends a signal number to the container's first process; false when it is gone. */
  signal(id: ContainerId, directory: string, signal: number): Promise<boolean>;
  /**
   * Halts all processes of the container; resolves when they stand still. Lasts beyond the engine.
   * @throws not-found when it does not run; unavailable when the host has no freezer.
   */
  freeze(id: ContainerId): Promise<void>;
  /** Lets them run on; no error when nothing is frozen or the container is gone. */
  thaw(id: ContainerId): Promise<void>;
  isFrozen(id: ContainerId): Promise<boolean>;
  /**
   * Makes the limits of a running container those of `after`, where they differ from `before`; all of them or none.
   * @throws conflict, invalid or unavailable naming the limit; not-found when it does not run.
   */
  update(id: ContainerId, before: HostConfig, after: HostConfig): Promise<void>;
  /**
   * Mounts into a running container; `kind` says what is made at the target (as the user wrote it) when it is missing,
   * `owner` (host ids) whom that belongs to instead of root.
   * @throws invalid for a target that cannot be; unavailable for what only a new start can do; conflict when it has ended.
   */
  mount(
    id: ContainerId,
    mount: LaunchMount,
    kind: 'directory' | 'file',
    owner?: { readonly uid: number; readonly gid: number },
  ): Promise<void>;
  /**
   * Takes the bind of `source` at `target` away from a running container; processes keep what they have open.
   * @throws unavailable when something else is there; conflict when it has ended.
   */
  unmount(id: ContainerId, target: string, source: string): Promise<void>;
  /** The process ids of everything in the container, as the host has them; none when it does not run. */
  pids(id: ContainerId): Promise<readonly number[]>;
  /** Removes what runtime and monitor left (state folder, cgroup, sockets); kills what is left in the cgroup. */
  delete(id: ContainerId, directory: string, runtime: string): Promise<void>;
  /** Lets the monitor reopen its log after the file was renamed. */
  reopenLog(id: ContainerId, directory: string): Promise<void>;
  /** At boot: removes runtime state, cgroups and monitors of this instance that belong to no known container. */
  sweep(known: SetOfContainers): Promise<void>;
}

/** Why a container or exec could not be launched; `exitCode` is what Docker records and the command line exits with. */
export class LaunchError extends EngineError {
  /** 127: command not found; 126: command cannot be executed; 128: the runtime or the engine failed otherwise. */
  readonly exitCode: 126 | 127 | 128;

  constructor(exitCode: 126 | 127 | 128, message: string, options?: { cause?: unknown }) {
    super(exitCode === 128 ? 'internal' : 'invalid', message, options);
    this.exitCode = exitCode;
  }
}
