import type { AddressSpace } from './subnets.ts';

/** How one engine's networks differ from another's on the same host: every name is its own. */
export interface NetworkConfig {
  /** The interface of the default network, at most 15 bytes: `gantry0`, or one named after the instance. */
  readonly bridgeName: string;
  /** The netfilter table. */
  readonly tableName: string;
  /**
   * What the host's ends of containers' cables begin with, at most 8 bytes; seven hex digits follow. No other engine's
   * names begin with it: such interfaces that belong to no container are removed at boot.
   */
  readonly interfacePrefix: string;
  /** Where subnets are taken from; Docker's default pools when left out. */
  readonly addressSpaces?: readonly AddressSpace[];
  /** The default network's subnet (`10.1.0.0/16`); one that the host does not use when left out. */
  readonly bridgeSubnet?: string;
  /** Bytes; 1500 when left out. */
  readonly mtu?: number;
  /** How many namespaces are kept ready; 4 when left out, 0 for none (each takes some 60 KB of kernel memory). */
  readonly readyNamespaces?: number;
  /**
   * Path of the socket to the proxy process, in a folder that is the engine's alone. Left out, ports are published on
   * IPv4 addresses only.
   */
  readonly proxySocket?: string;
  /** False makes the firewall table an ordinary one also where the kernel could protect it from other programs. */
  readonly protectFirewall?: boolean;
}

export const defaultMtu = 1500;
export const defaultReadyNamespaces = 4;
