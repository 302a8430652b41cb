import { invalid } from '../../base/errors.ts';
import { signalNumber } from '../../base/text/signals.ts';
import type {
  ContainerConfig,
  CreateContainerRequest,
  HealthConfig,
  RestartPolicy,
} from '../../spec/engine/container.ts';
import { emptyContainerConfig } from '../../spec/engine/empty-config.ts';
import { healthSettings } from '../health/settings.ts';
import { parseExtraHost } from '../start/hosts.ts';
import type { BlockLimits } from '../../spec/contract/launch.ts';
import { wantedMounts } from './mounts.ts';
import { normalizeExposedPorts, normalizePortBindings } from './ports.ts';
import { validateSysctls } from './sysctls.ts';
import { validateNamespaces } from './_validate-namespaces.ts';
import { validateResources } from './validate-resources.ts';

/** What of the host decides whether a request is valid. */
export interface ValidationFacts {
  /** Online processors. */
  readonly cpus: number;
  /** Runtime names that the operator configured, `crun` and `runc` among them. */
  readonly runtimes: ReadonlySet<string>;
  /** Processors and memory nodes that exist, as in /sys/devices/system: `0-3`; undefined when unknown. */
  readonly onlineCpus: string | undefined;
  readonly onlineMems: string | undefined;
  /** Which limits of block devices the kernel has. */
  readonly blockLimits: BlockLimits;
}

/**
 * Checks everything of a create request that can be checked without looking at other objects: grammar, ranges and
 * contradictions, in Docker's words. Returns warnings for the answer. @throws invalid; not-implemented for settings of
 * Docker that this engine does not have yet.
 */
export function validateCreate(request: CreateContainerRequest, facts: ValidationFacts): string[] {
  const { Config: config, HostConfig: host } = request;
  const warnings: string[] = [];
  if (request.name !== undefined) validateName(request.name);
  validateConfig(config);
  if (host.AutoRemove && host.RestartPolicy.Name !== '' && host.RestartPolicy.Name !== 'no') {
    throw invalid("can't create 'AutoRemove' container with restart policy");
  }
  host.ExtraHosts?.forEach(parseExtraHost);
  normalizeExposedPorts(config.ExposedPorts);
  normalizePortBindings(host.PortBindings);
  validateRestartPolicy(host.RestartPolicy);
  validateNamespaces(config, host);
  validateSysctls(host);
  validateResources(host, facts, warnings);
  wantedMounts(config, host);
  validateDns(host.Dns);
  if (host.Umask !== undefined && host.Umask > 0o777) {
    throw invalid(`invalid Umask ${host.Umask}: the range is 0 to ${0o777} (0777 in octal)`);
  }
  if (Object.hasOwn(host.Annotations ?? {}, '')) {
    throw invalid('invalid Annotations: the empty string is not permitted as an annotation key');
  }
  if (host.NetworkMode === 'host' && Object.keys(host.PortBindings).length > 0) {
    warnings.push('Published ports are discarded when using host network mode');
  }
  validateRuntime(host.Runtime, facts);
  return warnings;
}

