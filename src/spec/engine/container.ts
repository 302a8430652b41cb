/** The container objects of the Docker Engine API (1.24 to 1.55): field names, units and meanings are Docker's. */

export interface HealthConfig {
  Test?: string[];
  /** Nanoseconds, like all durations of this object. */
  Interval?: number;
  Timeout?: number;
  StartPeriod?: number;
  StartInterval?: number;
  Retries?: number;
  /** An addition of this engine: what happens to the container when it turns unhealthy. */
  OnFailure?: '' | 'none' | 'kill' | 'restart' | 'stop';
}

/** `Config`: the portable part, that an image can preset. */
export interface ContainerConfig {
  Hostname: string;
  Domainname: string;
  User: string;
  AttachStdin: boolean;
  AttachStdout: boolean;
  AttachStderr: boolean;
  ExposedPorts?: Record<string, Record<string, never>>;
  Tty: boolean;
  OpenStdin: boolean;
  StdinOnce: boolean;
  Env: string[];
  Cmd: string[] | null;
  Healthcheck?: HealthConfig;
  ArgsEscaped?: boolean;
  Image: string;
  /** Only in an inspected container, before API 1.52: what its main endpoint asks for. */
  MacAddress?: string;
  Volumes: Record<string, Record<string, never>> | null;
  WorkingDir: string;
  Entrypoint: string[] | null;
  NetworkDisabled?: boolean;
  OnBuild?: string[] | null;
  Labels: Record<string, string>;
  StopSignal?: string;
  /** Seconds. */
  StopTimeout?: number;
  Shell?: string[];
}

export interface PortBinding {
  HostIp: string;
  /** Empty for "any free port"; may be a range `8000-8010` in requests. */
  HostPort: string;
  /** An addition: addresses and prefixes that clients must come from (`10.0.0.0/8`); absent for the default. */
  From?: string[];
  /** An addition: the host's own rules for incoming packets decide, too; absent for the default. */
  HostRules?: boolean;
}
/** `80/tcp` -> bindings; null for exposed but not published. */
export type PortMap = Record<string, PortBinding[] | null>;

export interface RestartPolicy {
  Name: '' | 'no' | 'always' | 'unless-stopped' | 'on-failure';
  MaximumRetryCount: number;
}
export interface Ulimit {
  Name: string;
  Soft: number;
  Hard: number;
}
export interface DeviceMapping {
  PathOnHost: string;
  PathInContainer: string;
  CgroupPermissions: string;
}
/** Devices that a driver is asked for (`--gpus`, `--device vendor.com/class=name`). */
export interface DeviceRequest {
  Driver: string;
  /** -1 for all. */
  Count: number;
  DeviceIDs: string[] | null;
  /** Any of these sets. */
  Capabilities: string[][] | null;
  Options: Record<string, string>;
}
export interface MountSpec {
  Type: 'bind' | 'volume' | 'tmpfs' | 'image' | 'npipe' | 'cluster';
  Source?: string;
  Target: string;
  ReadOnly?: boolean;
  Consistency?: string;
  /** An addition of this engine, for binds and volumes: `U`, `O`, `idmap` and their values, as `-v` takes them. */
  Mode?: string;
  BindOptions?: {
    Propagation?: string;
    NonRecursive?: boolean;
    CreateMountpoint?: boolean;
    ReadOnlyNonRecursive?: boolean;
    ReadOnlyForceRecursive?: boolean;
  };
  VolumeOptions?: {
    NoCopy?: boolean;
    Labels?: Record<string, string>;
    Subpath?: string;
    DriverConfig?: { Name?: string; Options?: Record<string, string> };
  };
  TmpfsOptions?: { SizeBytes?: number; Mode?: number; Options?: string[][] };
  ImageOptions?: { Subpath?: string };
}

