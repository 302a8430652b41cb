import { conflict, EngineError, invalid, messageOf } from '../../base/errors.ts';
import { Scope } from '../../base/scope.ts';
import type { NetworkSummaryForContainer } from '../../spec/contract/network.ts';
import type { EndpointSettings } from '../../spec/engine/container.ts';
import { commitRecord, type ContainerContext, dataDirectory } from '../context.ts';
import { noEndpoint, plannedEndpoints } from '../endpoints.ts';
import type { ContainerEntry } from '../entry.ts';
import type { ContainerRecord } from '../record.ts';
import { changeOwnHosts } from './hosts.ts';
import { resolverChoice, sandboxRequest } from './request.ts';

/** The parts of an endpoint that somebody may wish for. */
const wishOf = (settings: EndpointSettings): EndpointSettings => ({
  ...noEndpoint,
  IPAMConfig: settings.IPAMConfig,
  Links: settings.Links,
  Aliases: settings.Aliases,
  MacAddress: settings.MacAddress,
  DriverOpts: settings.DriverOpts,
  GwPriority: settings.GwPriority,
});

/**
 * `docker network connect`: at once for a container that runs, with the next start for another one; the endpoint stays in
 * its record in both cases.
 * @throws not-found, invalid, forbidden, unavailable in Docker's words
 */
export function connectNetwork(
  ctx: ContainerContext,
  entry: ContainerEntry,
  network: NetworkSummaryForContainer,
  settings: EndpointSettings | null,
): Promise<void> {
  return entry.lock(async () => {
    checkRemoval(entry);
    const planned = namedEndpoints(ctx, entry.record);
    checkTogether(ctx, entry.record, Object.keys(planned), network);
    const wish = wishOf(settings ?? noEndpoint);
    const endpoint = { nameOrId: network.id, settings: wish };
    const change = { endpoints: { ...planned, [network.name]: wish }, detached: false };
    const { state } = entry.record;
    if (state.phase !== 'running') {
      ctx.networks.checkEndpoint(endpoint);
      // Docker leaves an endpoint as it is that is there already.
      if (planned[network.name] === undefined) await commitRecord(ctx, entry, change);
      return;
    }
    const before = entry.record;
    await using scope = new Scope();
    const connecting = ctx.networks.connect(sandboxRequest(entry), endpoint, processOf(state));
    const { sandbox } = await scope.acquire(connecting, (changed) => changed.undo());
    scope.defer(() => {
      entry.record = before;
    });
    await commitRecord(ctx, entry, { ...change, sandbox });
    scope.commit();
    await tellHosts(ctx, entry, { add: sandbox.endpoints[network.name] });
    await tellResolver(ctx, entry);
  });
}

/**
 * `docker network disconnect`. A container without any network left has none at its next start, either.
 * @throws conflict when it is not connected to it, invalid, not-found
 */
export function disconnectNetwork(ctx: ContainerContext, entry: ContainerEntry, nameOrId: string): Promise<void> {
  return entry.lock(async () => {
    checkRemoval(entry);
    const network = ctx.networks.find(nameOrId);
    const name = network?.name ?? nameOrId;
    const { record } = entry;
    if (network?.driver === 'host' && record.hostConfig.NetworkMode === 'host') {
      throw invalid('cannot disconnect container from host network - container was created in host network mode');
    }
    const isRunning = record.state.phase === 'running';
    if (isRunning && network === undefined) throw new EngineError('not-found', `network ${nameOrId} not found`);
    const planned = namedEndpoints(ctx, record);
    const endpoints = Object.fromEntries(Object.entries(planned).filter(([one]) => one !== name));
    const change = { endpoints, detached: Object.keys(endpoints).length === 0 };
    if (record.state.phase !== 'running') {
      if (planned[name] === undefined) throw conflict(`container ${entry.id} is not connected to the network ${name}`);
      await commitRecord(ctx, entry, change);
      return;
    }
    const leaving = await ctx.networks.disconnect(sandboxRequest(entry), nameOrId, processOf(record.state));
    const gone = record.sandbox?.endpoints[name];
    await commitRecord(ctx, entry, { ...change, sandbox: leaving.sandbox });
    await leaving.apply();
    // Published ports may have moved to another endpoint.
    await tellHosts(ctx, entry, { remove: gone });
  });
}

const processOf = ({ pid, pidStart }: { readonly pid: number; readonly pidStart: number }) => ({
  pid,
  start: pidStart,
});

/** What a container is to be on, by the names of networks. */
export function namedEndpoints(ctx: ContainerContext, record: ContainerRecord): Record<string, EndpointSettings> {
  const named: Record<string, EndpointSettings> = Object.create(null);
  for (const [given, settings] of Object.entries(plannedEndpoints(record))) {
    named[ctx.networks.find(given)?.name ?? given] = settings;
  }
  return named;
}

function checkRemoval(entry: ContainerEntry): void {
  if (!entry.removing && !entry.gone) return;
  throw conflict(`Container ${entry.id} is marked for removal and cannot be connected or disconnected to the network`);
}

/** Which networks a container can have at the same time. @throws invalid in Docker's words */
function checkTogether(
  ctx: ContainerContext,
  { hostConfig }: ContainerRecord,
  present: readonly string[],
  network: NetworkSummaryForContainer,
): void {
  const mode = hostConfig.NetworkMode;
  if (network.driver === 'host' && mode !== 'host') {
    throw invalid('cannot connect container to host network - container must be created in host network mode');
  }
  if (mode === 'host' || mode.startsWith('container:')) {
    throw invalid(
      'container sharing network namespace with another container or host cannot be connected to any other network',
    );
  }
  const isNone = (name: string): boolean => ctx.networks.find(name)?.name === 'none';
  const others = present.filter((name) => name !== network.name);
  if (others.some(isNone) || (isNone(network.name) && others.length > 0)) {
    throw invalid('container cannot be connected to multiple networks with one of the networks in private (none) mode');
  }
}

/** With its first network with names a container gets a name server; a file that it changed itself stays as it is. */
async function tellResolver(ctx: ContainerContext, entry: ContainerEntry): Promise<void> {
  const { hostConfig } = entry.record;
  try {
    const path = `${dataDirectory(ctx, entry.id)}/resolv.conf`;
    const present = await ctx.host.read(path);
    if (present === undefined) return;
    const text = await ctx.networks.resolvConf(entry.id, hostConfig.NetworkMode, resolverChoice(hostConfig), present);
    if (text !== undefined && text !== present) await ctx.host.place([], [{ path, text, mode: 0o644 }]);
  } catch (error) {
    ctx.log.warn('the resolv.conf of a container is out of date', { container: entry.id, error: messageOf(error) });
  }
}

/** The container goes on without its own name in the file. */
async function tellHosts(
  ctx: ContainerContext,
  entry: ContainerEntry,
  change: Parameters<typeof changeOwnHosts>[2],
): Promise<void> {
  await changeOwnHosts(ctx, entry, change).catch((error: unknown) => {
    ctx.log.warn('the hosts of a container are out of date', { container: entry.id, error: messageOf(error) });
  });
}
