import { invalid } from '../../base/errors.ts';
import type { ContainerConfig, HealthConfig } from '../../spec/engine/container.ts';
import type { ImageRunConfig } from '../../spec/oci/image.ts';
import { normalizeExposedPorts } from './ports.ts';

type Keys = Record<string, Record<string, never>>;

/**
 * What a container runs: the request, and where it says nothing, the image. Docker's rules: an own entrypoint drops the
 * image's command too; an entrypoint of one empty string drops the image's entrypoint; variables and labels are joined
 * by name, ports and volumes as sets, a health check field by field.
 * @throws invalid `no command specified` when there is nothing to run.
 */
export function mergeImageConfig(wanted: ContainerConfig, image: ImageRunConfig): ContainerConfig {
  const { Entrypoint, Cmd } = mergeCommand(wanted, image);
  const ports = union(normalizeExposedPorts(wanted.ExposedPorts), withProtocol(image.ExposedPorts));
  const stopSignal = wanted.StopSignal || image.StopSignal;
  const healthcheck = mergeHealthcheck(wanted.Healthcheck, image.Healthcheck);
  const volumes = union(wanted.Volumes, image.Volumes);
  return {
    ...wanted,
    User: wanted.User || image.User || '',
    WorkingDir: wanted.WorkingDir || image.WorkingDir || '',
    Entrypoint,
    Cmd,
    Env: mergeEnv(wanted.Env, image.Env ?? []),
    Labels: joinLabels(wanted.Labels, image.Labels),
    Volumes: Object.keys(volumes).length > 0 ? volumes : wanted.Volumes,
    ...(Object.keys(ports).length > 0 ? { ExposedPorts: ports } : {}),
    ...(stopSignal === undefined || stopSignal === '' ? {} : { StopSignal: stopSignal }),
    ...(healthcheck === undefined ? {} : { Healthcheck: healthcheck }),
    ...(wanted.Shell === undefined && image.Shell !== undefined ? { Shell: [...image.Shell] } : {}),
    ...(wanted.OnBuild === undefined && image.OnBuild !== undefined ? { OnBuild: [...image.OnBuild] } : {}),
  };
}

function mergeCommand(wanted: ContainerConfig, image: ImageRunConfig): Pick<ContainerConfig, 'Entrypoint' | 'Cmd'> {
  let entrypoint = wanted.Entrypoint;
  let command = wanted.Cmd ?? null;
  if (entrypoint === null || entrypoint.length === 0) {
    if (command === null || command.length === 0) command = image.Cmd === undefined ? null : [...image.Cmd];
    if (entrypoint === null) entrypoint = image.Entrypoint === undefined ? null : [...image.Entrypoint];
  }
  if (entrypoint !== null && entrypoint.length === 1 && entrypoint[0] === '') entrypoint = null;
  if ((entrypoint?.length ?? 0) === 0 && (command?.length ?? 0) === 0) throw invalid('no command specified');
  return { Entrypoint: entrypoint, Cmd: command };
}

/** The name of a variable: everything before the first `=`. */
const nameOf = (variable: string): string => {
  const equals = variable.indexOf('=');
  return equals < 0 ? variable : variable.slice(0, equals);
};

/** The wanted variables, then those of the image that were not named. */
function mergeEnv(wanted: readonly string[], image: readonly string[]): string[] {
  const named = new Set(wanted.map(nameOf));
  return [...wanted, ...image.filter((variable) => !named.has(nameOf(variable)))];
}

function union(wanted: object | null | undefined, image: object | undefined): Keys {
  const keys: Keys = Object.create(null);
  for (const key of [...Object.keys(wanted ?? {}), ...Object.keys(image ?? {})]) keys[key] = {};
  return keys;
}

/** A port without a protocol is one of TCP. */
const withProtocol = (ports: object | undefined): Keys =>
  Object.fromEntries(Object.keys(ports ?? {}).map((port) => [port.includes('/') ? port : `${port}/tcp`, {}]));

function joinLabels(
  wanted: Readonly<Record<string, string>>,
  image: Readonly<Record<string, string>> | undefined,
): Record<string, string> {
  const labels: Record<string, string> = Object.create(null);
  for (const [key, value] of [...Object.entries(image ?? {}), ...Object.entries(wanted)]) labels[key] = value;
  return labels;
}

/** Zero and empty mean "as the image says", also in a check that the request names itself. */
function mergeHealthcheck(
  wanted: HealthConfig | undefined,
  image: Readonly<Record<string, unknown>> | undefined,
): HealthConfig | undefined {
  const inherited = image === undefined ? undefined : healthOfImage(image);
  if (wanted === undefined || inherited === undefined) return wanted ?? inherited;
  const merged: HealthConfig = { ...inherited, ...definedOnly(wanted) };
  return merged;
}

const durations = ['Interval', 'Timeout', 'StartPeriod', 'StartInterval', 'Retries'] as const;

function healthOfImage(image: Readonly<Record<string, unknown>>): HealthConfig {
  const health: HealthConfig = {};
  if (Array.isArray(image['Test'])) health.Test = image['Test'].filter((part) => typeof part === 'string');
  for (const field of durations) {
    const value = image[field];
    if (typeof value === 'number') health[field] = value;
  }
  return health;
}

function definedOnly(wanted: HealthConfig): HealthConfig {
  const health: HealthConfig = {};
  if (wanted.Test !== undefined && wanted.Test.length > 0) health.Test = wanted.Test;
  for (const field of durations) {
    const value = wanted[field];
    if (value !== undefined && value !== 0) health[field] = value;
  }
  if (wanted.OnFailure !== undefined && wanted.OnFailure !== '') health.OnFailure = wanted.OnFailure;
  return health;
}
