import { readFile } from 'node:fs/promises';
import { invalid, messageOf } from '../base/errors.ts';
import type { ContainerDefaults } from '../container/ports.ts';
import type { NetworkConfig } from '../network/config.ts';
import { parsePrefix } from '../base/address.ts';
import { readHostFacts } from '../runtime/oci/facts.ts';
import type { HostFacts } from '../runtime/oci/host.ts';
import type { SeccompChoice } from '../runtime/profile/security-options.ts';
import type { EngineConfig } from './config.ts';

/** The configuration in each room's own words. */

/** @throws EngineError `invalid` for a seccomp profile that cannot be read */
export async function hostFactsFor({ names, containers }: EngineConfig): Promise<HostFacts> {
  const { noNewPrivileges, initPath, seccompProfile } = containers;
  return readHostFacts({
    cgroupParent: names.cgroupParent,
    initPath,
    defaults: { noNewPrivileges, pidsLimit: undefined, seccomp: await seccompDefault(seccompProfile) },
  });
}

async function seccompDefault(profile: string): Promise<SeccompChoice | undefined> {
  if (profile === 'builtin') return undefined;
  if (profile === 'unconfined') return { kind: 'unconfined' };
  try {
    return { kind: 'profile', json: await readFile(profile, 'utf8') };
  } catch (error) {
    throw invalid(`opening seccomp profile (${profile}) failed: ${messageOf(error)}`, error);
  }
}

const defaultShmSize = 64 * 1024 * 1024;

export function defaultsOf({ containers, network }: EngineConfig, facts: HostFacts): ContainerDefaults {
  return {
    networkMode: network.hasBridge ? 'bridge' : 'none',
    shmSize: containers.shmSize ?? defaultShmSize,
    ipcMode: containers.ipcMode,
    cgroupnsMode: containers.cgroupnsMode ?? (facts.cgroup === 'v2' ? 'private' : 'host'),
    init: containers.init,
    ulimits: [...containers.ulimits],
    hostGateways: network.hostGatewayIps,
  };
}

/** @throws EngineError `invalid` for a malformed address pool */
export function networkConfig({ names, execRoot, network }: EngineConfig, engineId: string): NetworkConfig {
  const spaces = network.addressPools.map(({ base, size }) => {
    const prefix = parsePrefix(base);
    if (prefix === undefined) throw invalid(`invalid base pool ${JSON.stringify(base)}`);
    return { base: prefix, length: size };
  });
  return {
    bridgeName: names.bridge,
    tableName: names.nftTable,
    interfacePrefix: names.interfacePrefix,
    networkPrefix: names.networkPrefix,
    seed: engineId,
    resolverSocket: `${execRoot}/resolver.sock`,
    hasBridge: network.hasBridge,
    masquerade: network.ipMasq,
    forwarding: network.ipForward,
    talking: network.icc,
    ipv6: network.ipv6,
    defaultOptions: network.defaultOptions,
    bridgeNames: network.bridgeNames,
    ...(network.namesListen === undefined ? {} : { namesListen: network.namesListen }),
    resolver: { dns: network.dns, search: network.dnsSearch, options: network.dnsOptions },
    ...(spaces.length > 0 ? { addressSpaces: spaces } : {}),
    ...(network.bip === undefined ? {} : { bridgeAddress: network.bip }),
    ...(network.fixedCidr === undefined ? {} : { bridgeRange: network.fixedCidr }),
    ...(network.bip6 === undefined ? {} : { bridgeAddress6: network.bip6 }),
    ...(network.fixedCidrV6 === undefined ? {} : { bridgeSubnet6: network.fixedCidrV6 }),
    ...(network.mtu === undefined ? {} : { mtu: network.mtu }),
    ...(network.acceptMark === undefined ? {} : { acceptMark: network.acceptMark }),
    directRouting: network.directRouting,
    ports: {
      bridgeIp: network.hostIp,
      hostIps: network.publishAddresses,
      hostRules: network.publishHostRules,
    },
  };
}
