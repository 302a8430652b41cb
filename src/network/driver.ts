import type { ContainerLink } from '../sys/netlink/plug.ts';
import type { Address, Family, Prefix } from '../base/address.ts';
import type { Rates } from './rates/rate.ts';
import type { SubnetUse } from './addresses.ts';

/** At most one address of each family. */
export type Addresses = Readonly<Partial<Record<Family, Address>>>;

/** What an endpoint asks for; everything may be left open. */
export interface EndpointWish {
  readonly addresses: Addresses;
  /** Further addresses of the link itself. */
  readonly linkLocal: readonly Address[];
  readonly mac: Uint8Array | undefined;
  /** Name of the interface in the container; undefined for the network's prefix and a number. */
  readonly interfaceName: string | undefined;
  /** By path, with IFNAME for the interface's name. */
  readonly sysctls: readonly (readonly [path: string, value: string])[];
  readonly rates: Rates;
}

/** What a container holds of a network, as it is known after a restart, too. */
export interface HeldAddresses {
  readonly addresses: Addresses;
  /** The host's end of the cable, where there is one. */
  readonly hostName: string | undefined;
}

/** A place on a network that is reserved for one container. */
export interface Lease extends HeldAddresses {
  /** Undefined when the kernel chooses it. */
  readonly mac: Uint8Array | undefined;
  /** The interface to plug in, under a name. */
  link(name: string): ContainerLink;
}

/** A namespace with one interface on a network, `eth0`, that no container has joined yet. */
export interface ReadyNamespace {
  /** Descriptor of the namespace: whoever takes it closes it. */
  readonly namespace: number;
  readonly lease: Lease;
}

/** Bandwidth of endpoints, by the host's end of their cable. */
export interface EndpointRates {
  /** Notes what a running container has. */
  adopt(cable: string, own: Rates): void;
  /** From now on. @throws EngineError `unavailable` where the kernel cannot; nothing has changed then. */
  limit(cable: string, own: Rates): Promise<void>;
}

/** How the ports of a network's containers are published. */
export interface Publishing {
  /** `routed`: by the container's own address only. */
  readonly modes: Readonly<Record<Family, 'nat' | 'routed'>>;
  /** Published ports are reached by the container's own address from some interfaces. */
  readonly direct: boolean;
}

/**
 * One network that gives its containers an interface and addresses: what the sandboxes need of a driver
 * (`bridge/network.ts`, `stacked/network.ts`). The life of an address: `lease` or, after a restart, `adopt`; then
 * `retire`, or `release` when nothing was plugged in.
 */
export interface AddressedNetwork {
  readonly subnets: readonly Prefix[];
  /** Containers' default routes, at most one of each family; none for a network without a way out. */
  readonly gateways: Addresses;
  readonly internal: boolean;
  /** What the names of interfaces in containers begin with. */
  readonly interfacePrefix: string;
  /** Its containers find each other by name. */
  readonly hasNames: boolean;
  /** Undefined when ports of its containers cannot be published. */
  readonly publishing: Publishing | undefined;
  /** Undefined where bandwidth cannot be limited. */
  readonly rates?: EndpointRates;
  /** One of the namespaces that are kept ready, or a new one; only networks that keep some have this. */
  ready?(): Promise<ReadyNamespace>;
  /** Drops what `ready` gave. */
  discard?(ready: ReadyNamespace): void;
  /**
   * Reserves addresses and makes sure that the network is there.
   * @throws EngineError `unavailable` when no address is free, `forbidden` when a wanted one is taken, `invalid` for one
   * that is not the network's.
   */
  lease(wish: EndpointWish): Promise<Lease>;
  /** Gives back a lease that was never used. */
  release(held: HeldAddresses): void;
  /** What a running container has. @throws EngineError `forbidden`, `invalid` when it cannot be so. */
  adopt(held: HeldAddresses): void;
  /** Takes back what a container had; at once for the caller, the addresses are free when the interface is gone. */
  retire(held: HeldAddresses): void;
  /**
   * Takes back what a container had whose interface is shut and out of its reach: the addresses are free at once, the
   * rest goes in the background, but for limits of bandwidth, which are waited for. Only networks with cables have this.
   */
  pull?(held: HeldAddresses): Promise<void>;
  /** How many addresses are taken and free, by subnet. */
  usage(): readonly SubnetUse[];
}
