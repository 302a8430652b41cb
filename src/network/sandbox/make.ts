import { codeOf, EngineError, messageOf } from '../../base/errors.ts';
import { newEndpointId, randomHex64 } from '../../base/ids.ts';
import type { Scope } from '../../base/scope.ts';
import type { Sandbox, SandboxIdentity, SandboxRequest } from '../../spec/contract/network.ts';
import type { EndpointSettings, PortMap } from '../../spec/engine/container.ts';
import { closeNetNamespace } from '../../sys/namespace/net.ts';
import { openNamespace } from '../../sys/netlink/cable.ts';
import { formatAddress, type Prefix, contains } from '../../base/address.ts';
import { namespaceSysctls } from '../bridge/network.ts';
import { closeNameSockets, type NameSockets } from '../../sys/socket/name-sockets.ts';
import type { AddressedNetwork, Lease } from '../driver.ts';
import type { ContainerNames } from '../resolver/names.ts';
import { formatMac } from '../mac.ts';
import { type ContainerPort, portMapOf } from '../ports/binding.ts';
import type { Publication } from '../firewall/elements.ts';
import { chooseGateways, type HeldEndpoint, routesOf } from './held.ts';
import { emptyEndpoint, type EndpointPlan } from './plan.ts';

/** A planned endpoint on the network as it is. */
export interface LiveEndpointPlan extends EndpointPlan {
  readonly live: AddressedNetwork;
}

/** An endpoint with its reserved place. */
export interface LeasedEndpoint {
  readonly plan: LiveEndpointPlan;
  readonly lease: Lease;
  readonly held: HeldEndpoint;
  readonly settings: EndpointSettings;
}

/** Errors of taking a place on a network in Docker's words. */
export async function explained<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    throw new EngineError(error.code, `failed to set up container networking: ${error.message}`, { cause: error });
  }
}

/** The endpoint of a lease under a name of its interface. */
export function leasedEndpoint(
  plan: LiveEndpointPlan,
  lease: Lease,
  interfaceName: string,
  identity: SandboxIdentity,
): LeasedEndpoint {
  const held: HeldEndpoint = {
    networkId: plan.network.id,
    networkName: plan.network.name,
    network: plan.live,
    interfaceName,
    held: { addresses: lease.addresses, hostName: lease.hostName },
    priority: plan.settings?.GwPriority ?? 0,
  };
  return { plan, lease, held, settings: settingsOf(plan, lease, identity) };
}

function settingsOf(plan: LiveEndpointPlan, lease: Lease, identity: SandboxIdentity): EndpointSettings {
  const { network, settings, live } = plan;
  const { [4]: ipv4, [6]: ipv6 } = lease.addresses;
  const lengthOf = (address: Parameters<typeof contains>[1]): number =>
    live.subnets.find((subnet: Prefix) => contains(subnet, address))?.length ?? 0;
  const gateway = (family: 4 | 6): string => {
    const address = lease.addresses[family] === undefined ? undefined : live.gateways[family];
    return address === undefined ? '' : formatAddress(address);
  };
  return {
    ...emptyEndpoint(network, newEndpointId()),
    ...wishesOf(settings),
    MacAddress: lease.mac === undefined ? '' : formatMac(lease.mac),
    Gateway: gateway(4),
    IPAddress: ipv4 === undefined ? '' : formatAddress(ipv4),
    IPPrefixLen: ipv4 === undefined ? 0 : lengthOf(ipv4),
    IPv6Gateway: gateway(6),
    GlobalIPv6Address: ipv6 === undefined ? '' : formatAddress(ipv6),
    GlobalIPv6PrefixLen: ipv6 === undefined ? 0 : lengthOf(ipv6),
    DNSNames: live.hasNames ? dnsNames(identity, settings?.Aliases ?? []) : null,
  };
}

function wishesOf(settings: EndpointSettings | undefined): Partial<EndpointSettings> {
  if (settings === undefined) return {};
  const { IPAMConfig, Links, Aliases, DriverOpts, GwPriority } = settings;
  return { IPAMConfig, Links, Aliases, DriverOpts, GwPriority };
}

/** What other containers of a user-defined network know a container by; the first one is its name for them. */
export const dnsNames = (
  { containerId, containerName, hostname }: SandboxIdentity,
  aliases: readonly string[],
): string[] =>
  [...new Set([containerName, ...aliases, containerId.slice(0, 12), hostname])].filter((name) => name !== '');

/** What `plugIn` made; the caller closes the descriptor. */
export interface PluggedIn {
  readonly namespace: number;
  /** For a name server, where one of the networks has names. */
  readonly nameSockets: NameSockets | undefined;
  readonly endpoints: readonly LeasedEndpoint[];
}

