import type { InfoView } from '../../spec/engine/system.ts';

/** Minor API versions that took a field out, or brought one. */
const plainSecurityOptionsUntil = 25;
const kernelMemoryUntil = 42;
const foreignLayersUntil = 47;
const commitsExpectedUntil = 49;
const firewallSince = 49;
const bridgeFilterUntil = 50;

/**
 * The engine as clients of API 1.`minor` know it. What the fields of old said, this engine does not do: it limits no
 * kernel memory, never calls iptables, and treats no registry's foreign layers apart.
 */
export function infoView(info: InfoView, minor: number): unknown {
  if (minor >= bridgeFilterUntil) return info;
  const { FirewallBackend, SecurityOptions, RegistryConfig, ...common } = info;
  const foreignLayers = { AllowNondistributableArtifactsCIDRs: null, AllowNondistributableArtifactsHostnames: null };
  return {
    ...common,
    ...(minor < kernelMemoryUntil ? { KernelMemory: false } : {}),
    BridgeNfIptables: false,
    BridgeNfIp6tables: false,
    RegistryConfig: minor < foreignLayersUntil ? { ...RegistryConfig, ...foreignLayers } : RegistryConfig,
    SecurityOptions: minor < plainSecurityOptionsUntil ? SecurityOptions.map(plainName) : SecurityOptions,
    ...(minor < commitsExpectedUntil ? expectedCommits(info) : {}),
    ...(minor < firewallSince ? {} : { FirewallBackend }),
  };
}

/** `name=seccomp,profile=builtin` was just `seccomp`. */
const plainName = (option: string): string => (option.split(',')[0] ?? '').replace('name=', '');

/** Docker once named the version of each program that it was made for; it was always the one that was there. */
function expectedCommits({ RuncCommit, InitCommit }: InfoView) {
  return {
    RuncCommit: { ...RuncCommit, Expected: RuncCommit.ID },
    InitCommit: { ...InitCommit, Expected: InitCommit.ID },
  };
}
