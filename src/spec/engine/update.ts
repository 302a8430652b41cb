import type { HostConfig, MountSpec, PortMap, RestartPolicy } from './container.ts';

/** The limits that can be changed while a container runs. */
export const changeableLimits = [
  'CpuShares',
  'Memory',
  'NanoCpus',
  'BlkioWeight',
  'BlkioWeightDevice',
  'BlkioDeviceReadBps',
  'BlkioDeviceWriteBps',
  'BlkioDeviceReadIOps',
  'BlkioDeviceWriteIOps',
  'CpuPeriod',
  'CpuQuota',
  'CpuRealtimePeriod',
  'CpuRealtimeRuntime',
  'CpusetCpus',
  'CpusetMems',
  'MemoryReservation',
  'MemorySwap',
  'PidsLimit',
] as const satisfies readonly (keyof HostConfig)[];

export type ContainerLimits = Pick<HostConfig, (typeof changeableLimits)[number]>;

/** Other bandwidth on one network, or on all of the container's when none is named. */
export interface RateChange {
  readonly Network: string;
  /** `10mbit`, `none`, `default` for what the network says; empty for as it is. */
  readonly In: string;
  readonly Out: string;
}

/** Changes that Docker has no way to make. */
export interface ContainerChanges {
  /** A port without bindings is published on any free port of the host. */
  readonly PublishAdd: PortMap;
  /** A port without bindings means all of its bindings. */
  readonly PublishRemove: PortMap;
  /** `NAME=VALUE`, and names. */
  readonly EnvAdd: string[];
  readonly EnvRemove: string[];
  readonly LabelAdd: Record<string, string>;
  readonly LabelRemove: string[];
  /** Mounts, and targets of mounts. */
  readonly MountAdd: MountSpec[];
  readonly MountRemove: string[];
  /** Bandwidth on networks of the container. */
  readonly NetworkRates: RateChange[];
  /** Restart the container when something could only be done by that. */
  readonly Restart: boolean;
}

/** The decoded body of `POST /containers/{id}/update`. */
export interface UpdateContainerRequest {
  /** Zero, empty and null mean "as it is"; a PidsLimit of 0 means none. */
  readonly limits: ContainerLimits;
  /** An empty name means "as it is". */
  readonly restartPolicy: RestartPolicy;
  /** Undefined when the request says nothing about any of them. */
  readonly changes: ContainerChanges | undefined;
}

export interface UpdateContainerView {
  Warnings: string[] | null;
  /** What waits for the container's next start, in words; only in answers to requests for such changes. */
  Pending?: readonly string[];
  /** Whether the container was restarted. */
  Restarted?: boolean;
}
