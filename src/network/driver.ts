import type { Prefix } from './ipv4.ts';

/** A namespace with one interface on a network. */
export interface Attachment {
  /** Descriptor of the namespace: the owner of the attachment closes it. */
  readonly namespace: number;
  readonly address: number;
  readonly mac: Uint8Array;
  /** The host's end of the cable. */
  readonly hostName: string;
}

/**
 * One network that gives its containers an interface and an address: what the sandboxes need of a driver. `bridge` is
 * the first (`bridge/network.ts`); a new driver implements this and nothing of the sandboxes changes. The life of an
 * address: `attach` or, after a restart, `adopt`; then `retire`, or `discard` when no container came to use it.
 */
export interface AddressedNetwork {
  readonly subnet: Prefix;
  /** The containers' default route; also the host's address on the network. */
  readonly gateway: number;
  /**
   * A new namespace on the network, ready to be joined. `mac` replaces the hardware address that follows from the IPv4
   * address; `namespace` is one to take over instead of a new one. @throws EngineError `unavailable` when no address is free.
   */
  attach(mac: Uint8Array | undefined, namespace?: number): Promise<Attachment>;
  /** Address and cable are a running container's. @throws EngineError `conflict`, `invalid` when they cannot be. */
  adopt(address: number, hostName: string | undefined): void;
  /** Takes back what a container had; at once for the caller, the address is free when the cable is gone. */
  retire(address: number, hostName: string | undefined): void;
  /** Drops an attachment that no container has joined. */
  discard(attachment: Attachment): void;
}
