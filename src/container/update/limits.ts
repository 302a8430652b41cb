import { conflict } from '../../base/errors.ts';
import type { HostConfig } from '../../spec/engine/container.ts';
import { emptyHostConfig } from '../../spec/engine/empty-config.ts';
import { changeableLimits, type ContainerLimits, type UpdateContainerRequest } from '../../spec/engine/update.ts';
import { validateMemory, validateResources } from '../create/validate-resources.ts';
import { validateRestartPolicy, type ValidationFacts } from '../create/validate.ts';

/** Everything that can be checked of an update without its container: as at create. @throws invalid in Docker's words. */
export function validateUpdate(request: UpdateContainerRequest, facts: ValidationFacts): string[] {
  const warnings: string[] = [];
  const alone = limitsAlone(request.limits);
  // How much swap belongs to which memory is seen when both are known.
  const swap = alone.Memory === 0 && alone.MemorySwap > 0 ? 0 : alone.MemorySwap;
  validateResources({ ...alone, MemorySwap: swap }, facts, warnings);
  validateRestartPolicy(request.restartPolicy);
  return warnings;
}

/** Settings that say nothing but these limits. */
export const limitsAlone = (limits: ContainerLimits): HostConfig => ({ ...emptyHostConfig(), ...limits });

const isGiven = (value: unknown): boolean =>
  Array.isArray(value) ? value.length > 0 : value !== null && value !== '' && value !== 0;

/**
 * The settings with the wanted limits and restart policy in them. Lists of devices are replaced whole.
 * @throws conflict in Docker's words when they contradict what is set already; invalid for memory and swap that do not
 * go together.
 */
export function mergeLimits(current: HostConfig, { limits, restartPolicy }: UpdateContainerRequest): HostConfig {
  checkCpuConflicts(current, limits);
  if (
    limits.Memory !== 0 &&
    limits.MemorySwap === 0 &&
    limits.Memory > current.MemorySwap &&
    current.MemorySwap !== -1
  ) {
    throw conflict(
      'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
    );
  }
  if (restartPolicy.Name !== '' && restartPolicy.Name !== 'no' && current.AutoRemove) {
    throw conflict('Restart policy cannot be updated because AutoRemove is enabled for the container');
  }
  const merged: HostConfig = { ...current };
  const changes: Partial<Record<keyof HostConfig, unknown>> = {};
  for (const name of changeableLimits) {
    if (name === 'PidsLimit' ? limits.PidsLimit !== null : isGiven(limits[name])) changes[name] = limits[name];
  }
  if (restartPolicy.Name !== '') changes.RestartPolicy = restartPolicy;
  Object.assign(merged, changes);
  if (limits.Memory !== 0 || limits.MemorySwap !== 0 || limits.MemoryReservation !== 0) validateMemory(merged, []);
  return merged;
}

/** A number of processors is a quota in other words: once one is set, the other is refused. */
function checkCpuConflicts(current: HostConfig, wanted: ContainerLimits): void {
  const refuse = (what: string, set: string): never => {
    throw conflict(`Conflicting options: ${what} cannot be updated as ${set} has already been set`);
  };
  if (wanted.NanoCpus > 0 && current.CpuPeriod > 0) refuse('Nano CPUs', 'CPU Period');
  if (wanted.NanoCpus > 0 && current.CpuQuota > 0) refuse('Nano CPUs', 'CPU Quota');
  if (wanted.CpuPeriod > 0 && current.NanoCpus > 0) refuse('CPU Period', 'NanoCPUs');
  if (wanted.CpuQuota > 0 && current.NanoCpus > 0) refuse('CPU Quota', 'NanoCPUs');
}
