import { invalid, notFound } from '../../base/errors.ts';
import type { SandboxRequest } from '../../spec/contract/network.ts';
import type { EndpointSettings } from '../../spec/engine/container.ts';
import { parseMac } from '../ipv4.ts';
import { planPorts, type PortPlan } from '../ports/binding.ts';
import type { NetworkRecord } from '../record.ts';

/** What a container's network comes to; nothing was made yet. */
export type SandboxPlan =
  /** The host's own namespace. */
  | { readonly kind: 'host'; readonly network: NetworkRecord }
  /** A namespace with a loopback and nothing else. */
  | { readonly kind: 'none'; readonly network: NetworkRecord }
  | {
      readonly kind: 'bridge';
      readonly network: NetworkRecord;
      readonly ports: PortPlan;
      /** The wanted hardware address; undefined for one derived from the IPv4 address. */
      readonly mac: Uint8Array | undefined;
    };

type Wish = Omit<SandboxRequest, 'containerId' | 'containerName' | 'hostname'>;

/**
 * Checks everything that a container wants of the network. @throws EngineError `not-found` for an unknown network,
 * `invalid` for everything that contradicts itself or is malformed, in Docker's words.
 */
export function planSandbox(
  wish: Wish,
  find: (nameOrId: string) => NetworkRecord | undefined,
  abilities: { ipv6Ports: boolean; hostIp?: string | undefined },
): SandboxPlan {
  const lookUp = (nameOrId: string): NetworkRecord => {
    const found = find(nameOrId === 'default' || nameOrId === '' ? 'bridge' : nameOrId);
    if (found === undefined) {
      throw notFound(`failed to set up container networking: network ${nameOrId} not found`);
    }
    return found;
  };
  const network = lookUp(wish.networkMode);
  let settings: EndpointSettings | undefined;
  for (const [name, endpoint] of Object.entries(wish.endpoints)) {
    const other = lookUp(name);
    if (other.id !== network.id) {
      throw invalid(`container cannot be connected to network endpoints: ${network.name}, ${other.name}`);
    }
    settings = endpoint;
  }
  checkSysctls(wish.sysctls, network.driver === 'host');
  if (network.driver === 'host') return { kind: 'host', network };
  if (network.driver === 'null') return { kind: 'none', network };
  const mac = settings === undefined ? undefined : checkEndpoint(settings);
  return { kind: 'bridge', network, ports: planPorts(wish, abilities.ipv6Ports, abilities.hostIp), mac };
}

/** What the default network refuses. Gives the wanted hardware address. */
function checkEndpoint(settings: EndpointSettings): Uint8Array | undefined {
  const { IPv4Address = '', IPv6Address = '' } = settings.IPAMConfig ?? {};
  if (IPv4Address !== '' || IPv6Address !== '') {
    throw invalid('user specified IP address is supported on user defined networks only');
  }
  if ((settings.Aliases ?? []).length > 0) {
    throw invalid('network-scoped aliases are only supported for user-defined networks');
  }
  const text = settings.MacAddress;
  if (text === '' || text === undefined) return undefined;
  const mac = parseMac(text);
  // The lowest bit of the first byte marks group addresses, which no interface may have.
  if (mac === undefined || ((mac[0] ?? 0) & 1) !== 0) {
    throw invalid(`${text.slice(0, 60)} is not a valid mac address`);
  }
  return mac;
}

const sysctlCharacters = /^[A-Za-z0-9_.\-/]+$/;

function checkSysctls(sysctls: Readonly<Record<string, string>>, isHost: boolean): void {
  for (const name of Object.keys(sysctls)) {
    if (isHost) throw invalid(`sysctl ${JSON.stringify(name)} not allowed in host network namespace`);
    const parts = name.replaceAll('/', '.').split('.');
    if (parts[0] !== 'net' || parts.length < 2 || parts.includes('') || !sysctlCharacters.test(name)) {
      throw invalid(`sysctl ${JSON.stringify(name.slice(0, 100))} is not in a separate kernel namespace`);
    }
  }
}

/** An endpoint with nothing in it but its identity: what `host` and `none` have. */
export const emptyEndpoint = (network: NetworkRecord, endpointId: string): EndpointSettings => ({
  IPAMConfig: null,
  Links: null,
  Aliases: null,
  MacAddress: '',
  DriverOpts: null,
  GwPriority: 0,
  NetworkID: network.id,
  EndpointID: endpointId,
  Gateway: '',
  IPAddress: '',
  IPPrefixLen: 0,
  IPv6Gateway: '',
  GlobalIPv6Address: '',
  GlobalIPv6PrefixLen: 0,
  DNSNames: null,
});
