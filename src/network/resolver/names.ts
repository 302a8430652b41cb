import { delay } from '../../base/async.ts';
import { EngineError, messageOf } from '../../base/errors.ts';
import type { ContainerId } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import type { ContainerProcess, Sandbox, SandboxIdentity } from '../../spec/contract/network.ts';
import type { NamedEndpoint, NamedSandbox } from '../../spec/resolver/names.ts';
import { closeNetNamespace, openNetNamespaceOfProcess } from '../../sys/namespace/net.ts';
import { openNameSockets } from '../../sys/netlink/cable.ts';
import { closeNameSockets, type NameSockets } from '../../sys/socket/name-sockets.ts';
import { compareEndpoints, type Held } from '../sandbox/held.ts';
import { dnsNames } from '../sandbox/make.ts';
import type { Sandboxes } from '../sandbox/sandboxes.ts';
import type { Forwarding } from './resolv.ts';
import type { ResolverProcess } from './process.ts';

/** The rules that lead port 53 of 127.0.0.11 to a container's name server, in the container's own namespace. */
const tableName = 'gantry-names';
const againMs = 2000;

/** What is known of a container besides its networks. */
interface Facts {
  readonly forwarding?: Forwarding;
  readonly process?: ContainerProcess;
}

/**
 * Who is called what, kept equal in the resolver process: each container on a network with names has a name server from its
 * start on, and is found by others until it ends or leaves.
 */
export class ContainerNames {
  readonly #process: ResolverProcess;
  readonly #log: Logger;
  readonly #facts = new Map<ContainerId, Facts>();
  /** What the process was told last, by container. */
  readonly #told = new Map<ContainerId, NamedSandbox>();

  /** When sockets were made anew, by container. */
  readonly #madeAnewMs = new Map<ContainerId, number>();

  constructor(process: ResolverProcess, log: Logger) {
    this.#process = process;
    this.#log = log;
    process.onLacking = (container) => {
      this.#serveAnew(container as ContainerId).catch((error: unknown) => {
        log.warn('a container cannot ask for names', { container, reason: messageOf(error) });
      });
    };
  }

  /** Sockets for a container that is about to have names, in its namespace. @throws EngineError `unavailable` */
  async openSockets(namespace: number): Promise<NameSockets> {
    try {
      return await openNameSockets(namespace, tableName);
    } catch (error) {
      const what = `failed to set up container networking: its name server cannot be set up: ${messageOf(error)}`;
      throw new EngineError('unavailable', what, { cause: error });
    }
  }

  /** Before a container's first change: whom its questions are passed on to. */
  expect(containerId: ContainerId, forwarding: Forwarding): void {
    this.#facts.set(containerId, { ...this.#facts.get(containerId), forwarding });
  }

  /** The container's process is known. */
  joined(containerId: ContainerId, process: ContainerProcess): void {
    const facts = this.#facts.get(containerId);
    const told = this.#told.get(containerId);
    this.#facts.set(containerId, { ...facts, process });
    if (told !== undefined) this.#tell({ ...told, process });
  }

  /** True for a container that has a name server. */
  isServed(containerId: ContainerId): boolean {
    return this.#told.has(containerId);
  }

  /**
   * A container's networks or names have changed; it has none any more with `held` undefined. Sockets, which are taken over,
   * come with the first network with names.
   */
  changed(containerId: ContainerId, held: Held | undefined, sockets?: NameSockets): void {
    const { forwarding, process } = this.#facts.get(containerId) ?? {};
    if (held === undefined) {
      this.#facts.delete(containerId);
      this.#madeAnewMs.delete(containerId);
      if (this.#told.delete(containerId)) this.#process.forget(containerId);
      return;
    }
    const endpoints = namedEndpoints(held);
    // One that has left its last such network still has its name server, also after a restart of the engine.
    const isServed = endpoints.length > 0 || this.#told.has(containerId) || held.sandbox.hasNameServer === true;
    if (forwarding === undefined || !isServed) {
      if (sockets !== undefined) closeNameSockets(sockets);
      return;
    }
    const { upstreams, dotted } = forwarding;
    const outside = held.endpoints.some(({ network }) => Object.keys(network.gateways).length > 0);
    this.#tell({ container: containerId, process, endpoints, upstreams, outside, dotted }, sockets);
  }

  /** At boot, after all containers that run were told of. */
  restored(): void {
    this.#process.restored();
  }

  #tell(sandbox: NamedSandbox, sockets?: NameSockets): void {
    const { container } = sandbox;
    const before = this.#told.get(container as ContainerId);
    if (sockets === undefined && JSON.stringify(before) === JSON.stringify(sandbox)) return;
    this.#told.set(container as ContainerId, sandbox);
    this.#process.serve(sandbox, sockets);
  }

  /** The resolver process was started anew: the sockets of the one before are gone with it. */
  async #serveAnew(containerId: ContainerId): Promise<void> {
    const process = this.#facts.get(containerId)?.process;
    if (process === undefined) return;
    const last = this.#madeAnewMs.get(containerId);
    this.#madeAnewMs.set(containerId, performance.now());
    // A process that cannot use what it is given would ask for it for ever.
    if (last !== undefined && performance.now() - last < againMs) await delay(againMs);
    const namespace = openNetNamespaceOfProcess(process);
    try {
      const sockets = await this.openSockets(namespace);
      const told = this.#told.get(containerId);
      if (told === undefined) closeNameSockets(sockets);
      else this.#process.serve(told, sockets);
    } finally {
      closeNetNamespace(namespace);
    }
    this.#log.info('the name server of a container was made anew', { containerId });
  }
}

/** Networks without names (predefined ones) are left out. */
function namedEndpoints({ sandbox, endpoints }: Held): NamedEndpoint[] {
  return endpoints.toSorted(compareEndpoints).flatMap(({ networkId, networkName }) => {
    const settings = sandbox.endpoints[networkName];
    if (settings === undefined || settings.DNSNames === null) return [];
    const { IPAddress, GlobalIPv6Address, DNSNames, Links } = settings;
    return [
      {
        network: networkId,
        networkName,
        names: DNSNames,
        addresses: [IPAddress, GlobalIPv6Address].filter((address) => address !== ''),
        links: (Links ?? []).map(readLink),
      },
    ];
  });
}

/** `other:alias`, or `other` for both. */
function readLink(text: string): { target: string; alias: string } {
  const colon = text.indexOf(':');
  return colon < 0 ? { target: text, alias: text } : { target: text.slice(0, colon), alias: text.slice(colon + 1) };
}

/** See `Networks.renamed`. */
export function renamedSandbox(sandboxes: Sandboxes, identity: SandboxIdentity): Sandbox | undefined {
  const held = sandboxes.all.get(identity.containerId);
  if (held === undefined) return undefined;
  const endpoints = Object.entries(held.sandbox.endpoints).map(([name, endpoint]) => {
    const DNSNames = endpoint.DNSNames === null ? null : dnsNames(identity, endpoint.Aliases ?? []);
    return [name, { ...endpoint, DNSNames }] as const;
  });
  const sandbox = { ...held.sandbox, endpoints: Object.fromEntries(endpoints) };
  sandboxes.replace(identity.containerId, { ...held, sandbox, containerName: identity.containerName });
  return sandbox;
}
