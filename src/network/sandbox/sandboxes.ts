import { conflict, EngineError, messageOf } from '../../base/errors.ts';
import { type ContainerId, newEndpointId, randomHex64 } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import { Scope } from '../../base/scope.ts';
import type { ChangedPorts, OpenSandbox, PortChange, Sandbox, SandboxRequest } from '../../spec/contract/network.ts';
import type { StateJournal } from '../../spec/contract/state.ts';
import type { EndpointSettings } from '../../spec/engine/container.ts';
import { closeNetNamespace } from '../../sys/namespace/net.ts';
import { openNamespace, writeNetSysctls } from '../../sys/netlink/cable.ts';
import type { NameSockets } from '../../sys/socket/name-sockets.ts';
import { type Address, parseAddress } from '../../base/address.ts';
import { namespaceSysctls } from '../bridge/network.ts';
import { ReadyStock } from '../bridge/ready.ts';
import type { AddressedNetwork } from '../driver.ts';
import type { Publication } from '../firewall/elements.ts';
import { parseContainerPort, type PortDefaults, type PortPlan, portMapOf, publishedIn } from '../ports/binding.ts';
import type { Publisher } from '../ports/publisher.ts';
import type { PublicationTargets } from '../ports/targets.ts';
import type { ContainerNames } from '../resolver/names.ts';
import { ratesIn } from '../rates/rate.ts';
import { rateOptions } from '../../spec/engine/network.ts';
import { type ChangedPublications, changePublications, UnchangedPublications } from './change-ports.ts';
import { chooseGateways, type Held, type HeldEndpoint, targetsOf } from './held.ts';
import { linkedPorts } from './links.ts';
import { type LiveEndpointPlan, plugIn, sandboxOf } from './make.ts';
import { emptyEndpoint, type SandboxPlan } from './plan.ts';

export interface SandboxesOptions {
  readonly publisher: Publisher;
  /** Undefined when containers have no names. */
  readonly names: ContainerNames | undefined;
  /** For events. */
  readonly journal: StateJournal;
  /** The driver of a network, by id. */
  readonly driverOf: (networkId: string) => string;
  /** What the ports of a container on these networks have that do not say, by the networks' ids. */
  readonly portDefaults: (networkIds: readonly string[]) => PortDefaults;
  /** How many namespaces of each kind to keep ready. */
  readonly ready: number;
  readonly log: Logger;
}

type Alone = Extract<SandboxPlan, { kind: 'host' | 'none' }>;

/** A container on networks that are there: its endpoints, and its ports. */
export interface LivePlan {
  readonly endpoints: readonly LiveEndpointPlan[];
  readonly ports: PortPlan;
}

/** What a start made, before it is a container's. */
interface Opened {
  readonly namespace: number;
  readonly nameSockets?: NameSockets | undefined;
  readonly held: Omit<Held, 'containerName'>;
}

/** The network side of all running containers: who has which namespace, addresses and ports. */
export class Sandboxes {
  readonly publisher: Publisher;
  readonly names: ContainerNames | undefined;
  readonly #journal: StateJournal;
  readonly #driverOf: (networkId: string) => string;
  readonly #portDefaults: SandboxesOptions['portDefaults'];
  readonly #log: Logger;
  readonly #held = new Map<ContainerId, Held>();
  readonly #bare: ReadyStock<number>;

