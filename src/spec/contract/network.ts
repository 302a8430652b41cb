import type { ContainerId } from '../../base/ids.ts';
import type { EndpointSettings, PortMap } from '../engine/container.ts';

/** What a container is called. */
export interface SandboxIdentity {
  readonly containerId: ContainerId;
  readonly containerName: string;
  readonly hostname: string;
}

/** What a container wants of the network when it starts. */
export interface SandboxRequest extends SandboxIdentity {
  /**
   * `default` or `bridge`, `host`, `none`, or the name or id of a network. `container:` never comes here: the
   * container service joins the other container's namespace itself.
   */
  readonly networkMode: string;
  /** The endpoints to make, by network name; empty for the mode's own. */
  readonly endpoints: Readonly<Record<string, EndpointSettings>>;
  /** It was disconnected from its last network: without endpoints it has none. */
  readonly detached?: boolean | undefined;
  /** Ports that the container exposes (`80/tcp`), and the wanted bindings. */
  readonly exposedPorts: readonly string[];
  readonly portBindings: PortMap;
  readonly publishAll: boolean;
  /**
   * A network namespace that is there already (a descriptor), for a container with a user namespace; the sandbox takes it
   * over. Undefined for a new one.
   */
  readonly networkNamespace?: number | undefined;
  /** Containers that this one is linked to (`--link`): it reaches what they expose, also where containers are kept apart. */
  readonly links?: readonly ContainerId[] | undefined;
  /** Sysctls of the net.* tree, written inside the namespace. */
  readonly sysctls: Readonly<Record<string, string>>;
  readonly resolver: ResolverChoice;
}

/** Name servers, search domains and options that somebody chose; what is empty is the host's. */
export interface ResolverChoice {
  readonly dns: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** A container that ran when the engine ended. */
export interface RunningSandbox {
  readonly sandbox: Sandbox;
  readonly process: ContainerProcess;
  readonly resolver: ResolverChoice;
}

/** A container's network as it is. Plain data: it is stored in the container's record and given back to `restore`. */
export interface Sandbox {
  /** 64 hex digits; empty for `host`. */
  readonly sandboxId: string;
  readonly mode: 'host' | 'private';
  readonly endpoints: Readonly<Record<string, EndpointSettings>>;
  /** What is published, with real host ports; null for exposed only. */
  readonly ports: PortMap;
  /** See `SandboxRequest.links`. */
  readonly links?: readonly ContainerId[];
  /** The host's names of the interfaces that were made, for cleaning up. */
  readonly hostInterfaces: readonly string[];
  /** By network name: the host's end, where there is one, and the interface's name in the container. */
  readonly interfaces?: Readonly<Record<string, { readonly host?: string; readonly inside: string }>>;
  /** It was on a network with names: it has a name server, also without any such network now. */
  readonly hasNameServer?: boolean;
}

export interface OpenSandbox {
  readonly sandbox: Sandbox;
  /**
   * A path that a runtime can join right now (`/proc/<engine>/fd/N`), undefined for `host`. Valid until
   * `releasePath`; afterwards the container's own process keeps the namespace alive.
   */
  readonly namespacePath: string | undefined;
  releasePath(): void;
}

/** A process: its number, and when it began, as another one may have the number later. */
export interface ContainerProcess {
  readonly pid: number;
  /** Clock ticks since the boot (proc(5), stat, field 22). */
  readonly start: number;
}

/** A network, and what a container wants there. */
export interface WantedEndpoint {
  readonly nameOrId: string;
  readonly settings: EndpointSettings;
}

/** Published ports that a running container gets and loses. */
export interface PortChange {
  readonly add: PortMap;
  /** A port without bindings means all of them; a binding without an address or port means any. */
  readonly remove: PortMap;
}

export interface ChangedPorts {
  readonly sandbox: Sandbox;
  /** Makes it as it was before. */
  undo(): Promise<void>;
}

/** A sandbox that is about to change, or has changed. */
export interface ChangedSandbox {
  readonly sandbox: Sandbox;
  /** Makes it as it was before. */
  undo(): Promise<void>;
}

/** A container that leaves a network: nothing of the kernel's has changed yet. */
export interface LeavingSandbox {
  readonly sandbox: Sandbox;
  /** To be called once the sandbox is durable. The container has left, whatever fails here; the rest is swept at a boot. */
  apply(): Promise<void>;
}

export interface NetworkSummaryForContainer {
  readonly id: string;
  readonly name: string;
  readonly driver: string;
}

export interface Networks {
  /** @throws invalid for bad bindings. Called at create; makes nothing. A network may come to exist until the start. */
  validate(request: Omit<SandboxRequest, 'containerId' | 'containerName' | 'hostname' | 'resolver'>): void;
  find(nameOrId: string): NetworkSummaryForContainer | undefined;
  /**
   * Makes namespace, endpoints and published ports; everything is undone when it throws (conflict: port is taken;
   * not-found: unknown network).
   */
  open(request: SandboxRequest): Promise<OpenSandbox>;
  /**
   * Opens and closes ports of a container that runs, all or none of them.
   * @throws conflict when a host port is taken, or the container has no network of its own; invalid for malformed ports
   * and for those to be closed that are not open.
   */
  changePorts(containerId: ContainerId, change: PortChange): Promise<ChangedPorts>;
  /**
   * Other options about bandwidth, by network name, for endpoints of a container that runs, at once; all or none.
   * @throws invalid where there is none to be limited, unavailable where the kernel cannot.
   */
  changeRates(
    containerId: ContainerId,
    options: Readonly<Record<string, EndpointSettings['DriverOpts']>>,
  ): Promise<ChangedSandbox>;
  /**
   * Connects a container that runs (`process` is one in its namespace) to one more network, whatever the request's own
   * endpoints are; its default routes and published ports follow Docker's order of endpoints.
   * @throws forbidden when it is connected to it already, or an address is taken; not-found; invalid; unavailable.
   */
  connect(request: SandboxRequest, endpoint: WantedEndpoint, process: ContainerProcess): Promise<ChangedSandbox>;
  /** Takes a running container off a network. @throws not-found, conflict when it is not connected to it. */
  disconnect(request: SandboxRequest, nameOrId: string, process: ContainerProcess): Promise<LeavingSandbox>;
  /** Checks an endpoint for a container that does not run, in Docker's words. @throws invalid, not-found, forbidden. */
  checkEndpoint(endpoint: WantedEndpoint): NetworkSummaryForContainer;
  /** A running container has another name: gives its sandbox with the names of now; undefined without any. */
  renamed(identity: SandboxIdentity): Sandbox | undefined;
  /** The container's process, once there is one: with its end the container's names end, engine or not. */
  joined(containerId: ContainerId, process: ContainerProcess): void;
  /** Gives back addresses, ports and interfaces of a container; no error when there is nothing. */
  close(containerId: ContainerId): Promise<void>;
  /** At boot, with all running containers: addresses, ports and names are theirs again, the rest is swept. */
  restore(running: ReadonlyMap<ContainerId, RunningSandbox>): Promise<void>;
  /**
   * The text of a container's resolv.conf, as its networks are now. With `present`, what is there: undefined when that was
   * edited, and is the container's own.
   */
  resolvConf(containerId: ContainerId, networkMode: string, own: ResolverChoice): Promise<string>;
  resolvConf(containerId: ContainerId, mode: string, own: ResolverChoice, present: string): Promise<string | undefined>;
}
