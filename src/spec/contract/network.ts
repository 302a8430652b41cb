import type { ContainerId } from '../../base/ids.ts';
import type { EndpointSettings, PortMap } from '../engine/container.ts';

/** What a container wants of the network when it starts. */
export interface SandboxRequest {
  readonly containerId: ContainerId;
  readonly containerName: string;
  readonly hostname: string;
  /**
   * `default` or `bridge`, `host`, `none`, or the name or id of a network. `container:` never comes here: the
   * container service joins the other container's namespace itself.
   */
  readonly networkMode: string;
  /** The endpoints to make, by network name; empty for the mode's own. */
  readonly endpoints: Readonly<Record<string, EndpointSettings>>;
  /** Ports that the container exposes (`80/tcp`), and the wanted bindings. */
  readonly exposedPorts: readonly string[];
  readonly portBindings: PortMap;
  readonly publishAll: boolean;
  /**
   * A network namespace that is there already (a descriptor), for a container with a user namespace; the sandbox takes it
   * over. Undefined for a new one.
   */
  readonly networkNamespace?: number | undefined;
  /** Sysctls of the net.* tree, written inside the namespace. */
  readonly sysctls: Readonly<Record<string, string>>;
}

/** A container's network as it is. Plain data: it is stored in the container's record and given back to `restore`. */
export interface Sandbox {
  /** 64 hex digits; empty for `host`. */
  readonly sandboxId: string;
  readonly mode: 'host' | 'private';
  readonly endpoints: Readonly<Record<string, EndpointSettings>>;
  /** What is published, with real host ports; null for exposed only. */
  readonly ports: PortMap;
  /** The host's names of the interfaces that were made, for cleaning up. */
  readonly hostInterfaces: readonly string[];
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

export interface NetworkSummaryForContainer {
  readonly id: string;
  readonly name: string;
  readonly driver: string;
}

export interface Networks {
  /** @throws invalid for bad bindings. Called at create; makes nothing. A network may come to exist until the start. */
  validate(request: Omit<SandboxRequest, 'containerId' | 'containerName' | 'hostname'>): void;
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
  /** Gives back addresses, ports and interfaces of a container; no error when there is nothing. */
  close(containerId: ContainerId): Promise<void>;
  /** At boot, with the sandboxes of all running containers: addresses and ports are theirs again, the rest is swept. */
  restore(running: ReadonlyMap<ContainerId, Sandbox>): Promise<void>;
  /** Name servers, search domains and options for a container's resolv.conf. */
  resolvConf(networkMode: string, own: { dns: string[]; search: string[]; options: string[] }): Promise<string>;
}