/** `HostConfig`: what depends on the host. Sizes in bytes, CPU periods and quotas in microseconds. */
export interface HostConfig {
  Binds: string[] | null;
  ContainerIDFile: string;
  LogConfig: { Type: string; Config: Record<string, string> };
  NetworkMode: string;
  PortBindings: PortMap;
  RestartPolicy: RestartPolicy;
  AutoRemove: boolean;
  VolumeDriver: string;
  VolumesFrom: string[] | null;
  ConsoleSize: [number, number];
  Annotations?: Record<string, string>;
  /** Bits that files of the container's processes are made without, 0 to 0o777. */
  Umask?: number;
  CapAdd: string[] | null;
  CapDrop: string[] | null;
  CgroupnsMode: '' | 'private' | 'host';
  Dns: string[];
  DnsOptions: string[];
  DnsSearch: string[];
  ExtraHosts: string[] | null;
  GroupAdd: string[] | null;
  IpcMode: string;
  Cgroup: string;
  Links: string[] | null;
  OomScoreAdj: number;
  PidMode: string;
  Privileged: boolean;
  PublishAllPorts: boolean;
  ReadonlyRootfs: boolean;
  SecurityOpt: string[] | null;
  StorageOpt?: Record<string, string>;
  Tmpfs?: Record<string, string>;
  UTSMode: string;
  UsernsMode: string;
  ShmSize: number;
  Sysctls?: Record<string, string>;
  Runtime: string;
  Isolation: string;
  CpuShares: number;
  Memory: number;
  NanoCpus: number;
  CgroupParent: string;
  BlkioWeight: number;
  BlkioWeightDevice: { Path: string; Weight: number }[] | null;
  BlkioDeviceReadBps: { Path: string; Rate: number }[] | null;
  BlkioDeviceWriteBps: { Path: string; Rate: number }[] | null;
  BlkioDeviceReadIOps: { Path: string; Rate: number }[] | null;
  BlkioDeviceWriteIOps: { Path: string; Rate: number }[] | null;
  CpuPeriod: number;
  CpuQuota: number;
  CpuRealtimePeriod: number;
  CpuRealtimeRuntime: number;
  CpusetCpus: string;
  CpusetMems: string;
  Devices: DeviceMapping[] | null;
  DeviceCgroupRules: string[] | null;
  DeviceRequests: DeviceRequest[] | null;
  /** Bytes of socket buffers, where the kernel has that limit (cgroup v1). */
  KernelMemoryTCP?: number;
  MemoryReservation: number;
  MemorySwap: number;
  MemorySwappiness: number | null;
  OomKillDisable: boolean | null;
  PidsLimit: number | null;
  Ulimits: Ulimit[] | null;
  CpuCount: number;
  CpuPercent: number;
  IOMaximumIOps: number;
  IOMaximumBandwidth: number;
  Mounts?: MountSpec[];
  MaskedPaths: string[] | null;
  ReadonlyPaths: string[] | null;
  Init?: boolean | null;
}

export interface EndpointIpamConfig {
  IPv4Address?: string;
  IPv6Address?: string;
  LinkLocalIPs?: string[];
}
/** One endpoint of a container, in requests and in `NetworkSettings.Networks`. */
export interface EndpointSettings {
  IPAMConfig: EndpointIpamConfig | null;
  Links: string[] | null;
  Aliases: string[] | null;
  MacAddress: string;
  DriverOpts: Record<string, string> | null;
  GwPriority: number;
  NetworkID: string;
  EndpointID: string;
  Gateway: string;
  IPAddress: string;
  IPPrefixLen: number;
  IPv6Gateway: string;
  GlobalIPv6Address: string;
  GlobalIPv6PrefixLen: number;
  DNSNames: string[] | null;
}

/** The decoded body of `POST /containers/create`, with Docker's defaults filled in. */
export interface CreateContainerRequest {
  /** From the query; undefined lets the engine choose one. */
  name?: string;
  /** From the query: `os[/arch[/variant]]`. */
  platform?: string;
  Config: ContainerConfig;
  HostConfig: HostConfig;
  /** Requested endpoints by network name or id. */
  EndpointsConfig: Record<string, EndpointSettings>;
  /** What is mounted below read-only binds stays writable: the only way before API 1.44. */
  oldReadOnly?: boolean;
  /** What the decoder has to tell the client, in Docker's words. */
  warnings?: string[];
}

export type ContainerStatus = 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';

/** `State` of an inspected container. */
export interface ContainerStateView {
  Status: ContainerStatus;
  Running: boolean;
  Paused: boolean;
  Restarting: boolean;
  OOMKilled: boolean;
  Dead: boolean;
  Pid: number;
  ExitCode: number;
  Error: string;
  StartedAt: string;
  FinishedAt: string;
}

/** `Mounts[]` of an inspected or listed container. */
export interface MountPoint {
  Type: 'bind' | 'volume' | 'tmpfs' | 'image';
  Name?: string;
  Source: string;
  Destination: string;
  Driver?: string;
  Mode: string;
  RW: boolean;
  Propagation: string;
}

