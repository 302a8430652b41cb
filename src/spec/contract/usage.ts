import type { ContainerId } from '../../base/ids.ts';
import type { UsageSample } from '../engine/stats.ts';

/** The counters of running containers, read from the kernel at each call. */
export interface UsageReader {
  /** `pid` is the container's first process: its network namespace is the one that is counted. */
  read(id: ContainerId, cgroupParent: string, pid: number): Promise<UsageSample>;
}
