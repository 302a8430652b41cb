import type { Clock } from '../base/clock.ts';
import { codeOf } from '../base/errors.ts';
import type { ContainerId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { ContainerProcess, ResolverChoice, RunningSandbox, SandboxRequest } from '../spec/contract/network.ts';
import type { StateJournal } from '../spec/contract/state.ts';
import type { NetworkView } from '../spec/engine/network.ts';
import { ephemeralPortRange, holdPort, sharePort6 } from '../sys/socket/port.ts';
import { bytesOf, parseAddress } from '../base/address.ts';
import { bridgeNameOf } from './bridge/describe.ts';
import { NetworkCatalog } from './catalog.ts';
import { defaultMtu, defaultReadyNamespaces, hasNames, type NetworkConfig } from './config.ts';
import { Firewall } from './firewall/firewall.ts';
import { LiveNetworks } from './live.ts';
import { NetworkManager } from './manage.ts';
import { PortAllocator, type HostPorts } from './ports/allocator.ts';
import { portDefaults } from './ports/defaults.ts';
import { Publisher } from './ports/publisher.ts';
import type { NetworkRecord } from './record.ts';
import { ContainerNames, renamedSandbox } from './resolver/names.ts';
import { ResolverProcess } from './resolver/process.ts';
import {
  containerResolvConf,
  forwardingOf,
  isUnedited,
  readHostFile,
  servedResolvConf,
  withDefaults,
} from './resolver/resolv.ts';
import { changeRates } from './sandbox/change-rates.ts';
import { connectTo, type Connection, leave } from './sandbox/connect.ts';
import { linkedPorts } from './sandbox/links.ts';
import { planEndpoint, planPortsOn, planSandbox, type PlanSurroundings } from './sandbox/plan.ts';
import { Sandboxes } from './sandbox/sandboxes.ts';
import type { NetworkService } from './service.ts';
import { endpointView, filterNetworks, networkView, subnetStatus } from './view.ts';

export interface NetworkDependencies {
  readonly journal: StateJournal;
  readonly clock: Clock;
  readonly log: Logger;
  /** The present name of a container, for inspected networks; the name at its start is shown when left out. */
  readonly containerName?: (id: ContainerId) => string | undefined;
}

const systemPorts: HostPorts = {
  hold(protocol, hostIp, port) {
    const address = parseAddress(hostIp);
    if (address === undefined) return undefined;
    if (address.family === 4) return holdPort(protocol, bytesOf(address), port);
    return protocol === 'sctp' ? undefined : sharePort6(protocol, bytesOf(address), port);
  },
  ephemeralRange: ephemeralPortRange,
};

/**
 * The networks of one engine. Reads the records; kernel objects are made by `restore`, which the engine calls once at
 * boot, before anything else.
 */
export async function openNetworks(config: NetworkConfig, dependencies: NetworkDependencies): Promise<NetworkService> {
  const { journal, clock, log } = dependencies;
  const catalog = await NetworkCatalog.open(journal, clock, log, config.hasBridge ?? true);
  const firewall = new Firewall({
    table: config.tableName,
    protect: config.protectFirewall ?? true,
    interfacePrefix: config.interfacePrefix,
    log,
  });
  const ready = config.readyNamespaces ?? defaultReadyNamespaces;
  const driverOf = (id: string): string => catalog.find(id)?.driver ?? 'bridge';
  const resolver =
    config.resolverSocket === undefined
      ? undefined
      : new ResolverProcess(config.resolverSocket, log, config.namesListen);
  const publisher = new Publisher({ ports: new PortAllocator(systemPorts), firewall, proxy: resolver, log });
  const names = resolver === undefined ? undefined : new ContainerNames(resolver, log);
  const defaultsOf = (ids: readonly string[]) =>
    portDefaults(
      ids.flatMap((id) => catalog.find(id) ?? []),
      config.ports ?? {},
    );
  const sandboxes = new Sandboxes({ publisher, names, ready, journal, driverOf, portDefaults: defaultsOf, log });
  const live = new LiveNetworks({ config, catalog, publisher, log });
  const manager = new NetworkManager({ config, catalog, live, sandboxes, journal, clock, log });
  const around: PlanSurroundings = {
    find: (name) => catalog.find(name),
    proxy: resolver !== undefined,
    ports: config.ports,
  };
  const rooms: Rooms = { config, catalog, live, manager, sandboxes, around, log };
  const view = (record: NetworkRecord) => viewOf(record, config, sandboxes, dependencies);
  return {
    ...forContainers(rooms),
    list: async (filters) => filterNetworks(catalog.all.map(view), filters),
    async inspect(nameOrId) {
      const record = catalog.get(nameOrId);
      return { ...view(record), Status: { IPAM: { Subnets: subnetStatus(live.of(record.id)?.usage() ?? []) } } };
    },
    create: (request) => manager.create(request),
    async warnings(nameOrId) {
      if (nameOrId === undefined) return firewall.foreign.warnings();
      const record = catalog.get(nameOrId);
      return record.driver === 'bridge' ? firewall.foreign.warnings(bridgeNameOf(record, config)) : [];
    },
    remove: (nameOrId) => manager.remove(nameOrId),
    update: (nameOrId, options) => manager.update(nameOrId, options),
    prune: (filters) => manager.prune(filters),
    async shutdown() {
      const inUse = [...sandboxes.all.values()].some(({ endpoints }) => endpoints.length > 0);
      await sandboxes.dispose();
      await live.close({ remove: !inUse });
    },
  };
}

interface Rooms {
  readonly config: NetworkConfig;
  readonly catalog: NetworkCatalog;
  readonly live: LiveNetworks;
  readonly manager: NetworkManager;
  readonly sandboxes: Sandboxes;
  readonly around: PlanSurroundings;
  readonly log: Logger;
}

type ForContainers = Omit<
  NetworkService,
  'list' | 'inspect' | 'create' | 'warnings' | 'update' | 'remove' | 'prune' | 'shutdown'
>;

function forContainers(rooms: Rooms): ForContainers {
  const { config, catalog, live, sandboxes, around } = rooms;
  return {
    validate(request) {
      try {
        planSandbox(request, around);
      } catch (error) {
        // As in Docker, a network has to exist at the start only: clients take "not found" at create for the image.
        if (codeOf(error) !== 'not-found') throw error;
      }
    },
    find: (nameOrId) => catalog.find(nameOrId),
    open: (request) => openSandbox(rooms, request),
    joined: (containerId, process) => sandboxes.names?.joined(containerId, process),
    changePorts: (containerId, change) => sandboxes.changePorts(containerId, change),
    changeRates: (containerId, options) => changeRates(sandboxes, containerId, options),
    checkEndpoint({ nameOrId, settings }) {
      const network = catalog.get(nameOrId);
      planEndpoint(network, settings);
      return network;
    },
    async connect(request, { nameOrId, settings }, process) {
      const plan = planEndpoint(catalog.get(nameOrId), settings);
      await expectNames(rooms, request, [plan.network]);
      return rooms.manager.holding([plan.network], async () =>
        connectTo(connectionOf(rooms, request, process), { ...plan, live: await live.get(plan.network) }),
      );
    },
    disconnect: async (request, nameOrId, process) =>
      leave(connectionOf(rooms, request, process), catalog.get(nameOrId)),
    renamed: (identity) => renamedSandbox(sandboxes, identity),
    close: (containerId) => sandboxes.close(containerId),
    restore: (running) => restore(rooms, running),
    async resolvConf(containerId: ContainerId, networkMode: string, own: ResolverChoice, present?: string) {
      if (present !== undefined && !isUnedited(present)) return undefined as never;
      const sharesHost = catalog.find(networkMode)?.driver === 'host';
      const choice = withDefaults(own, config.resolver);
      const host = await readHostFile({ stub: sharesHost });
      const isServed = sandboxes.names?.isServed(containerId) === true;
      return isServed ? servedResolvConf(host, choice) : containerResolvConf(host, choice, sharesHost);
    },
  };
}

async function openSandbox(rooms: Rooms, request: SandboxRequest) {
  const { around, live, manager, sandboxes } = rooms;
  const plan = planSandbox(request, around);
  if (plan.kind !== 'networks') return sandboxes.open(request, plan);
  const networks = plan.endpoints.map(({ network }) => network);
  return manager.holding(networks, async () => {
    await sandboxes.close(request.containerId);
    await expectNames(rooms, request, networks);
    const endpoints = await Promise.all(
      plan.endpoints.map(async (endpoint) => ({ ...endpoint, live: await live.get(endpoint.network) })),
    );
    try {
      return await sandboxes.open(request, { endpoints, ports: plan.ports });
    } catch (error) {
      sandboxes.names?.changed(request.containerId, undefined);
      throw error;
    }
  });
}

/** All of a container's ports, whatever its endpoints can do with them. */
function connectionOf(
  { around, sandboxes, log }: Rooms,
  request: SandboxRequest,
  process: ContainerProcess,
): Connection {
  return { sandboxes, request, process, ports: planPortsOn([], request, around), log };
}

async function restore(
  { config, live, sandboxes }: Rooms,
  running: ReadonlyMap<ContainerId, RunningSandbox>,
): Promise<void> {
  const { names } = sandboxes;
  const host = running.size > 0 ? await readHostFile({ stub: false }) : '';
  for (const [id, { process, resolver }] of running) {
    names?.expect(id, forwardingOf(host, withDefaults(resolver, config.resolver)));
    names?.joined(id, process);
  }
  const inUse = [...running.values()].some(({ sandbox }) => sandbox.hostInterfaces.length > 0);
  await live.restore(inUse, () => {
    const adopted = [...running].flatMap(([id, { sandbox }]) =>
      sandboxes.adopt(id, sandbox, (networkId) => live.of(networkId)),
    );
    sandboxes.publisher.setLinks(linkedPorts(sandboxes.all));
    return adopted;
  });
  names?.restored();
}

/** Says whom a container's questions are passed on to, when one of the networks has names. */
async function expectNames(
  { config, sandboxes }: Rooms,
  { containerId, resolver }: SandboxRequest,
  networks: readonly NetworkRecord[],
): Promise<void> {
  if (sandboxes.names === undefined || !networks.some((network) => hasNames(network, config))) return;
  const choice = withDefaults(resolver, config.resolver);
  sandboxes.names.expect(containerId, forwardingOf(await readHostFile({ stub: false }), choice));
}

function viewOf(
  record: NetworkRecord,
  config: NetworkConfig,
  sandboxes: Sandboxes,
  dependencies: NetworkDependencies,
): NetworkView {
  const containers: NetworkView['Containers'] = Object.create(null);
  for (const [id, { sandbox, containerName }] of sandboxes.all) {
    const endpoint = Object.values(sandbox.endpoints).find(({ NetworkID }) => NetworkID === record.id);
    if (endpoint !== undefined) {
      containers[id] = endpointView(dependencies.containerName?.(id) ?? containerName, endpoint);
    }
  }
  return networkView(
    record,
    {
      name: config.bridgeName,
      mtu: config.mtu ?? defaultMtu,
      masquerade: config.masquerade ?? true,
      icc: config.talking ?? true,
      hostIp: config.ports?.bridgeIp ?? '0.0.0.0',
    },
    containers,
  );
}
