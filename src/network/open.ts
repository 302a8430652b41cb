import { readFile } from 'node:fs/promises';
import type { Clock } from '../base/clock.ts';
import { codeOf, EngineError, messageOf } from '../base/errors.ts';
import type { ContainerId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { Sandbox } from '../spec/contract/network.ts';
import type { StateJournal } from '../spec/contract/state.ts';
import type { NetworkView } from '../spec/engine/network.ts';
import { ephemeralPortRange, holdPort, sharePort6 } from '../sys/socket/port.ts';
import { BridgeNetwork } from './bridge/network.ts';
import { placeBridge } from './bridge/place.ts';
import { NetworkCatalog } from './catalog.ts';
import { defaultMtu, defaultReadyNamespaces, type NetworkConfig } from './config.ts';
import { Firewall } from './firewall/firewall.ts';
import { bytesOf, contains, formatPrefix, parseIpv4, parsePrefix, type Prefix } from './ipv4.ts';
import { ipv6Bytes } from './ipv6.ts';
import { PortAllocator, type HostPorts } from './ports/allocator.ts';
import { Publisher } from './ports/publisher.ts';
import { ProxyProcess } from './proxy/client.ts';
import { type NetworkRecord, predefinedNames } from './record.ts';
import { containerResolvConf, isResolvedStub, type ResolverChoice } from './resolv.ts';
import { planSandbox } from './sandbox/plan.ts';
import { Sandboxes } from './sandbox/sandboxes.ts';
import type { NetworkService } from './service.ts';
import { endpointView, filterNetworks, networkView } from './view.ts';

export interface NetworkDependencies {
  readonly journal: StateJournal;
  readonly clock: Clock;
  readonly log: Logger;
  /** The present name of a container, for inspected networks; the name at its start is shown when left out. */
  readonly containerName?: (id: ContainerId) => string | undefined;
}

const systemPorts: HostPorts = {
  hold(protocol, hostIp, port) {
    const address = parseIpv4(hostIp);
    if (address !== undefined) return holdPort(protocol, bytesOf(address), port);
    return protocol === 'sctp' ? undefined : sharePort6(protocol, ipv6Bytes(hostIp), port);
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
  const firewall = new Firewall({ table: config.tableName, protect: config.protectFirewall ?? true, log });
  const ready = config.readyNamespaces ?? defaultReadyNamespaces;
  const driverOf = (id: string): string => catalog.find(id)?.driver ?? 'bridge';
  const proxy = openProxy(config.proxySocket, log);
  const publisher = new Publisher({ ports: new PortAllocator(systemPorts), firewall, proxy, log });
  const sandboxes = new Sandboxes({ publisher, ready, journal, driverOf, log });
  const bridge = new DefaultBridge(config, catalog, publisher, sandboxes, log);
  const plan = (request: Parameters<NetworkService['validate']>[0]) =>
    planSandbox(request, (name) => catalog.find(name), { ipv6Ports: proxy !== undefined, hostIp: config.hostIp });
  const view = (record: NetworkRecord) => viewOf(record, config, sandboxes, dependencies);
  return {
    validate(request) {
      try {
        plan(request);
      } catch (error) {
        // As in Docker, a network has to exist at the start only: clients take "not found" at create for the image.
        if (codeOf(error) !== 'not-found') throw error;
      }
    },
    find: (nameOrId) => catalog.find(nameOrId),
    async open(request) {
      const planned = plan(request);
      return sandboxes.open(request, planned, planned.kind === 'bridge' ? await bridge.get() : undefined);
    },
    changePorts: (containerId, change) => sandboxes.changePorts(containerId, change, proxy !== undefined),
    close: (containerId) => sandboxes.close(containerId),
    restore: (running) => bridge.restore(running),
    resolvConf: (networkMode, own) =>
      resolvConf(catalog.find(networkMode)?.driver === 'host', withDefaults(own, config.resolver)),
    list: async (filters) => filterNetworks(catalog.all.map(view), filters),
    inspect: async (nameOrId) => view(catalog.get(nameOrId)),
    async create(name) {
      if (predefinedNames.has(name)) {
        throw new EngineError('forbidden', `operation is not permitted on predefined ${name} network`);
      }
      throw notYet('creating networks');
    },
    async remove(nameOrId) {
      const { name } = catalog.get(nameOrId);
      throw new EngineError('forbidden', `${name} is a pre-defined network and cannot be removed`);
    },
    async connect(nameOrId) {
      throw notYet(`connecting containers to network ${catalog.get(nameOrId).name}`);
    },
    async disconnect(nameOrId) {
      throw notYet(`disconnecting containers from network ${catalog.get(nameOrId).name}`);
    },
    prune: async () => [],
    shutdown: () => bridge.shutdown(),
  };
}

/** Paths of unix sockets have at most 107 bytes (unix(7)). */
function openProxy(socketPath: string | undefined, log: Logger): ProxyProcess | undefined {
  if (socketPath === undefined) return undefined;
  if (Buffer.byteLength(socketPath) <= 107) return new ProxyProcess(socketPath, log);
  log.warn('ports are published on IPv4 only: the path of the proxy socket is too long', { socketPath });
  return undefined;
}

const notYet = (what: string): EngineError =>
  new EngineError('not-implemented', `${what} is not implemented by this engine yet`);

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
      hostIp: config.hostIp ?? '0.0.0.0',
    },
    containers,
  );
}

