import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { ContainerFiles } from '../spec/contract/files.ts';
import type { RunnableImages } from '../spec/contract/image.ts';
import type { DeviceDrivers } from '../spec/contract/devices.ts';
import type { BlockLimits, Launcher } from '../spec/contract/launch.ts';
import type { ContainerLogs, LogSettings } from '../spec/contract/logs.ts';
import type { Networks } from '../spec/contract/network.ts';
import type { NetworkProbes } from '../spec/contract/probe.ts';
import type { StateJournal } from '../spec/contract/state.ts';
import type { HostConfig } from '../spec/engine/container.ts';
import type { UsageReader } from '../spec/contract/usage.ts';
import type { IdMapping, UserNamespaces } from '../spec/contract/user-namespace.ts';
import type { HostRange } from './user-namespace/ranges.ts';
import type { RunMounts, Snapshots, Volumes } from '../spec/contract/storage.ts';

/**
 * Access to files below a root that a container or an image controls. Implementations resolve every path inside the
 * root (openat2(2), RESOLVE_IN_ROOT): no link leads out of it.
 */
export interface RootAccess {
  /** The bytes of a regular file, at most `limit`; undefined when there is none. @throws invalid when it is larger. */
  readFile(root: string, path: string, limit: number): Promise<Uint8Array | undefined>;
  /** The link-free absolute path inside the root that `path` means; its last parts need not exist. */
  resolve(root: string, path: string): Promise<string>;
  /**
   * The link-free path of each mount target and the permission bits of what is there; one that is missing is made, as an
   * empty directory (with `mode`, or 0755) or file, which belongs to `owner`.
   */
  prepareMountTargets(
    root: string,
    targets: readonly {
      readonly path: string;
      readonly kind: 'directory' | 'file';
      readonly mode?: number | undefined;
    }[],
    owner?: { readonly uid: number; readonly gid: number },
  ): Promise<{ readonly path: string; readonly mode: number }[]>;
  /** Makes a directory and its parents, owned by `uid` and `gid`. @throws invalid when something else is there. */
  makeDirectory(root: string, path: string, owner: { uid: number; gid: number }): Promise<void>;
}

/** Host ids. */
export interface IdOwner {
  readonly uid: number;
  readonly gid: number;
}

/** Something of the host that is to be seen inside a container. */
export interface HostPlace {
  readonly kind: 'directory' | 'other' | 'missing';
  readonly flags: readonly string[];
}

/** The host's own files, and directories of the engine. */
export interface HostFiles {
  kindOf(path: string): Promise<'directory' | 'other' | 'missing'>;
  makeDirectory(path: string, mode: number): Promise<void>;
  /** What is at each of these paths, links followed, and which flags its mount has (`ro`, `nosuid`, `nodev`, `noexec`). */
  lookAt(paths: readonly string[]): Promise<readonly HostPlace[]>;
  /** The mount that holds a path, links followed: where it is, and how it travels (`shared:5`, `master:3`). */
  mountOf(path: string): Promise<{ readonly target: string; readonly propagation: readonly string[] } | undefined>;
  /**
   * Makes the engine's own `directories` (0700, parents must exist or come before; they may exist), and writes `files`.
   */
  place(
    directories: readonly string[],
    files: readonly {
      readonly path: string;
      readonly text: string;
      readonly mode: number;
      readonly owner?: IdOwner | undefined;
    }[],
  ): Promise<void>;
  read(path: string): Promise<string | undefined>;
  /** Deletes trees that the engine owns; nothing there is no error. */
  removeTrees(paths: readonly string[]): Promise<void>;
  list(path: string): Promise<readonly string[]>;
  /** Gives an empty directory that belongs to the host's root to somebody else, with a mode; any other stays as it is. */
  giveEmpty(path: string, owner: IdOwner, mode?: number): Promise<void>;
  /**
   * Gives a file or a whole directory to somebody; links are not followed. @throws invalid for folders of the system (unless
   * it is a copy: `isOverlay`)
   */
  chownTree(path: string, owner: IdOwner, isOverlay: boolean): Promise<void>;
  hostname(): string;
}

/** The host's list of processes. */
export interface HostProcesses {
  /** Runs ps(1) with `args`; gives its exit code and what it printed. @throws unavailable when the host has none. */
  list(args: readonly string[]): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>;
}

/** The operator's defaults for containers. */
export interface ContainerDefaults {
  readonly networkMode: 'bridge' | 'none';
  /** Bytes of /dev/shm. */
  readonly shmSize: number;
  readonly ipcMode: 'private' | 'shareable';
  readonly cgroupnsMode: 'private' | 'host';
  readonly init: boolean;
  readonly ulimits: NonNullable<HostConfig['Ulimits']>;
  /** What `host-gateway` stands for in `--add-host`; the bridge's address when empty. */
  readonly hostGateways: readonly string[];
}

export interface UserNamespaceSettings {
  /** Undefined for the host's. */
  readonly ids: IdMapping | undefined;
  readonly auto: { readonly uids: readonly HostRange[]; readonly gids: readonly HostRange[] };
}

export interface ContainerSettings {
  /** Data root and exec root of this engine. */
  readonly dataRoot: string;
  readonly execRoot: string;
  /** How layers are kept: `erofs`, `dir`. */
  readonly storageDriver: string;
  /** Bytes that a container may write to its layer when it says nothing else; undefined for no limit. */
  readonly writableLimit: number | undefined;
  /** The user namespace of containers that name none, and what those that want one of their own get their ids from. */
  readonly userNamespaces: UserNamespaceSettings;
  readonly defaultRuntime: string;
  /** Names that a container may choose its runtime by. */
  readonly runtimes: ReadonlySet<string>;
  /** What containers get that do not say. */
  readonly defaults: ContainerDefaults;
  /** The log driver of containers that name none, and its options. */
  readonly defaultLog: LogSettings;
  readonly cgroup: 'v1' | 'hybrid' | 'v2';
  /** Online processors, and the lists of processors and memory nodes as in /sys/devices/system. */
  readonly cpus: number;
  readonly onlineCpus: string | undefined;
  readonly onlineMems: string | undefined;
  readonly blockLimits: BlockLimits;
  /** What is hidden from, and read-only for, containers that do not say. */
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
}

/** What the host's runtime could not do of a container's settings; looked at when it is created. */
export interface SettingsCheck {
  /** Gives warnings for the client. @throws invalid naming the setting. */
  check(config: HostConfig): Promise<string[]>;
}

export interface ContainerPorts {
  readonly journal: StateJournal;
  readonly images: RunnableImages;
  readonly snapshots: Snapshots;
  readonly runMounts: RunMounts;
  readonly volumes: Volumes;
  readonly networks: Networks;
  readonly launcher: Launcher;
  readonly probes: NetworkProbes;
  readonly usage: UsageReader;
  readonly runtimeSettings: SettingsCheck;
  readonly devices: DeviceDrivers;
  readonly logs: ContainerLogs;
  readonly roots: RootAccess;
  readonly files: ContainerFiles;
  readonly host: HostFiles;
  readonly userNamespaces: UserNamespaces;
  readonly processes: HostProcesses;
  readonly clock: Clock;
  readonly log: Logger;
  readonly settings: ContainerSettings;
}