/** A container's name: two characters or more, beginning with a letter or digit. A leading `/` is allowed. */
export function validateName(name: string): void {
  const plain = name.startsWith('/') ? name.slice(1) : name;
  if (plain.length > 1024 || !/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(plain)) {
    throw invalid(`Invalid container name (${name.slice(0, 200)}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
  }
}

function validateConfig(config: ContainerConfig): void {
  const directory = config.WorkingDir;
  if (directory !== '' && (!directory.startsWith('/') || directory.includes('\0'))) {
    throw invalid(`the working directory '${directory.slice(0, 300)}' is invalid, it needs to be an absolute path`);
  }
  const signal = config.StopSignal;
  if (signal !== undefined && signal !== '' && signalNumber(signal) === undefined) {
    throw invalid(`invalid signal: ${signal.slice(0, 100)}`);
  }
  for (const variable of config.Env) {
    if (variable === '' || variable.startsWith('=') || variable.includes('\0')) {
      throw invalid(`invalid environment variable: ${variable.slice(0, 100)}`);
    }
  }
  for (const text of [...(config.Cmd ?? []), ...(config.Entrypoint ?? []), config.User]) {
    if (text.includes('\0')) throw invalid('arguments must not hold NUL bytes');
  }
  validateHostname(config.Hostname, 'hostname');
  validateHostname(config.Domainname, 'domainname');
  if (config.Healthcheck !== undefined) validateHealthcheck(config.Healthcheck);
}

/** The kernel takes at most 64 bytes (sethostname(2)), which reach files and the environment of the container. */
function validateHostname(name: string, field: string): void {
  if (name.length > 64) throw invalid(`${field} ${JSON.stringify(name.slice(0, 100))} is too long (maximum 64 bytes)`);
  if (name !== '' && (name.length > 64 || !/^[a-zA-Z0-9._-]+$/.test(name))) {
    throw invalid(`invalid ${field} format: ${JSON.stringify(name.slice(0, 100))}`);
  }
}

const healthDurations = ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const;

const healthKinds = ['NONE', 'CMD', 'CMD-SHELL', 'HTTP', 'TCP'];
const failureActions: readonly string[] = ['', 'none', 'kill', 'restart', 'stop'];

function validateHealthcheck(health: HealthConfig): void {
  for (const field of healthDurations) {
    const value = health[field];
    if (value !== undefined && value !== 0 && value < 1_000_000) {
      throw invalid(`${field} in Healthcheck cannot be less than 1ms`);
    }
  }
  if (health.Retries !== undefined && health.Retries < 0) throw invalid('Retries in Healthcheck cannot be negative');
  const kind = health.Test?.[0];
  if (kind !== undefined && kind !== '' && !healthKinds.includes(kind)) {
    const known = 'NONE, CMD, CMD-SHELL, HTTP or TCP';
    throw invalid(`unknown health check type ${JSON.stringify(kind.slice(0, 100))}: expected ${known}`);
  }
  if (!failureActions.includes(health.OnFailure ?? '')) {
    const shown = JSON.stringify(String(health.OnFailure).slice(0, 100));
    throw invalid(`invalid on-failure action of the health check ${shown}: expected none, kill, restart or stop`);
  }
  healthSettings({ ...emptyContainerConfig(), Healthcheck: health });
}

/** With the image's part in it. @throws invalid for an action that no check would ever cause. */
export function validateHealthOutcome(config: ContainerConfig): void {
  const settings = healthSettings(config);
  const action = config.Healthcheck?.OnFailure ?? '';
  if (action === '' || action === 'none' || settings !== undefined) return;
  throw invalid(`cannot set on-failure action to ${action} without a health check`);
}

function validateDns(servers: readonly string[]): void {
  for (const server of servers) {
    if (/^[0-9a-fA-F.:]{2,45}(%[a-zA-Z0-9._-]{1,32})?$/.test(server)) continue;
    const shown = server.slice(0, 100);
    throw invalid(`bad nameserver address ${shown}: ParseAddr(${JSON.stringify(shown)}): unable to parse IP`);
  }
}

/** Also used by `POST /containers/{id}/update`. @throws invalid in Docker's words. */
export function validateRestartPolicy(policy: RestartPolicy): void {
  const { Name: name, MaximumRetryCount: count } = policy;
  if (name === 'on-failure') {
    if (count < 0) throw invalid('invalid restart policy: maximum retry count cannot be negative');
    return;
  }
  if (name !== '' && name !== 'no' && name !== 'always' && name !== 'unless-stopped') {
    throw invalid(
      `invalid restart policy: unknown policy '${String(name).slice(0, 100)}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (count !== 0) {
    const negative = count < 0 ? ' and cannot be negative' : '';
    throw invalid(`invalid restart policy: maximum retry count can only be used with 'on-failure'${negative}`);
  }
}

function validateRuntime(runtime: string, facts: ValidationFacts): void {
  if (runtime !== '' && !facts.runtimes.has(runtime)) {
    throw invalid(`unknown or invalid runtime name: ${runtime.slice(0, 100)}`);
  }
}