/** The default network's bridge: placed at boot, or, when that failed, with the first container that needs it. */
class DefaultBridge {
  readonly #config: NetworkConfig;
  readonly #catalog: NetworkCatalog;
  readonly #publisher: Publisher;
  readonly #sandboxes: Sandboxes;
  readonly #log: Logger;
  #network: Promise<BridgeNetwork> | undefined;
  /** Containers that ran before this engine did; kept until the bridge stands. */
  #running: ReadonlyMap<ContainerId, Sandbox> = new Map();

  constructor(config: NetworkConfig, catalog: NetworkCatalog, publisher: Publisher, sandboxes: Sandboxes, log: Logger) {
    this.#config = config;
    this.#catalog = catalog;
    this.#publisher = publisher;
    this.#sandboxes = sandboxes;
    this.#log = log;
  }

  /** @throws EngineError `unavailable`, saying why the bridge cannot be made. */
  async get(): Promise<BridgeNetwork> {
    try {
      return await (this.#network ??= this.#start());
    } catch (error) {
      this.#network = undefined;
      throw new EngineError('unavailable', `the default network cannot be set up: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  /** A network that cannot be made is no reason not to boot: containers without one must still run. */
  async restore(running: ReadonlyMap<ContainerId, Sandbox>): Promise<void> {
    this.#running = running;
    if (this.#config.hasBridge === false) return;
    for (const [id, sandbox] of running) this.#sandboxes.adopt(id, sandbox, undefined);
    await this.get().catch((error: unknown) => this.#log.error('containers cannot use the default network', { error }));
  }

  async shutdown(): Promise<void> {
    const network = await this.#network?.catch(() => undefined);
    const inUse = [...this.#sandboxes.all.values()].some(({ sandbox }) => sandbox.hostInterfaces.length > 0);
    await this.#sandboxes.dispose();
    await network?.close({ remove: !inUse });
    if (network !== undefined) await this.#publisher.close({ remove: !inUse });
    this.#network = undefined;
  }

  async #start(): Promise<BridgeNetwork> {
    const running = [...this.#running].filter(([id]) => this.#sandboxes.all.has(id));
    const record = this.#catalog.defaultNetwork;
    const inUse = running.some(([, { hostInterfaces }]) => hostInterfaces.length > 0);
    const placed = placeBridge(record, this.#config, inUse);
    if (placed.record !== record) await this.#catalog.put([placed.record]);
    const network = new BridgeNetwork({
      ...placed,
      range: rangeWithin(this.#config.bridgeRange, placed.subnet),
      forwarding: this.#config.forwarding ?? true,
      name: this.#config.bridgeName,
      mtu: this.#config.mtu ?? defaultMtu,
      interfacePrefix: this.#config.interfacePrefix,
      ready: this.#config.readyNamespaces ?? defaultReadyNamespaces,
      log: this.#log,
    });
    const publications = running.flatMap(([id, sandbox]) => this.#sandboxes.adopt(id, sandbox, network));
    await network.ensure();
    const { name, subnet } = network.options;
    this.#publisher.start([{ name, subnet, masquerade: this.#config.masquerade ?? true }], publications);
    await network.sweep();
    this.#running = new Map();
    this.#log.info('the default network is ready', { bridge: name, subnet: placed.record.subnet });
    return network;
  }
}

/** The part of a subnet that addresses come from. @throws EngineError `invalid` when it is no part of it */
function rangeWithin(text: string | undefined, subnet: Prefix): Prefix | undefined {
  if (text === undefined) return undefined;
  const range = parsePrefix(text);
  if (range === undefined || range.length < subnet.length || !contains(subnet, range.base)) {
    throw new EngineError('invalid', `${text} is no part of the default network's subnet ${formatPrefix(subnet)}`);
  }
  return range;
}

/** A container's own choice; what it leaves open is the operator's. */
const withDefaults = (own: ResolverChoice, defaults: ResolverChoice | undefined): ResolverChoice => ({
  dns: own.dns.length > 0 ? own.dns : (defaults?.dns ?? []),
  search: own.search.length > 0 ? own.search : (defaults?.search ?? []),
  options: own.options.length > 0 ? own.options : (defaults?.options ?? []),
});

/** Reads the host's file anew each time: laptops change networks. */
async function resolvConf(sharesHost: boolean, own: ResolverChoice): Promise<string> {
  const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
  const text = await read('/etc/resolv.conf');
  const real = !sharesHost && isResolvedStub(text) ? await read('/run/systemd/resolve/resolv.conf') : '';
  return containerResolvConf(real === '' ? text : real, own, sharesHost);
}
