import type {
  DeviceMapping,
  DeviceRequest,
  HostConfig,
  MountSpec,
  PortBinding,
  RestartPolicy,
  Ulimit,
} from '../engine/container.ts';
import type { Decoder, Fields } from './decoder.ts';
import {
  boolean,
  int64,
  list,
  nullable,
  optional,
  pair,
  record,
  string,
  struct,
  uint16,
  uint32,
  uint64,
} from './decoder.ts';

/** Strings out of a closed set are checked after decoding, with Docker's own messages. */
const oneOf = <T extends string>(): Decoder<T> => string as Decoder<T>;

const portBinding = struct<PortBinding>('PortBinding', {
  HostIp: string,
  HostPort: string,
  From: optional(list(string)),
  HostRules: optional(boolean),
});

const restartPolicy = struct<RestartPolicy>('RestartPolicy', {
  Name: oneOf<RestartPolicy['Name']>(),
  MaximumRetryCount: int64,
});

export const ulimit = struct<Ulimit>('Ulimit', { Name: string, Soft: int64, Hard: int64 });

const device = struct<DeviceMapping>('DeviceMapping', {
  PathOnHost: string,
  PathInContainer: string,
  CgroupPermissions: string,
});

const deviceRequest = struct<DeviceRequest>('DeviceRequest', {
  Driver: string,
  Count: int64,
  DeviceIDs: nullable(list(string)),
  Capabilities: nullable(list(list(string))),
  Options: record(string),
});

const weightDevice = struct<{ Path: string; Weight: number }>('WeightDevice', { Path: string, Weight: uint16 });
const throttleDevice = struct<{ Path: string; Rate: number }>('ThrottleDevice', { Path: string, Rate: uint64 });

/** One mount, as `HostConfig.Mounts` has them. */
export const mountSpec = struct<MountSpec>('Mount', {
  Type: oneOf<MountSpec['Type']>(),
  Source: optional(string),
  Target: string,
  ReadOnly: optional(boolean),
  Consistency: optional(string),
  Mode: optional(string),
  BindOptions: optional(
    struct<NonNullable<MountSpec['BindOptions']>>('BindOptions', {
      Propagation: optional(string),
      NonRecursive: optional(boolean),
      CreateMountpoint: optional(boolean),
      ReadOnlyNonRecursive: optional(boolean),
      ReadOnlyForceRecursive: optional(boolean),
    }),
  ),
  VolumeOptions: optional(
    struct<NonNullable<MountSpec['VolumeOptions']>>('VolumeOptions', {
      NoCopy: optional(boolean),
      Labels: optional(record(string)),
      Subpath: optional(string),
      DriverConfig: optional(
        struct<{ Name?: string; Options?: Record<string, string> }>('Driver', {
          Name: optional(string),
          Options: optional(record(string)),
        }),
      ),
    }),
  ),
  TmpfsOptions: optional(
    struct<NonNullable<MountSpec['TmpfsOptions']>>('TmpfsOptions', {
      SizeBytes: optional(int64),
      Mode: optional(uint32),
      Options: optional(list(list(string))),
    }),
  ),
  ImageOptions: optional(struct<{ Subpath?: string }>('ImageOptions', { Subpath: optional(string) })),
});

/** The fields of `HostConfig` as they come, absent ones zero. */
export const hostConfigFields: Fields<HostConfig> = {
  Binds: nullable(list(string)),
  ContainerIDFile: string,
  LogConfig: struct<HostConfig['LogConfig']>('LogConfig', { Type: string, Config: record(string) }),
  NetworkMode: string,
  PortBindings: record(nullable(list(portBinding))),
  RestartPolicy: restartPolicy,
  AutoRemove: boolean,
  VolumeDriver: string,
  VolumesFrom: nullable(list(string)),
  ConsoleSize: pair,
  Annotations: optional(record(string)),
  Umask: optional(uint32),
  CapAdd: nullable(list(string)),
  CapDrop: nullable(list(string)),
  CgroupnsMode: oneOf<HostConfig['CgroupnsMode']>(),
  Dns: list(string),
  DnsOptions: list(string),
  DnsSearch: list(string),
  ExtraHosts: nullable(list(string)),
  GroupAdd: nullable(list(string)),
  IpcMode: string,
  Cgroup: string,
  Links: nullable(list(string)),
  OomScoreAdj: int64,
  PidMode: string,
  Privileged: boolean,
  PublishAllPorts: boolean,
  ReadonlyRootfs: boolean,
  SecurityOpt: nullable(list(string)),
  StorageOpt: optional(record(string)),
  Tmpfs: optional(record(string)),
  UTSMode: string,
  UsernsMode: string,
  ShmSize: int64,
  Sysctls: optional(record(string)),
  Runtime: string,
  Isolation: string,
  CpuShares: int64,
  Memory: int64,
  NanoCpus: int64,
  CgroupParent: string,
  BlkioWeight: uint16,
  BlkioWeightDevice: nullable(list(weightDevice)),
  BlkioDeviceReadBps: nullable(list(throttleDevice)),
  BlkioDeviceWriteBps: nullable(list(throttleDevice)),
  BlkioDeviceReadIOps: nullable(list(throttleDevice)),
  BlkioDeviceWriteIOps: nullable(list(throttleDevice)),
  CpuPeriod: int64,
  CpuQuota: int64,
  CpuRealtimePeriod: int64,
  CpuRealtimeRuntime: int64,
  CpusetCpus: string,
  CpusetMems: string,
  Devices: nullable(list(device)),
  DeviceCgroupRules: nullable(list(string)),
  DeviceRequests: nullable(list(deviceRequest)),
  KernelMemoryTCP: optional(int64),
  MemoryReservation: int64,
  MemorySwap: int64,
  MemorySwappiness: nullable(int64),
  OomKillDisable: nullable(boolean),
  PidsLimit: nullable(int64),
  Ulimits: nullable(list(ulimit)),
  CpuCount: int64,
  CpuPercent: int64,
  IOMaximumIOps: uint64,
  IOMaximumBandwidth: uint64,
  Mounts: optional(list(mountSpec)),
  MaskedPaths: nullable(list(string)),
  ReadonlyPaths: nullable(list(string)),
  Init: optional(nullable(boolean)),
};

/** `HostConfig` as it came; Docker's defaults are `withDefaults`' matter. */
export const hostConfig = struct<HostConfig>('HostConfig', hostConfigFields);
