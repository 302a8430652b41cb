import { invalid } from '../../base/errors.ts';
import type { HostConfig } from '../../spec/engine/container.ts';
import type { OciDevice, OciResources, OciThrottleDevice } from '../../spec/oci/runtime.ts';
import type { HostFacts } from './host.ts';

/** Microseconds of a scheduling period when only a number of processors is given. */
const defaultPeriod = 100_000;

/**
 * The cgroup limits of a container, without its device rules. What the host's kernel cannot do is left out, and named
 * in `warnings` as Docker does. @throws invalid for a throttled path that is no device.
 */
export async function containerResources(
  config: HostConfig,
  host: HostFacts,
  warnings: string[],
): Promise<OciResources> {
  const memory = memoryLimits(config, host, warnings);
  const cpu = cpuLimits(config, host, warnings);
  const blockIO = await blockLimits(config, host, warnings);
  const pids = config.PidsLimit !== null && config.PidsLimit !== 0 ? config.PidsLimit : host.defaults.pidsLimit;
  return {
    ...(isEmpty(memory) ? {} : { memory }),
    ...(isEmpty(cpu) ? {} : { cpu }),
    ...(pids === undefined ? {} : { pids: { limit: pids > 0 ? pids : -1 } }),
    ...(isEmpty(blockIO) ? {} : { blockIO }),
  };
}

const isEmpty = (object: object): boolean => Object.keys(object).length === 0;

function memoryLimits(config: HostConfig, host: HostFacts, warnings: string[]): NonNullable<OciResources['memory']> {
  const limits: NonNullable<OciResources['memory']> = {};
  if (config.Memory > 0) limits.limit = config.Memory;
  if (config.MemoryReservation > 0) limits.reservation = config.MemoryReservation;
  const swap = config.MemorySwap !== 0 ? config.MemorySwap : config.Memory > 0 ? config.Memory * 2 : 0;
  if (swap !== 0 && host.swapLimit) limits.swap = swap;
  else if (swap > 0) {
    warnings.push(
      'Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.',
    );
  }
  const sockets = config.KernelMemoryTCP ?? 0;
  if (sockets > 0 && host.kernelMemoryTcp) limits.kernelTCP = sockets;
  else if (sockets > 0) {
    warnings.push(
      'Your kernel does not support kernel memory TCP limit capabilities or the cgroup is not mounted. Limitation discarded.',
    );
  }
  const swappiness = config.MemorySwappiness;
  if (swappiness !== null && swappiness >= 0) {
    if (host.cgroup === 'v2') {
      warnings.push(
        'Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.',
      );
    } else limits.swappiness = swappiness;
  }
  if (config.OomKillDisable === true) {
    if (host.cgroup === 'v2') {
      warnings.push('Your kernel does not support OomKillDisable. OomKillDisable discarded.');
    } else limits.disableOOMKiller = true;
  }
  return limits;
}

function cpuLimits(config: HostConfig, host: HostFacts, warnings: string[]): NonNullable<OciResources['cpu']> {
  const limits: NonNullable<OciResources['cpu']> = {};
  if (config.CpuShares > 0) limits.shares = config.CpuShares;
  if (config.NanoCpus > 0) {
    limits.period = defaultPeriod;
    limits.quota = Math.floor((config.NanoCpus * defaultPeriod) / 1e9);
  }
  if (config.CpuPeriod !== 0) limits.period = config.CpuPeriod;
  // All below zero means no limit; crun takes -1 only.
  if (config.CpuQuota !== 0) limits.quota = Math.max(-1, config.CpuQuota);
  if (config.CpuRealtimePeriod !== 0 || config.CpuRealtimeRuntime !== 0) {
    if (host.cgroup === 'v2') {
      warnings.push('Your kernel does not support CPU real-time scheduler; the limit was discarded.');
    } else {
      if (config.CpuRealtimePeriod !== 0) limits.realtimePeriod = config.CpuRealtimePeriod;
      if (config.CpuRealtimeRuntime !== 0) limits.realtimeRuntime = config.CpuRealtimeRuntime;
    }
  }
  if (config.CpusetCpus !== '') limits.cpus = config.CpusetCpus;
  if (config.CpusetMems !== '') limits.mems = config.CpusetMems;
  return limits;
}

async function blockLimits(
  config: HostConfig,
  host: HostFacts,
  warnings: string[],
): Promise<NonNullable<OciResources['blockIO']>> {
  const limits: NonNullable<OciResources['blockIO']> = {};
  const discard = (what: string, discarded: string): void => {
    warnings.push(`Your kernel does not support ${what} or the cgroup is not mounted. ${discarded} discarded.`);
  };
  if (config.BlkioWeight > 0) {
    if (host.blockLimits.weight) limits.weight = config.BlkioWeight;
    else discard('Block I/O weight', 'Weight');
  }
  const weights = config.BlkioWeightDevice ?? [];
  if (weights.length > 0 && !host.blockLimits.weightDevice) discard('Block I/O weight_device', 'Weight-device');
  else if (weights.length > 0) {
    limits.weightDevice = await Promise.all(
      weights.map(async ({ Path, Weight }) => {
        const { major, minor } = await blockDevice(Path, host);
        return { major, minor, weight: Weight };
      }),
    );
  }
  for (const [field, setting, unit, verb] of throttles) {
    const list = config[setting];
    if (list === null || list.length === 0) continue;
    if (host.blockLimits.throttle) limits[field] = await Promise.all(list.map((one) => throttle(one, host)));
    else discard(`${unit} Block I/O ${verb} limit`, `Block I/O ${unit} ${verb} limit`);
  }
  return limits;
}

const throttles = [
  ['throttleReadBpsDevice', 'BlkioDeviceReadBps', 'BPS', 'read'],
  ['throttleWriteBpsDevice', 'BlkioDeviceWriteBps', 'BPS', 'write'],
  ['throttleReadIOPSDevice', 'BlkioDeviceReadIOps', 'IOPS', 'read'],
  ['throttleWriteIOPSDevice', 'BlkioDeviceWriteIOps', 'IOPS', 'write'],
] as const;

async function throttle(limit: { Path: string; Rate: number }, host: HostFacts): Promise<OciThrottleDevice> {
  const { major, minor } = await blockDevice(limit.Path, host);
  return { major, minor, rate: limit.Rate };
}

async function blockDevice(path: string, host: HostFacts): Promise<OciDevice> {
  const device = (await host.devicesAt(path))[0];
  if (device === undefined || device.path !== path) {
    throw invalid(`cannot limit block I/O of ${JSON.stringify(path.slice(0, 200))}: not a device`);
  }
  return device;
}
