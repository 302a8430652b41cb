import type { HostConfig } from '../../spec/engine/container.ts';
import type { LogSettings } from '../../spec/contract/logs.ts';
import type { ContainerDefaults } from '../ports.ts';

export interface HostDefaults {
  readonly containers: ContainerDefaults;
  readonly runtime: string;
  readonly log: LogSettings;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
}

const leastShares = 2;
const mostShares = 262_144;

/** The settings with everything filled in that Docker fills in at create, as `inspect` then shows them. */
export function withHostDefaults(config: HostConfig, defaults: HostDefaults): HostConfig {
  const own = defaults.containers;
  const { Memory: memory, MemorySwap: swap, MemorySwappiness: swappiness } = config;
  return {
    ...config,
    NetworkMode: isDefaultNetwork(config.NetworkMode) ? own.networkMode : config.NetworkMode,
    IpcMode: config.IpcMode === '' ? own.ipcMode : config.IpcMode,
    CgroupnsMode: config.CgroupnsMode === '' ? own.cgroupnsMode : config.CgroupnsMode,
    RestartPolicy: {
      ...config.RestartPolicy,
      Name: config.RestartPolicy.Name === '' ? 'no' : config.RestartPolicy.Name,
    },
    LogConfig: withLogDefaults(config.LogConfig, defaults.log),
    Runtime: config.Runtime === '' ? defaults.runtime : config.Runtime,
    ShmSize: config.ShmSize === 0 ? own.shmSize : config.ShmSize,
    CpuShares: config.CpuShares > 0 ? Math.min(Math.max(config.CpuShares, leastShares), mostShares) : 0,
    MemorySwap: memory > 0 && swap === 0 ? memory * 2 : swap,
    MemorySwappiness: swappiness !== null && swappiness < 0 ? null : swappiness,
    PidsLimit: config.PidsLimit === 0 ? null : config.PidsLimit,
    MaskedPaths: config.Privileged ? null : (config.MaskedPaths ?? [...defaults.maskedPaths]),
    ReadonlyPaths: config.Privileged ? null : (config.ReadonlyPaths ?? [...defaults.readonlyPaths]),
    SecurityOpt: withLabel(config),
    Ulimits: withDefaultUlimits(config.Ulimits, own.ulimits),
  };
}

/** Decoding a request has made `bridge` of what says nothing. */
const isDefaultNetwork = (mode: string): boolean => mode === '' || mode === 'default' || mode === 'bridge';

/** A container's own limits, each name once, and the engine's for names that it leaves out. */
function withDefaultUlimits(
  wanted: HostConfig['Ulimits'],
  defaults: ContainerDefaults['ulimits'],
): HostConfig['Ulimits'] {
  if (wanted === null && defaults.length === 0) return null;
  return lastOfEachName([...defaults, ...(wanted ?? [])]);
}

/** SELinux labels would only be in the way of a container that shares processes or memory with the host. */
function withLabel({ SecurityOpt: options, Privileged, PidMode, IpcMode }: HostConfig): string[] | null {
  const unlabelled = Privileged || PidMode === 'host' || IpcMode === 'host';
  if (!unlabelled || (options ?? []).some((option) => /^label[=:]/.test(option))) return options;
  return [...(options ?? []), 'label=disable'];
}

function lastOfEachName<T extends { Name: string }>(list: readonly T[]): T[] {
  return [...new Map(list.map((item) => [item.Name, item])).values()];
}

/**
 * The engine's options count for containers of its own driver; those of the local copy (`cache-...`) for all.
 */
function withLogDefaults(log: HostConfig['LogConfig'], defaults: LogSettings): HostConfig['LogConfig'] {
  const driver = log.Type === '' ? defaults.driver : log.Type;
  const inherited = Object.entries(defaults.options).filter(
    ([name]) => driver === defaults.driver || name.startsWith('cache-'),
  );
  return { Type: driver, Config: { ...Object.fromEntries(inherited), ...log.Config } };
}
