import { invalid } from '../../base/errors.ts';
import type { CreateContainerRequest, HealthConfig, HostConfig } from '../engine/container.ts';

const minimumMemory = 6 * 1024 * 1024;

/** The contradictions and ranges that can be seen in the request alone. @throws EngineError `invalid`. */
export function checkCreateContainer(request: CreateContainerRequest): void {
  if (request.name !== undefined) checkName(request.name);
  checkNetworkMode(request);
  checkMemory(request.HostConfig);
  checkCpu(request.HostConfig);
  checkRanges(request.HostConfig);
  checkRestartPolicy(request.HostConfig);
  checkEnvironment(request.Config.Env);
  if (request.Config.Healthcheck !== undefined) checkHealth(request.Config.Healthcheck);
}

const isAlphanumeric = (code: number): boolean =>
  (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122);

/** Docker's grammar of container names, with one optional leading slash. */
function checkName(given: string): void {
  const name = given.startsWith('/') ? given.slice(1) : given;
  let good = name.length >= 2 && isAlphanumeric(name.charCodeAt(0));
  for (let at = 1; good && at < name.length; at++)
    good = isAlphanumeric(name.charCodeAt(at)) || '_.-'.includes(name.charAt(at));
  if (!good) throw invalid(`Invalid container name (${given}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
}

function checkNetworkMode({ Config: config, HostConfig: host }: CreateContainerRequest): void {
  const mode = host.NetworkMode;
  const conflicting = (what: string): never => {
    throw invalid(`conflicting options: ${what}`);
  };
  if (host.UTSMode === 'host' && config.Hostname !== '') conflicting('hostname and the UTS mode');
  const links = (host.Links ?? []).length > 0;
  if (mode === 'host' && links)
    conflicting("host type networking can't be used with links. This would result in undefined behavior");
  if (!mode.startsWith('container:')) return;
  if (mode === 'container:') throw invalid('invalid container format container:<name|id>');
  if (config.Hostname !== '') conflicting('hostname and the network mode');
  if (links) conflicting("container type network can't be used with links. This would result in undefined behavior");
  if (host.Dns.length > 0) conflicting('dns and the network mode');
  if ((host.ExtraHosts ?? []).length > 0) conflicting('custom host-to-IP mapping and the network mode');
  if (Object.keys(host.PortBindings).length > 0 || host.PublishAllPorts) {
    conflicting('port publishing and the container type network mode');
  }
  if (Object.keys(config.ExposedPorts ?? {}).length > 0) {
    conflicting('port exposing and the container type network mode');
  }
}

function checkMemory(host: HostConfig): void {
  const { Memory: memory, MemorySwap: swap, MemoryReservation: reservation, MemorySwappiness: swappiness } = host;
  if (memory !== 0 && memory < minimumMemory) throw invalid('Minimum memory limit allowed is 6MB');
  if (memory > 0 && swap > 0 && swap < memory) {
    throw invalid('Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  if (memory === 0 && swap > 0) {
    throw invalid('You should always set the Memory limit when using Memoryswap limit, see usage');
  }
  if (reservation !== 0 && reservation < minimumMemory) throw invalid('Minimum memory reservation allowed is 6MB');
  if (memory > 0 && reservation > memory) {
    throw invalid('Minimum memory limit can not be less than memory reservation limit, see usage');
  }
  if (swappiness !== null && (swappiness < 0 || swappiness > 100)) {
    throw invalid(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  }
  if (host.ShmSize < 0) throw invalid('SHM size can not be less than 0');
}

function checkCpu(host: HostConfig): void {
  const { NanoCpus: nanoCpus, CpuPeriod: period, CpuQuota: quota } = host;
  if (nanoCpus > 0 && period > 0) throw invalid('Conflicting options: Nano CPUs and CPU Period cannot both be set');
  if (nanoCpus > 0 && quota > 0) throw invalid('Conflicting options: Nano CPUs and CPU Quota cannot both be set');
  if (period !== 0 && (period < 1000 || period > 1_000_000)) {
    throw invalid('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  }
  if (quota > 0 && quota < 1000) throw invalid('CPU cfs quota can not be less than 1ms (i.e. 1000)');
  if (host.CpuShares < 0) throw invalid(`invalid CPU shares (${host.CpuShares}): value must be a positive integer`);
}

function checkRanges(host: HostConfig): void {
  const score = host.OomScoreAdj;
  if (score < -1000 || score > 1000) {
    throw invalid(`Invalid value ${score}, range for oom score adj is [-1000, 1000]`);
  }
  if (host.CgroupnsMode !== '' && host.CgroupnsMode !== 'private' && host.CgroupnsMode !== 'host') {
    throw invalid(`invalid cgroup namespace mode: ${host.CgroupnsMode as string}`);
  }
}

function checkRestartPolicy(host: HostConfig): void {
  const { Name: name, MaximumRetryCount: count } = host.RestartPolicy;
  const bad = (why: string): never => {
    throw invalid(`invalid restart policy: ${why}`);
  };
  switch (name) {
    case 'always':
    case 'unless-stopped':
    case 'no':
      if (count !== 0)
        bad(`maximum retry count can only be used with 'on-failure'${count < 0 ? ' and cannot be negative' : ''}`);
      break;
    case 'on-failure':
      if (count < 0) bad('maximum retry count cannot be negative');
      break;
    default:
      bad(`unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`);
  }
  if (host.AutoRemove && name !== 'no') throw invalid("can't create 'AutoRemove' container with restart policy");
}

function checkEnvironment(env: readonly string[]): void {
  for (const entry of env) {
    if (entry === '' || entry.startsWith('=')) throw invalid(`invalid environment variable: ${entry}`);
    if (entry.includes('\0')) throw invalid('invalid environment variable: it contains a NUL character');
  }
}

function checkHealth(health: HealthConfig): void {
  const atLeastOneMs = (name: string, value: number | undefined): void => {
    if (value !== undefined && value !== 0 && value < 1_000_000) {
      throw invalid(`${name} in Healthcheck cannot be less than 1ms`);
    }
  };
  atLeastOneMs('Interval', health.Interval);
  atLeastOneMs('Timeout', health.Timeout);
  atLeastOneMs('StartPeriod', health.StartPeriod);
  atLeastOneMs('StartInterval', health.StartInterval);
  if ((health.Retries ?? 0) < 0) throw invalid('Retries in Healthcheck cannot be negative');
}
