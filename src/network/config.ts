import type { ResolverChoice } from '../spec/contract/network.ts';
import type { PublishDefaults } from './ports/defaults.ts';
import { isPredefined, type NetworkRecord } from './record.ts';
import type { AddressSpace } from './subnets.ts';

/** Bits of a packet's mark: those of `mask` are `value`. */
export interface PacketMark {
  readonly value: number;
  readonly mask: number;
}

/** How one engine's networks differ from another's on the same host: every name is its own. */
export interface NetworkConfig {
  /** Packets that an administrator's own rules have marked so are let through to containers, but for internal networks. */
  readonly acceptMark?: PacketMark;
  /** Published ports are reached by the container's own address from everywhere, too. */
  readonly directRouting?: boolean;
  /** The interface of the default network, at most 15 bytes: `gantry0`, or one named after the instance. */
  readonly bridgeName: string;
  /** The netfilter table. */
  readonly tableName: string;
  /**
   * What the host's ends of containers' cables begin with, at most 8 bytes; seven hex digits follow. No other engine's
   * names begin with it: such interfaces that belong to no container are removed at boot.
   */
  readonly interfacePrefix: string;
  /** What the interfaces of user-defined networks begin with: the first digits of the network's id follow. */
  readonly networkPrefix: string;
  /** Where subnets are taken from; Docker's default pools when left out. */
  readonly addressSpaces?: readonly AddressSpace[];
  /** The default network's subnet (`10.1.0.0/16`); one that the host does not use when left out. */
  readonly bridgeSubnet?: string;
  /** The default network's own address and its subnet (`10.1.0.1/24`), which decide alone. */
  readonly bridgeAddress?: string;
  /** The part of its subnet that containers get addresses from; without `bridgeAddress` it is the subnet, too. */
  readonly bridgeRange?: string;
  /** IPv6 on the default network. */
  readonly ipv6?: boolean;
  /** Its IPv6 subnet, where it is not to be one of the engine's own. */
  readonly bridgeSubnet6?: string;
  /** Its own IPv6 address and subnet (`fd00:1::1/64`), which decide alone. */
  readonly bridgeAddress6?: string;
  /** False keeps containers of the default network apart. */
  readonly talking?: boolean;
  /** What the engine's own IPv6 addresses follow from; the bridge's name when left out. */
  readonly seed?: string;
  /** Options of new networks, by driver. */
  readonly defaultOptions?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** False leaves the default network out altogether. */
  readonly hasBridge?: boolean;
  /** What published ports have that do not say; also the host's addresses, all when left out. */
  readonly ports?: PublishDefaults;
  /** False lets packets to the outside keep the container's own address. */
  readonly masquerade?: boolean;
  /** False leaves the kernel's switch for forwarding as it is. */
  readonly forwarding?: boolean;
  /** Name servers, search domains and options of containers that name none. */
  readonly resolver?: ResolverChoice;
  /** Containers of the default network find each other by name, too. */
  readonly bridgeNames?: boolean;
  /** Where the host's own programs may ask for names of containers. */
  readonly namesListen?: { readonly address: string; readonly port: number };
  /** Bytes; 1500 when left out. */
  readonly mtu?: number;
  /** How many namespaces are kept ready; 4 when left out, 0 for none (each takes some 60 KB of kernel memory). */
  readonly readyNamespaces?: number;
  /**
   * Path of the socket to the resolver process, in a folder that is the engine's alone. Left out, containers have no names,
   * and ports are published on IPv4 addresses only.
   */
  readonly resolverSocket?: string;
  /** False makes the firewall table an ordinary one also where the kernel could protect it from other programs. */
  readonly protectFirewall?: boolean;
}

/** Networks whose containers find each other by name: user-defined ones, the default one where that is asked for. */
export const hasNames = (record: NetworkRecord, { bridgeNames = false }: NetworkConfig): boolean =>
  !isPredefined(record) || (bridgeNames && record.driver === 'bridge');

export const defaultMtu = 1500;
export const defaultReadyNamespaces = 4;
