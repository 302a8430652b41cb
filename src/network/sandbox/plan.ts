import { codeOf, EngineError, invalid, messageOf, notFound } from '../../base/errors.ts';
import type { SandboxRequest } from '../../spec/contract/network.ts';
import type { EndpointSettings } from '../../spec/engine/container.ts';
import { emptyEndpointSettings } from '../../spec/engine/empty-config.ts';
import type { EndpointWish } from '../driver.ts';
import { planPorts, type PortPlan } from '../ports/binding.ts';
import { portDefaults, type PublishDefaults } from '../ports/defaults.ts';
import { rateOptions } from '../../spec/engine/network.ts';
import type { NetworkRecord } from '../record.ts';
import { noWish, readEndpoint } from './endpoint.ts';

/** One endpoint of a container. */
export interface EndpointPlan {
  readonly network: NetworkRecord;
  /** What was asked for; undefined for nothing at all. */
  readonly settings: EndpointSettings | undefined;
  readonly wish: EndpointWish;
}

/** What a container's network comes to; nothing was made yet. */
export type SandboxPlan =
  /** The host's own namespace. */
  | { readonly kind: 'host'; readonly network: NetworkRecord }
  /** A namespace with a loopback and nothing else. */
  | { readonly kind: 'none'; readonly network: NetworkRecord }
  /** A namespace with an interface for each endpoint, `eth0` first; there may be none. */
  | { readonly kind: 'networks'; readonly endpoints: readonly EndpointPlan[]; readonly ports: PortPlan };

type Wish = Omit<SandboxRequest, 'containerId' | 'containerName' | 'hostname' | 'resolver'>;

/** What planning has to know of the engine. */
export interface PlanSurroundings {
  readonly find: (nameOrId: string) => NetworkRecord | undefined;
  /** The proxy process serves IPv6 clients of published ports. */
  readonly proxy: boolean;
  /** What published ports have that do not say. */
  readonly ports?: PublishDefaults | undefined;
}

/**
 * Checks everything that a container wants of the network. @throws EngineError `not-found` for an unknown network,
 * `invalid` for everything that contradicts itself or is malformed, in Docker's words.
 */
export function planSandbox(wish: Wish, around: PlanSurroundings): SandboxPlan {
  const entries = mainFirst(wish, around).map(([name, settings]) => ({ network: lookUp(name, around), settings }));
  const alone = entries.find(({ network }) => network.driver === 'host' || isNone(network));
  checkSysctls(wish.sysctls, alone?.network.driver === 'host');
  if (alone !== undefined) {
    checkAlone(alone.network, wish.networkMode, entries.length);
    checkNoRates(alone.network, alone.settings);
    return { kind: alone.network.driver === 'host' ? 'host' : 'none', network: alone.network };
  }
  const endpoints = entries.map(({ network, settings }) => planEndpoint(network, settings));
  return { kind: 'networks', endpoints, ports: planPortsOn(endpoints, wish, around) };
}

/** One endpoint more, on a network that containers can be connected to. @throws EngineError `invalid` */
export function planEndpoint(network: NetworkRecord, settings: EndpointSettings | undefined): EndpointPlan {
  if (network.definition?.configOnly === true) {
    throw new EngineError('forbidden', 'cannot create endpoint on configuration-only network');
  }
  if (settings === undefined) return { network, settings, wish: noWish };
  try {
    return { network, settings, wish: readEndpoint(network, settings) };
  } catch (error) {
    throw new EngineError(codeOf(error), `invalid config for network ${network.name}: ${messageOf(error)}`);
  }
}

/** The ports of a container with these endpoints. @throws EngineError `invalid` */
export function planPortsOn(endpoints: readonly EndpointPlan[], wish: Wish, around: PlanSurroundings): PortPlan {
  const ipv6Targets = endpoints.some(
    ({ network }) => network.definition?.ipv6 === true || network.subnet6 !== undefined,
  );
  const networks = endpoints.map(({ network }) => network);
  return planPorts(wish, { proxy: around.proxy, ipv6Targets }, portDefaults(networks, around.ports ?? {}));
}

/** Names with their settings, the mode's own network first. */
function mainFirst(
  wish: Wish,
  { find }: PlanSurroundings,
): (readonly [name: string, settings: EndpointSettings | undefined])[] {
  const given = Object.entries(wish.endpoints);
  if (given.length === 0) return wish.detached === true ? [] : [[wish.networkMode, undefined]];
  if (given.length === 1) return given;
  const main = find(wish.networkMode)?.id;
  const isMain = (name: string): boolean =>
    name === wish.networkMode || (main !== undefined && find(name)?.id === main);
  return [...given.filter(([name]) => isMain(name)), ...given.filter(([name]) => !isMain(name))];
}

function lookUp(name: string, { find }: PlanSurroundings): NetworkRecord {
  const found = find(name === 'default' || name === '' ? 'bridge' : name);
  if (found === undefined) throw notFound(`failed to set up container networking: network ${name} not found`);
  return found;
}

const isNone = (network: NetworkRecord): boolean => network.driver === 'null' && network.definition === undefined;

function checkAlone(network: NetworkRecord, mode: string, count: number): void {
  if (network.driver === 'host' && mode !== 'host' && mode !== network.id) {
    throw invalid('cannot connect container to host network - container must be created in host network mode');
  }
  if (count === 1) return;
  throw invalid(
    network.driver === 'host'
      ? 'container sharing network namespace with another container or host cannot be connected to any other network'
      : 'container cannot be connected to multiple networks with one of the networks in private (none) mode',
  );
}

function checkNoRates(network: NetworkRecord, settings: EndpointSettings | undefined): void {
  const given = Object.values(rateOptions).find((name) => Object.hasOwn(settings?.DriverOpts ?? {}, name));
  if (given === undefined) return;
  throw invalid(`${given} cannot be on the network ${network.name}: bandwidth can be limited on bridge networks`);
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
  ...emptyEndpointSettings(),
  NetworkID: network.id,
  EndpointID: endpointId,
});
