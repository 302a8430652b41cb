import type { BlockLimits } from '../../spec/contract/launch.ts';
import type { SeccompChoice } from '../profile/security-options.ts';
import type { OciDevice } from '../../spec/oci/runtime.ts';

/** A soft and a hard resource limit; `Infinity` is unlimited. */
export interface LimitPair {
  readonly soft: number;
  readonly hard: number;
}

/** What building a spec needs to know of the host. Plain data and look-ups, so that specs can be built in a test. */
export interface HostFacts {
  /** How /sys/fs/cgroup looks to the runtime. `hybrid`: v1 controllers beside an empty v2 tree. */
  readonly cgroup: 'v1' | 'hybrid' | 'v2';
  /** Linux major and minor version, as in `[6, 18]`. */
  readonly kernel: readonly [number, number];
  readonly arch: 'x86_64' | 'aarch64';
  /** The cgroup controllers that exist: `memory`, `cpu`, `pids`, ... */
  readonly controllers: ReadonlySet<string>;
  /** True when swap is accounted (memory.memsw.* of v1, memory.swap.* of v2). */
  readonly swapLimit: boolean;
  /** True when the kernel limits the memory of socket buffers by themselves (cgroup v1). */
  readonly kernelMemoryTcp: boolean;
  readonly blockLimits: BlockLimits;
  /** The engine's own limits by name (`RLIMIT_NOFILE`). */
  readonly limits: ReadonlyMap<string, LimitPair>;
  /** True when the engine has CAP_SYS_RESOURCE, so that hard limits may be raised and oom scores lowered. */
  readonly canRaiseLimits: boolean;
  /** The engine's own /proc/self/oom_score_adj: the least that can be set without CAP_SYS_RESOURCE. */
  readonly oomScoreAdj: number;
  /** The capabilities that the engine holds itself and can hand on (`CAP_CHOWN`). */
  readonly capabilities: ReadonlySet<string>;
  /** A static init program for `--init`, undefined when the host has none. */
  readonly initPath: string | undefined;
  readonly appArmor: {
    /** The LSM is active. */
    readonly active: boolean;
    /** The profile that containers get by default, when it is loaded. */
    readonly defaultProfile: string | undefined;
  };
  /**
   * Paths that only some hosts have and that no container may read: `thermal_throttle` below each processor in /sys
   * (its counters tell what other tenants do).
   */
  readonly extraMaskedPaths: readonly string[];
  /** Absolute cgroup below which containers without a parent of their own go: `/gantry`. */
  readonly cgroupParent: string;
  /** Settings of the operator. */
  readonly defaults: {
    readonly noNewPrivileges: boolean;
    /** Most tasks in a container that sets no limit; undefined for no limit. */
    readonly pidsLimit: number | undefined;
    /** The filter of containers that name none and are not privileged; undefined for the built-in one. */
    readonly seccomp: SeccompChoice | undefined;
  };
  /**
   * The device nodes at `path`: one for a node, all below it for a directory, empty when there is nothing.
   * `path` in the answers is the host's.
   */
  readonly devicesAt: (path: string) => Promise<readonly OciDevice[]>;
}
