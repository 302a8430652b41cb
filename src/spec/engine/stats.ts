/** `GET /containers/{id}/stats`. Times in nanoseconds, sizes in bytes. */
export interface StatsView {
  id: string;
  /** With a leading slash. */
  name: string;
  os_type: 'linux';
  /** RFC 3339: when this and the previous sample were taken. */
  read: string;
  preread: string;
  pids_stats: { current?: number; limit?: number };
  blkio_stats: BlkioStats;
  num_procs: 0;
  storage_stats: Record<string, never>;
  cpu_stats: CpuStats;
  precpu_stats: CpuStats;
  memory_stats: MemoryStats | Record<string, never>;
  networks?: Record<string, NetworkStats>;
}
/** Null where the kernel does not count, empty where nothing was counted. */
export interface BlkioStats {
  io_service_bytes_recursive: BlkioEntry[] | null;
  io_serviced_recursive: BlkioEntry[] | null;
  io_queue_recursive: BlkioEntry[] | null;
  io_service_time_recursive: BlkioEntry[] | null;
  io_wait_time_recursive: BlkioEntry[] | null;
  io_merged_recursive: BlkioEntry[] | null;
  io_time_recursive: BlkioEntry[] | null;
  sectors_recursive: BlkioEntry[] | null;
}

/** Of a container that does not run. */
export const noBlkio: BlkioStats = {
  io_service_bytes_recursive: null,
  io_serviced_recursive: null,
  io_queue_recursive: null,
  io_service_time_recursive: null,
  io_wait_time_recursive: null,
  io_merged_recursive: null,
  io_time_recursive: null,
  sectors_recursive: null,
};

export interface BlkioEntry {
  major: number;
  minor: number;
  op: string;
  value: number;
}
export interface CpuStats {
  cpu_usage: {
    total_usage: number;
    percpu_usage?: number[];
    usage_in_kernelmode: number;
    usage_in_usermode: number;
  };
  /** All processors of the host together, idle time included. */
  system_cpu_usage?: number;
  online_cpus?: number;
  throttling_data: { periods: number; throttled_periods: number; throttled_time: number };
}
export interface MemoryStats {
  usage: number;
  max_usage?: number;
  /** The kernel's own counters by name (memory.stat). */
  stats: Record<string, number>;
  failcnt?: number;
  limit: number;
}
export interface NetworkStats {
  rx_bytes: number;
  rx_packets: number;
  rx_errors: number;
  rx_dropped: number;
  tx_bytes: number;
  tx_packets: number;
  tx_errors: number;
  tx_dropped: number;
}

/** One sample of a container's counters, without what identifies it. */
export type UsageSample = Pick<StatsView, 'pids_stats' | 'blkio_stats' | 'memory_stats' | 'cpu_stats'> & {
  readonly networks?: Record<string, NetworkStats>;
  readonly takenNs: bigint;
};
