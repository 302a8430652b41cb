import { invalid } from '../../base/errors.ts';
import type { HostConfig } from '../../spec/engine/container.ts';
import { ulimitTypes } from '../../spec/engine/ulimits.ts';
import type { ValidationFacts } from './validate.ts';

const leastMemory = 6 * 1024 * 1024;

/** Ranges and contradictions of limits, in Docker's words. */
export function validateResources(host: HostConfig, facts: ValidationFacts, warnings: string[]): void {
  validateMemory(host, warnings);
  validateCpu(host, facts);
  validateCpuset(host.CpusetCpus, facts.onlineCpus, 'cpuset cpus', 'CPUs');
  validateCpuset(host.CpusetMems, facts.onlineMems, 'cpuset mems', 'memory nodes');
  validateUlimits(host);
  if (host.ShmSize < 0) throw invalid('SHM size can not be less than 0');
  if (host.OomScoreAdj < -1000 || host.OomScoreAdj > 1000) {
    throw invalid(`Invalid value ${host.OomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  }
  const weight = host.BlkioWeight;
  if (facts.blockLimits.weight && weight !== 0 && (weight < 10 || weight > 1000)) {
    throw invalid('Range of blkio weight is from 10 to 1000');
  }
  if (host.IOMaximumBandwidth !== 0) {
    throw invalid('invalid option: QoS maximum bandwidth configuration is not supported on linux');
  }
  if (host.IOMaximumIOps !== 0) {
    throw invalid('invalid option: QoS maximum IOPs configuration is not supported on linux');
  }
  if (host.CpuPercent > 0) warnings.push('linux does not support CPU percent. Percent discarded.');
}

/** Ranges of memory and swap, and how they go together. */
export function validateMemory(host: HostConfig, warnings: string[]): void {
  const { Memory: memory, MemorySwap: swap, MemoryReservation: reservation, MemorySwappiness: swappiness } = host;
  if (memory < 0 || reservation < 0) throw invalid('Minimum memory limit allowed is 6MB');
  if (memory > 0 && memory < leastMemory) throw invalid('Minimum memory limit allowed is 6MB');
  if (swap < -1) throw invalid(`Invalid value: ${swap}, valid memory swap is -1, 0 or above the memory limit`);
  if (memory > 0 && swap > 0 && swap < memory) {
    throw invalid('Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  if (memory === 0 && swap > 0) {
    throw invalid('You should always set the Memory limit when using Memoryswap limit, see usage');
  }
  if (swappiness !== null && (swappiness < -1 || swappiness > 100)) {
    throw invalid(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  }
  if (reservation > 0 && reservation < leastMemory) throw invalid('Minimum memory reservation allowed is 6MB');
  if (memory > 0 && reservation > 0 && memory < reservation) {
    throw invalid('Minimum memory limit can not be less than memory reservation limit, see usage');
  }
  if (host.OomKillDisable === true && memory === 0) {
    warnings.push(
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    );
  }
}

function validateCpu(host: HostConfig, { cpus }: ValidationFacts): void {
  const { NanoCpus: nano, CpuPeriod: period, CpuQuota: quota } = host;
  if (nano > 0 && period > 0) throw invalid('Conflicting options: Nano CPUs and CPU Period cannot both be set');
  if (nano > 0 && quota > 0) throw invalid('Conflicting options: Nano CPUs and CPU Quota cannot both be set');
  if (nano < 0 || nano > cpus * 1e9) {
    throw invalid(`range of CPUs is from 0.01 to ${cpus}.00, as there are only ${cpus} CPUs available`);
  }
  if (host.CpuShares < 0) throw invalid(`invalid CPU shares (${host.CpuShares}): value must be a positive integer`);
  if (period !== 0 && (period < 1000 || period > 1_000_000)) {
    throw invalid('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  }
  if (quota > 0 && quota < 1000) throw invalid('CPU cfs quota can not be less than 1ms (i.e. 1000)');
  if (host.CpuRealtimePeriod !== 0 && host.CpuRealtimeRuntime > host.CpuRealtimePeriod) {
    throw invalid('cpu real-time runtime cannot be higher than cpu real-time period');
  }
}

/** Highest processor or node number that the kernel can have; larger ones would only make big bit sets (CVE-2018-20699). */
const maxCpu = 8191;

function validateCpuset(wanted: string, online: string | undefined, field: string, things: string): void {
  if (wanted === '') return;
  const set = parseCpuset(wanted);
  const shown = wanted.slice(0, 200);
  if (set === undefined) throw invalid(`Invalid value ${shown} for ${field}: invalid format: ${shown}`);
  const available = online === undefined ? undefined : parseCpuset(online);
  if (available !== undefined && [...set].some((one) => !available.has(one))) {
    throw invalid(
      `Requested ${things} are not available - requested ${wanted.slice(0, 200)}, available: ${online ?? ''}`,
    );
  }
}

/** `0-2,7` (cpuset(7), list format); undefined when it is not of this form. */
export function parseCpuset(text: string): ReadonlySet<number> | undefined {
  const set = new Set<number>();
  for (const part of text.trim().split(',')) {
    const match = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(part.trim());
    if (match === null) return undefined;
    const first = Number(match[1]);
    const last = match[2] === undefined ? first : Number(match[2]);
    if (first > last || last > maxCpu) return undefined;
    for (let cpu = first; cpu <= last; cpu++) set.add(cpu);
  }
  return set;
}

function validateUlimits(host: HostConfig): void {
  for (const { Name: name, Soft: soft, Hard: hard } of host.Ulimits ?? []) {
    if (!ulimitTypes.has(name)) throw invalid(`invalid ulimit type: ${name.slice(0, 100)}`);
    if (hard >= 0 && (soft < 0 || soft > hard)) {
      throw invalid(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
    }
  }
}
