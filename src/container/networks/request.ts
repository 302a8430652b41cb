import type { ResolverChoice, SandboxRequest } from '../../spec/contract/network.ts';
import type { EndpointSettings, HostConfig } from '../../spec/engine/container.ts';
import { invalid } from '../../base/errors.ts';
import { rateOptions } from '../../spec/engine/network.ts';
import type { ContainerContext } from '../context.ts';
import { networkSysctls } from '../create/sysctls.ts';
import type { ContainerEntry } from '../entry.ts';

/** What a container wants of the network, by its record. */
export function sandboxRequest(entry: ContainerEntry): SandboxRequest {
  const { config, hostConfig, name, endpoints, detached, links = [] } = entry.record;
  const isOff = config.NetworkDisabled === true;
  return {
    containerId: entry.id,
    containerName: name,
    hostname: config.Hostname,
    networkMode: isOff ? 'none' : hostConfig.NetworkMode,
    endpoints: isOff ? {} : endpoints,
    detached: detached === true && !isOff,
    exposedPorts: Object.keys(config.ExposedPorts ?? {}),
    portBindings: hostConfig.PortBindings,
    publishAll: hostConfig.PublishAllPorts,
    sysctls: networkSysctls(hostConfig),
    resolver: resolverChoice(hostConfig),
    ...(links.length === 0 ? {} : { links: links.map(({ id }) => id) }),
  };
}

/** The name servers, search domains and resolver options of `docker run`. */
export const resolverChoice = ({ Dns, DnsSearch, DnsOptions }: HostConfig): ResolverChoice => ({
  dns: Dns,
  search: DnsSearch,
  options: DnsOptions,
});

/**
 * Endpoints by the names of their networks, where a client said ids; networks that are not there yet keep what was said.
 * Clients name the default network also where the engine has none.
 */
export function byNetworkName(
  ctx: ContainerContext,
  endpoints: Readonly<Record<string, EndpointSettings>>,
): Readonly<Record<string, EndpointSettings>> {
  const named: Record<string, EndpointSettings> = Object.create(null);
  for (const [given, settings] of Object.entries(endpoints)) {
    const network = ctx.networks.find(given);
    if (network !== undefined || given !== 'bridge') named[network?.name ?? given] = settings;
  }
  return named;
}

/** A network mode that is the beginning of an id becomes the whole one: another network may begin so later. */
export function wholeMode(ctx: ContainerContext, mode: string): string {
  if (mode.startsWith('container:')) return mode;
  const network = ctx.networks.find(mode);
  return network === undefined || mode === network.name || mode === 'default' ? mode : network.id;
}

/** A container in the network of another one has no bandwidth of its own. @throws invalid */
export function checkNoRates(endpoints: Readonly<Record<string, EndpointSettings>>): void {
  for (const { DriverOpts } of Object.values(endpoints)) {
    const given = Object.values(rateOptions).find((name) => Object.hasOwn(DriverOpts ?? {}, name));
    if (given === undefined) continue;
    throw invalid(`${given} cannot be used with the network mode container: the other container's bandwidth counts`);
  }
}
