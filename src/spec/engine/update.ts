import type { HostConfig, RestartPolicy } from './container.ts';

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

/** The decoded body of `POST /containers/{id}/update`. */
export interface UpdateContainerRequest {
  /** Zero, empty and null mean "as it is"; a PidsLimit of 0 means none. */
  readonly limits: ContainerLimits;
  /** An empty name means "as it is". */
  readonly restartPolicy: RestartPolicy;
}

export interface UpdateContainerView {
  Warnings: string[] | null;
}
