import type { HostFacts } from '../runtime/oci/host.ts';
import { defaultDomain } from '../spec/reference/reference.ts';
import type { EngineConfig } from './config.ts';
import { formatListenAddress } from './settings/listeners.ts';

/** Parts of `GET /info` that follow from configuration and host alone. */

/** Which limits this host can enforce. */
export function resourceSupport({ controllers, swapLimit, kernelMemoryTcp, cgroup }: HostFacts) {
  const cpu = controllers.has('cpu');
  return {
    MemoryLimit: controllers.has('memory'),
    SwapLimit: swapLimit,
    ...(kernelMemoryTcp ? { KernelMemoryTCP: true as const } : {}),
    CpuCfsPeriod: cpu,
    CpuCfsQuota: cpu,
    CPUShares: cpu,
    CPUSet: controllers.has('cpuset'),
    PidsLimit: controllers.has('pids'),
    OomKillDisable: cgroup !== 'v2',
  };
}

/** Where clients log in when they name no registry. */
export const indexServer = `https://index.${defaultDomain}/v1/`;

/** Networks of loopback registries, which are always insecure, before the operator's own. */
const ownNetworks = ['::1/128', '127.0.0.0/8'];

export function registryConfig({ insecure, mirrors }: EngineConfig['registry']): Readonly<Record<string, unknown>> {
  const isNetwork = (entry: string): boolean => entry.includes('/');
  const named = insecure.filter((entry) => !isNetwork(entry));
  const index = (Name: string, Mirrors: readonly string[], Official: boolean) =>
    [Name, { Name, Mirrors, Secure: Official, Official }] as const;
  return {
    InsecureRegistryCIDRs: [...new Set([...ownNetworks, ...insecure.filter(isNetwork)])],
    IndexConfigs: Object.fromEntries([
      index(defaultDomain, mirrors, true),
      ...named.map((name) => index(name, [], false)),
    ]),
    Mirrors: mirrors.length === 0 ? null : mirrors,
  };
}

/** A URL whose user and password are not shown; anything else as it is. */
export function maskCredentials(text: string): string {
  const scheme = text.indexOf('://');
  const from = scheme < 0 ? 0 : scheme + 3;
  const at = text.lastIndexOf('@');
  return at < from ? text : `${text.slice(0, from)}xxxxx:xxxxx${text.slice(at)}`;
}

export function securityOptions({ containers }: EngineConfig, facts: HostFacts, remapped: boolean): string[] {
  return [
    ...(facts.appArmor.active && facts.appArmor.defaultProfile !== undefined ? ['name=apparmor'] : []),
    `name=seccomp,profile=${containers.seccompProfile}`,
    ...(facts.cgroup === 'v2' ? ['name=cgroupns'] : []),
    ...(remapped ? ['name=userns'] : []),
    ...(containers.noNewPrivileges ? ['name=no-new-privileges'] : []),
  ];
}

export function warningsOf(
  config: EngineConfig,
  facts: HostFacts,
  {
    forwarding,
    unreadable,
    networks,
  }: { readonly forwarding: boolean; readonly unreadable: number; readonly networks: readonly string[] },
): string[] | null {
  const warnings = [
    ...plainTcpWarnings(config),
    ...(facts.controllers.has('memory') ? [] : ['WARNING: No memory limit support']),
    ...(facts.swapLimit ? [] : ['WARNING: No swap limit support']),
    ...(facts.controllers.has('cpu') ? [] : ['WARNING: No cpu cfs quota support']),
    ...(facts.controllers.has('pids') ? [] : ['WARNING: No pids limit support']),
    ...(forwarding ? [] : ['WARNING: IPv4 forwarding is disabled']),
    ...(facts.initPath === undefined ? ['WARNING: No init binary for --init was found'] : []),
    ...networks.map((warning) => `WARNING: ${warning}`),
    ...(unreadable === 0
      ? []
      : [`WARNING: ${unreadable} records could not be read, nothing is deleted: run 'gantry system check --repair'`]),
  ];
  return warnings.length === 0 ? null : warnings;
}

function plainTcpWarnings({ listen, tls }: EngineConfig): string[] {
  if (tls?.verify === true) return [];
  const what = tls === undefined ? 'without encryption' : 'without TLS client verification';
  return listen
    .filter(({ kind }) => kind === 'tcp')
    .map(
      (address) =>
        `WARNING: API is accessible on ${formatListenAddress(address)} ${what}.\n` +
        '         Access to the remote API is equivalent to root access on this host.',
    );
}

/** Docker's words for an engine that is in no swarm. */
export const noSwarm = {
  NodeID: '',
  NodeAddr: '',
  LocalNodeState: 'inactive',
  ControlAvailable: false,
  Error: '',
  RemoteManagers: null,
} as const;