/**
 * A namespace with all endpoints in it: one that was kept ready where nothing is wished for, else a new one. `scope` takes
 * everything back.
 */
export async function plugIn(
  request: SandboxRequest,
  plans: readonly LiveEndpointPlan[],
  names: ContainerNames | undefined,
  scope: Scope,
): Promise<PluggedIn> {
  const [first] = plans;
  if (first !== undefined && plans.length === 1 && isReadyMade(first, request)) {
    const { live } = first;
    const ready = await scope.acquire(explained(live.ready?.() ?? Promise.reject(new Error('none is kept'))), (made) =>
      live.discard?.(made),
    );
    const endpoints = [leasedEndpoint(first, ready.lease, 'eth0', request)];
    await limitBandwidth(endpoints);
    return {
      namespace: ready.namespace,
      nameSockets: await socketsFor(ready.namespace, endpoints, names, scope),
      endpoints,
    };
  }
  const endpoints: LeasedEndpoint[] = [];
  const taken = new Set<string>();
  for (const plan of plans) {
    const lease = await scope.acquire(explained(plan.live.lease(plan.wish)), (made) => plan.live.retire(made));
    const name = plan.wish.interfaceName ?? freeName(plan.live.interfacePrefix, taken);
    taken.add(name);
    endpoints.push(leasedEndpoint(plan, lease, name, request));
  }
  const routes = routesOf(chooseGateways(endpoints.map(({ held }) => held)));
  const links = endpoints.map(({ lease, held }) => lease.link(held.interfaceName));
  const made = openNamespace({ sysctls: namespaceSysctls, links, routes, namespace: request.networkNamespace });
  const opened = await scope.acquire(configured(made), closeNetNamespace);
  await limitBandwidth(endpoints);
  return { namespace: opened, nameSockets: await socketsFor(opened, endpoints, names, scope), endpoints };
}

async function socketsFor(
  namespace: number,
  endpoints: readonly LeasedEndpoint[],
  names: ContainerNames | undefined,
  scope: Scope,
): Promise<NameSockets | undefined> {
  if (names === undefined || endpoints.every(({ settings }) => settings.DNSNames === null)) return undefined;
  return scope.acquire(names.openSockets(namespace), closeNameSockets);
}

/** Before a packet of the container's passes. @throws EngineError `unavailable` */
export async function limitBandwidth(endpoints: readonly LeasedEndpoint[]): Promise<void> {
  for (const { plan, lease } of endpoints) {
    if (lease.hostName !== undefined) await plan.live.rates?.limit(lease.hostName, plan.wish.rates);
  }
}

/** A namespace of a bridge that keeps some. */
function isReadyMade({ wish, live }: LiveEndpointPlan, request: SandboxRequest): boolean {
  return (
    live.ready !== undefined &&
    request.networkNamespace === undefined &&
    wish.mac === undefined &&
    wish.interfaceName === undefined &&
    wish.sysctls.length === 0 &&
    wish.linkLocal.length === 0 &&
    Object.keys(wish.addresses).length === 0
  );
}

/** What the kernel refuses is mostly a wish of the container's: a sysctl, a name. */
export async function configured<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const code = codeOf(error) === 'internal' ? 'invalid' : codeOf(error);
    throw new EngineError(code, `failed to set up container networking: ${messageOf(error)}`, { cause: error });
  }
}

/** The first of `eth0`, `eth1`, ... that is free. */
export function freeName(prefix: string, taken: ReadonlySet<string>): string {
  for (let number = 0; ; number++) if (!taken.has(`${prefix}${number}`)) return `${prefix}${number}`;
}

/** A container's network as it is stored and shown. */
export function sandboxOf(
  endpoints: readonly LeasedEndpoint[],
  ports: {
    readonly exposed: readonly ContainerPort[];
    readonly published: readonly Publication[];
    readonly shown: boolean;
  },
  links: SandboxRequest['links'],
): Sandbox {
  return {
    sandboxId: randomHex64(),
    mode: 'private',
    ...(links === undefined ? {} : { links }),
    endpoints: Object.fromEntries(endpoints.map(({ held, settings }) => [held.networkName, settings])),
    ports: ports.shown ? portMapOf(ports.exposed, ports.published) : noPorts,
    hostInterfaces: endpoints.flatMap(({ held }) => held.held.hostName ?? []),
    interfaces: Object.fromEntries(endpoints.map(({ held }) => [held.networkName, interfaceOf(held)])),
    hasNameServer: endpoints.some(({ settings }) => settings.DNSNames !== null),
  };
}

export const noPorts: PortMap = {};

export const interfaceOf = ({ held, interfaceName }: HeldEndpoint) => ({
  ...(held.hostName === undefined ? {} : { host: held.hostName }),
  inside: interfaceName,
});
