import { conflict, EngineError, messageOf } from '../../base/errors.ts';
import { type ContainerId, newEndpointId, randomHex64 } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import { Scope } from '../../base/scope.ts';
import type { ChangedPorts, OpenSandbox, PortChange, Sandbox, SandboxRequest } from '../../spec/contract/network.ts';
import type { StateJournal } from '../../spec/contract/state.ts';
import { closeNetNamespace } from '../../sys/namespace/net.ts';
import { openNamespace, writeNetSysctls } from '../../sys/netlink/cable.ts';
import { namespaceSysctls } from '../bridge/network.ts';
import { ReadyStock } from '../bridge/ready.ts';
import type { AddressedNetwork } from '../driver.ts';
import type { Publication } from '../firewall/table.ts';
import { formatIpv4, formatMac, parseIpv4 } from '../ipv4.ts';
import { parseContainerPort, portMapOf, publishedIn } from '../ports/binding.ts';
import type { Publisher } from '../ports/publisher.ts';
import { type ChangedPublications, changePublications, UnchangedPublications } from './change-ports.ts';
import { emptyEndpoint, type SandboxPlan } from './plan.ts';

/** What a container holds of the network. */
interface Held {
  readonly sandbox: Sandbox;
  readonly containerName: string;
  readonly publications: readonly Publication[];
  /** Undefined for `host` and `none`. */
  readonly cable:
    | { readonly network: AddressedNetwork; readonly address: number; readonly hostName: string | undefined }
    | undefined;
}

export interface SandboxesOptions {
  readonly publisher: Publisher;
  /** For events. */
  readonly journal: StateJournal;
  /** The driver of a network, by id. */
  readonly driverOf: (networkId: string) => string;
  /** How many namespaces of each kind to keep ready. */
  readonly ready: number;
  readonly log: Logger;
}

type BridgePlan = Extract<SandboxPlan, { kind: 'bridge' }>;

/** The network side of all running containers: who has which namespace, address and ports. */
export class Sandboxes {
  readonly #publisher: Publisher;
  readonly #journal: StateJournal;
  readonly #driverOf: (networkId: string) => string;
  readonly #log: Logger;
  readonly #held = new Map<ContainerId, Held>();
  readonly #bare: ReadyStock<number>;