/** The decoded body of `POST /containers/{id}/exec`. */
export interface CreateExecRequest {
  User: string;
  Privileged: boolean;
  Tty: boolean;
  ConsoleSize?: [number, number];
  AttachStdin: boolean;
  AttachStdout: boolean;
  AttachStderr: boolean;
  DetachKeys?: string;
  Env: string[];
  WorkingDir: string;
  Cmd: string[];
  /** An addition of this engine: it is killed when the client that started it is gone. */
  KillOnDisconnect?: boolean;
}

/** A state of a health check; only containers with one have it. */
export interface HealthView {
  Status: 'none' | 'starting' | 'healthy' | 'unhealthy';
  FailingStreak: number;
  Log: { Start: string; End: string; ExitCode: number; Output: string }[] | null;
}

/** One entry of `GET /containers/json`. */
export interface ContainerSummary {
  Id: string;
  /** Each with a leading slash. */
  Names: string[];
  /** The name that the container was created with, or the image's id when that name points elsewhere now. */
  Image: string;
  ImageID: string;
  ImageManifestDescriptor?: Readonly<Record<string, unknown>>;
  /** Path and arguments, as one line. */
  Command: string;
  /** Unix seconds. */
  Created: number;
  Ports: PortSummary[];
  /** Bytes; only when the request asks for sizes. */
  SizeRw?: number;
  SizeRootFs?: number;
  Labels: Record<string, string>;
  State: ContainerStatus;
  /** For people: `Up 5 minutes (healthy)`, `Exited (0) 2 hours ago`. */
  Status: string;
  HostConfig: { NetworkMode: string; Annotations?: Record<string, string> };
  NetworkSettings: { Networks: Record<string, EndpointSettings> };
  Mounts: MountPoint[];
  /** API 1.52 and later. */
  Health?: { Status: HealthView['Status']; FailingStreak: number };
}

/** A published port, or an exposed one when `PublicPort` is left out. */
export interface PortSummary {
  IP?: string;
  PrivatePort: number;
  PublicPort?: number;
  Type: 'tcp' | 'udp' | 'sctp';
  /** Additions, as in `PortBinding`. */
  From?: string[];
  HostRules?: boolean;
}

/** `NetworkSettings` of an inspected container; the single-network fields are the default bridge's. */
export interface NetworkSettingsView {
  Bridge: string;
  SandboxID: string;
  SandboxKey: string;
  Ports: PortMap;
  HairpinMode: boolean;
  LinkLocalIPv6Address: string;
  LinkLocalIPv6PrefixLen: number;
  SecondaryIPAddresses: null;
  SecondaryIPv6Addresses: null;
  EndpointID: string;
  Gateway: string;
  GlobalIPv6Address: string;
  GlobalIPv6PrefixLen: number;
  IPAddress: string;
  IPPrefixLen: number;
  IPv6Gateway: string;
  MacAddress: string;
  Networks: Record<string, EndpointSettings>;
}

/** The storage of a container or an image: which backend holds it, and where. */
export interface GraphDriverView {
  Name: string;
  Data: Record<string, string> | null;
}

/** `GET /containers/{id}/json`. */
export interface ContainerInspect {
  Id: string;
  /** RFC 3339 with nanoseconds, like all times of this object. */
  Created: string;
  Path: string;
  Args: string[];
  State: ContainerStateView & { Health?: HealthView };
  /** The image's id. */
  Image: string;
  ResolvConfPath: string;
  HostnamePath: string;
  HostsPath: string;
  LogPath: string;
  /** With a leading slash. */
  Name: string;
  RestartCount: number;
  Driver: string;
  Platform: string;
  MountLabel: string;
  ProcessLabel: string;
  AppArmorProfile: string;
  /** Running execs; null when there are none. */
  ExecIDs: string[] | null;
  HostConfig: HostConfig;
  GraphDriver: GraphDriverView;
  SizeRw?: number;
  SizeRootFs?: number;
  ImageManifestDescriptor?: Readonly<Record<string, unknown>>;
  Mounts: MountPoint[];
  Config: ContainerConfig;
  NetworkSettings: NetworkSettingsView;
  /** Additions of this engine. */
  Gantry?: Readonly<Record<string, unknown>>;
}

/** `POST /containers/prune`: ids, null when there was nothing to remove, and the bytes of their writable layers. */
export interface ContainerPruneView {
  ContainersDeleted: string[] | null;
  SpaceReclaimed: number;
}

/** What `POST /containers/{id}/wait` may wait for. */
export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

/** The end of a wait; `error` says why a container that could not be removed or read back has no true exit code. */
export interface WaitResult {
  readonly statusCode: number;
  readonly error?: string;
}
