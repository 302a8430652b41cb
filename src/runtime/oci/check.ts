import type { HostConfig } from '../../spec/engine/container.ts';
import { appArmorProfile } from '../profile/apparmor.ts';
import { resolveCapabilities } from '../profile/capabilities.ts';
import { parseDeviceRule } from '../profile/devices.ts';
import { seccompFilter } from '../profile/seccomp/filter.ts';
import { parseSecurityOptions } from '../profile/security-options.ts';
import { defaultFilter } from './default-filter.ts';
import type { HostFacts } from './host.ts';
import { oomScore, processLimits } from './limits.ts';
import { containerResources } from './resources.ts';
import { cgroupPath, coveredPaths } from './spec.ts';

/**
 * What building a spec would say about host settings, for use at create, long before anything is built: a typing error
 * in a security option must not wait for the start. Devices are not looked at: they may come later.
 * Returns warnings for the answer. @throws invalid in Docker's words.
 */
export async function checkHostConfig(config: HostConfig, host: HostFacts): Promise<string[]> {
  const warnings: string[] = [];
  const security = parseSecurityOptions(config.SecurityOpt);
  const request = { privileged: config.Privileged, add: config.CapAdd, drop: config.CapDrop };
  const capabilities = resolveCapabilities(request, host.capabilities);
  appArmorProfile(security.appArmor, config.Privileged, host.appArmor);
  seccompFilter(security.seccomp ?? defaultFilter(config.Privileged, host), config.Privileged, {
    arch: host.arch,
    kernel: host.kernel,
    capabilities,
  });
  for (const rule of config.DeviceCgroupRules ?? []) parseDeviceRule(rule);
  processLimits(config.Ulimits, host, warnings);
  oomScore(config, host, warnings);
  cgroupPath(config.CgroupParent, 'container', host);
  coveredPaths(config, host);
  await containerResources(config, host, warnings);
  return warnings;
}