  constructor(options: SandboxesOptions) {
    this.#journal = options.journal;
    this.#driverOf = options.driverOf;
    this.#portDefaults = options.portDefaults;
    this.publisher = options.publisher;
    this.names = options.names;
    this.#log = options.log;
    this.#bare = new ReadyStock({
      size: Math.min(options.ready, 2),
      make: () => openNamespace({ sysctls: namespaceSysctls, links: [], routes: [] }),
      discard: closeNetNamespace,
      log: options.log,
    });
  }

  /** What running containers hold, by container. */
  get all(): ReadonlyMap<ContainerId, Held> {
    return this.#held;
  }

  /** What a container holds changes; `held` replaces it. */
  replace(containerId: ContainerId, held: Held, nameSockets?: NameSockets): void {
    this.#held.set(containerId, held);
    this.names?.changed(containerId, held, nameSockets);
    this.publisher.setLinks(linkedPorts(this.#held));
  }

  /**
   * Makes what the plan says. Everything is undone when it throws.
   * @throws EngineError `conflict` when a port is taken, `unavailable` when addresses have run out, `forbidden` when a
   * wanted one is taken.
   */
  async open(request: SandboxRequest, plan: Alone | LivePlan): Promise<OpenSandbox> {
    await this.close(request.containerId);
    const isHost = 'kind' in plan && plan.kind === 'host';
    const open = isHost ? this.#openHost(request, plan) : await this.#openPrivate(request, plan);
    this.publisher.setLinks(linkedPorts(this.#held));
    this.announce('connect', request.containerId, open.sandbox.endpoints);
    return open;
  }

  /** Gives everything back that can be had again at once; interfaces follow the namespace's end. */
  async close(containerId: ContainerId): Promise<void> {
    const held = this.#held.get(containerId);
    if (held === undefined) return;
    this.#held.delete(containerId);
    // First of all: nobody finds it any more.
    this.names?.changed(containerId, undefined);
    this.publisher.withdraw(held.publications);
    this.publisher.setLinks(linkedPorts(this.#held));
    for (const endpoint of held.endpoints) endpoint.network.retire(endpoint.held);
    this.announce('disconnect', containerId, held.sandbox.endpoints);
  }

  /** See `Networks.changePorts`. */
  async changePorts(containerId: ContainerId, change: PortChange): Promise<ChangedPorts> {
    const held = this.#held.get(containerId);
    const targets = targetsOf(chooseGateways(held?.endpoints ?? []));
    if (held === undefined || Object.keys(targets).length === 0) {
      throw conflict('its network mode has no ports that could be published');
    }
    let changed: ChangedPublications;
    try {
      const defaults = this.#portDefaults(held.endpoints.map(({ networkId }) => networkId));
      changed = changePublications(this.publisher, held.publications, { targets, defaults }, change);
    } catch (error) {
      if (!(error instanceof UnchangedPublications)) throw error;
      this.#held.set(containerId, { ...held, publications: error.publications });
      throw error.cause;
    }
    const { sandbox } = held;
    const exposed = [...Object.keys(sandbox.ports), ...Object.keys(change.add)].map(parseContainerPort);
    const ports = portMapOf(exposed, changed.publications);
    const next = { ...held, publications: changed.publications, sandbox: { ...sandbox, ports } };
    this.#held.set(containerId, next);
    await this.publisher.forgetFlows(changed.opened);
    return {
      sandbox: next.sandbox,
      undo: async () => {
        if (this.#held.get(containerId) !== next) return;
        this.#held.set(containerId, { ...held, publications: changed.undo() });
      },
    };
  }

  /** After a restart: takes over what a running container has. The firewall is written afterwards, whole. */
  adopt(
    containerId: ContainerId,
    sandbox: Sandbox,
    networkOf: (id: string) => AddressedNetwork | undefined,
  ): readonly Publication[] {
    const endpoints = Object.entries(sandbox.endpoints).flatMap(([name, settings]) => {
      const network = networkOf(settings.NetworkID);
      return network === undefined ? [] : this.#adoptEndpoint(containerId, sandbox, name, settings, network);
    });
    const targets = targetsOf(chooseGateways(endpoints));
    const publications = this.publisher.adopt(publishedIn(sandbox.ports), targets);
    this.replace(containerId, { sandbox, containerName: '', publications, endpoints });
    return publications;
  }

  #adoptEndpoint(
    containerId: ContainerId,
    sandbox: Sandbox,
    networkName: string,
    settings: EndpointSettings,
    network: AddressedNetwork,
  ): HeldEndpoint[] {
    const { host, inside } = sandbox.interfaces?.[networkName] ?? { host: sandbox.hostInterfaces[0], inside: 'eth0' };
    const ipv4 = parseAddress(settings.IPAddress);
    const ipv6 = parseAddress(settings.GlobalIPv6Address);
    const addresses: Partial<Record<4 | 6, Address>> = {
      ...(ipv4 === undefined ? {} : { 4: ipv4 }),
      ...(ipv6 === undefined ? {} : { 6: ipv6 }),
    };
    const held = { addresses, hostName: host };
    try {
      network.adopt(held);
      if (host !== undefined) network.rates?.adopt(host, ratesIn(settings.DriverOpts ?? {}, rateOptions));
    } catch (error) {
      const reason = messageOf(error);
      this.#log.error('the address of a running container cannot be taken over', { containerId, networkName, reason });
      return [];
    }
    const priority = settings.GwPriority;
    return [{ networkId: settings.NetworkID, networkName, network, interfaceName: inside, held, priority }];
  }

  /** Drops the ready namespaces. */
  dispose(): Promise<void> {
    return this.#bare.close();
  }

  #openHost(request: SandboxRequest, plan: Alone): OpenSandbox {
    const endpoints = { [plan.network.name]: emptyEndpoint(plan.network, newEndpointId()) };
    const sandbox: Sandbox = { sandboxId: '', mode: 'host', endpoints, ports: {}, hostInterfaces: [] };
    const { containerId, containerName } = request;
    this.#held.set(containerId, { sandbox, containerName, publications: [], endpoints: [] });
    return { sandbox, namespacePath: undefined, releasePath: () => undefined };
  }

  async #openPrivate(request: SandboxRequest, plan: Alone | LivePlan): Promise<OpenSandbox> {
    await using scope = new Scope();
    const made = 'kind' in plan ? await this.#openBare(plan, scope, request) : await this.#attach(request, plan, scope);
    if (Object.keys(request.sysctls).length > 0) await applySysctls(made.namespace, request.sysctls);
    await this.publisher.forgetFlows(made.held.publications);
    scope.commit();
    this.replace(request.containerId, { ...made.held, containerName: request.containerName }, made.nameSockets);
    let open = true;
    return {
      sandbox: made.held.sandbox,
      namespacePath: `/proc/${process.pid}/fd/${made.namespace}`,
      releasePath() {
        if (open) closeNetNamespace(made.namespace);
        open = false;
      },
    };
  }

  async #openBare(plan: Alone, scope: Scope, { networkNamespace: namespace }: SandboxRequest): Promise<Opened> {
    const made =
      namespace === undefined
        ? this.#bare.take()
        : openNamespace({ sysctls: namespaceSysctls, links: [], routes: [], namespace });
    const opened = await scope.acquire(made, closeNetNamespace);
    const endpoints = { [plan.network.name]: emptyEndpoint(plan.network, newEndpointId()) };
    const sandbox: Sandbox = { sandboxId: randomHex64(), mode: 'private', endpoints, ports: {}, hostInterfaces: [] };
    return { namespace: opened, held: { sandbox, publications: [], endpoints: [] } };
  }

  async #attach(request: SandboxRequest, plan: LivePlan, scope: Scope): Promise<Opened> {
    const { namespace, nameSockets, endpoints } = await plugIn(request, plan.endpoints, this.names, scope);
    const held = endpoints.map((endpoint) => endpoint.held);
    const targets = targetsOf(chooseGateways(held));
    const endpointId = endpoints[0]?.settings.EndpointID ?? '';
    const publications = published(this.publisher, plan.ports, targets, `${request.containerName} (${endpointId})`);
    scope.defer(() => this.publisher.withdraw(publications));
    const shown = Object.keys(targets).length > 0;
    const ports = { exposed: plan.ports.exposed, published: publications, shown };
    const sandbox = sandboxOf(endpoints, ports, request.links);
    return { namespace, nameSockets, held: { sandbox, publications, endpoints: held } };
  }

  /** Nobody waits for the event: the order of calls is the order in the journal. */
  announce(
    action: 'connect' | 'disconnect',
    containerId: ContainerId,
    endpoints: Readonly<Record<string, EndpointSettings>>,
  ): void {
    const events = Object.entries(endpoints).map(([name, { NetworkID }]) => ({
      type: 'network' as const,
      action,
      actorId: NetworkID,
      attributes: { container: containerId, name, type: this.#driverOf(NetworkID) },
    }));
    if (events.length === 0) return;
    this.#journal.commit({ events, mayWait: true }).catch((error: unknown) => {
      this.#log.warn('a network event could not be recorded', { action, containerId, reason: messageOf(error) });
    });
  }
}

/** Publishes the ports of an endpoint; errors are in Docker's words. */
export function published(
  publisher: Publisher,
  ports: PortPlan,
  targets: PublicationTargets,
  endpoint: string,
): readonly Publication[] {
  try {
    return publisher.publish(ports.requests, targets);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const what = `failed to set up container networking: driver failed programming external connectivity on endpoint ${endpoint}`;
    throw new EngineError(error.code, `${what}: ${error.message}`, { cause: error });
  }
}

async function applySysctls(namespace: number, sysctls: Readonly<Record<string, string>>): Promise<void> {
  try {
    await writeNetSysctls(namespace, sysctls);
  } catch (error) {
    throw new EngineError('invalid', `cannot set sysctls of the container: ${messageOf(error)}`, { cause: error });
  }
}