  constructor(options: SandboxesOptions) {
    this.#journal = options.journal;
    this.#driverOf = options.driverOf;
    this.#publisher = options.publisher;
    this.#log = options.log;
    this.#bare = new ReadyStock({
      size: Math.min(options.ready, 2),
      make: () => openNamespace({ sysctls: namespaceSysctls, cables: [] }),
      discard: closeNetNamespace,
      log: options.log,
    });
  }

  /** The endpoints of running containers, by container. */
  get all(): ReadonlyMap<ContainerId, { readonly sandbox: Sandbox; readonly containerName: string }> {
    return this.#held;
  }

  /**
   * Makes what the plan says; `network` is its network, when that has addresses. Everything is undone when it throws.
   * @throws EngineError `conflict` when a port is taken, `unavailable` when addresses have run out.
   */
  async open(request: SandboxRequest, plan: SandboxPlan, network: AddressedNetwork | undefined): Promise<OpenSandbox> {
    await this.close(request.containerId);
    const open = plan.kind === 'host' ? this.#openHost(request, plan) : await this.#openPrivate(request, plan, network);
    this.#announce('connect', request.containerId, open.sandbox);
    return open;
  }

  /** Gives everything back that can be had again at once; the cable follows the namespace's end. */
  async close(containerId: ContainerId): Promise<void> {
    const held = this.#held.get(containerId);
    if (held === undefined) return;
    this.#held.delete(containerId);
    this.#publisher.withdraw(held.publications);
    const { cable } = held;
    cable?.network.retire(cable.address, cable.hostName);
    // The container's own event, `die`, comes first.
    setImmediate(() => this.#announce('disconnect', containerId, held.sandbox));
  }

  /** See `Networks.changePorts`; `ipv6` says whether IPv6 addresses can be published on. */
  async changePorts(containerId: ContainerId, change: PortChange, ipv6: boolean): Promise<ChangedPorts> {
    const held = this.#held.get(containerId);
    if (held?.cable === undefined) throw conflict('its network mode has no ports that could be published');
    const { cable, sandbox } = held;
    const target = { address: cable.address, interface: cable.hostName ?? '' };
    let changed: ChangedPublications;
    try {
      changed = changePublications(this.#publisher, held.publications, target, change, ipv6);
    } catch (error) {
      if (!(error instanceof UnchangedPublications)) throw error;
      this.#held.set(containerId, { ...held, publications: error.publications });
      throw error.cause;
    }
    const exposed = [...Object.keys(sandbox.ports), ...Object.keys(change.add)].map(parseContainerPort);
    const ports = portMapOf(exposed, changed.publications);
    const next = { ...held, publications: changed.publications, sandbox: { ...sandbox, ports } };
    this.#held.set(containerId, next);
    await this.#publisher.forgetFlows(changed.opened);
    return {
      sandbox: next.sandbox,
      undo: async () => {
        if (this.#held.get(containerId) !== next) return;
        this.#held.set(containerId, { ...held, publications: changed.undo() });
      },
    };
  }

  /** After a restart: takes over what a running container has. The firewall is written afterwards, whole. */
  adopt(containerId: ContainerId, sandbox: Sandbox, network: AddressedNetwork | undefined): readonly Publication[] {
    this.#publisher.withdraw(this.#held.get(containerId)?.publications ?? []);
    const endpoint = Object.values(sandbox.endpoints).find(({ IPAddress }) => IPAddress !== '');
    const address = endpoint === undefined ? undefined : parseIpv4(endpoint.IPAddress);
    if (network === undefined || address === undefined) {
      this.#held.set(containerId, { sandbox, containerName: '', publications: [], cable: undefined });
      return [];
    }
    const hostName = sandbox.hostInterfaces[0];
    try {
      network.adopt(address, hostName);
    } catch (error) {
      this.#log.error('the address of a running container cannot be taken over', {
        containerId,
        reason: messageOf(error),
      });
      return [];
    }
    const publications = publishedIn(sandbox.ports).map((port) => ({ ...port, target: address }));
    this.#publisher.adopt(publications, { address, interface: hostName ?? '' });
    this.#held.set(containerId, { sandbox, containerName: '', publications, cable: { network, address, hostName } });
    return publications;
  }

  /** Drops the ready namespaces. */
  dispose(): Promise<void> {
    return this.#bare.close();
  }

  #openHost(request: SandboxRequest, plan: SandboxPlan): OpenSandbox {
    const endpoints = { [plan.network.name]: emptyEndpoint(plan.network, newEndpointId()) };
    const sandbox: Sandbox = { sandboxId: '', mode: 'host', endpoints, ports: {}, hostInterfaces: [] };
    const { containerId, containerName } = request;
    this.#held.set(containerId, { sandbox, containerName, publications: [], cable: undefined });
    return { sandbox, namespacePath: undefined, releasePath: () => undefined };
  }

  async #openPrivate(
    request: SandboxRequest,
    plan: SandboxPlan,
    network: AddressedNetwork | undefined,
  ): Promise<OpenSandbox> {
    await using scope = new Scope();
    const made =
      plan.kind === 'bridge' && network !== undefined
        ? await this.#attach(request, plan, network, scope)
        : await this.#openBare(plan, scope, request.networkNamespace);
    if (Object.keys(request.sysctls).length > 0) await applySysctls(made.namespace, request.sysctls);
    await this.#publisher.forgetFlows(made.held.publications);
    scope.commit();
    this.#held.set(request.containerId, { ...made.held, containerName: request.containerName });
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

  async #openBare(
    plan: SandboxPlan,
    scope: Scope,
    taken: number | undefined,
  ): Promise<{ namespace: number; held: Omit<Held, 'containerName'> }> {
    const made =
      taken === undefined
        ? this.#bare.take()
        : openNamespace({ sysctls: namespaceSysctls, cables: [], namespace: taken });
    const namespace = await scope.acquire(made, closeNetNamespace);
    const endpoints = { [plan.network.name]: emptyEndpoint(plan.network, newEndpointId()) };
    const sandbox: Sandbox = { sandboxId: randomHex64(), mode: 'private', endpoints, ports: {}, hostInterfaces: [] };
    return { namespace, held: { sandbox, publications: [], cable: undefined } };
  }

  async #attach(
    request: SandboxRequest,
    plan: BridgePlan,
    network: AddressedNetwork,
    scope: Scope,
  ): Promise<{ namespace: number; held: Omit<Held, 'containerName'> }> {
    const { namespace, address, mac, hostName } = await scope.acquire(
      network.attach(plan.mac, request.networkNamespace),
      (made) => network.discard(made),
    );
    const endpointId = newEndpointId();
    const target = { address, interface: hostName };
    const publications = explained(`${request.containerName} (${endpointId})`, () =>
      this.#publisher.publish(plan.ports.requests, target),
    );
    scope.defer(() => this.#publisher.withdraw(publications));
    const { subnet, gateway } = network;
    const endpoint = {
      ...emptyEndpoint(plan.network, endpointId),
      MacAddress: formatMac(mac),
      Gateway: formatIpv4(gateway),
      IPAddress: formatIpv4(address),
      IPPrefixLen: subnet.length,
    };
    const sandbox: Sandbox = {
      sandboxId: randomHex64(),
      mode: 'private',
      endpoints: { [plan.network.name]: endpoint },
      ports: portMapOf(plan.ports.exposed, publications),
      hostInterfaces: [hostName],
    };
    return { namespace, held: { sandbox, publications, cable: { network, address, hostName } } };
  }

  /** Nobody waits for the event: the order of calls is the order in the journal. */
  #announce(action: 'connect' | 'disconnect', containerId: ContainerId, sandbox: Sandbox): void {
    const events = Object.entries(sandbox.endpoints).map(([name, { NetworkID }]) => ({
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

/** Errors of publishing ports in Docker's words. */
function explained<T>(endpoint: string, publish: () => T): T {
  try {
    return publish();
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
