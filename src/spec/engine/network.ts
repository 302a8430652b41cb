/** One subnet of a network, in requests and as it is shown. */
export interface IpamConfig {
  Subnet?: string;
  /** The part of the subnet that containers get addresses from. */
  IPRange?: string;
  Gateway?: string;
  /** Addresses by name that no container gets. */
  AuxiliaryAddresses?: Record<string, string>;
}

export interface Ipam {
  Driver: string;
  Options: Record<string, string> | null;
  /** Null for networks without addresses. */
  Config: IpamConfig[] | null;
}

/** The body of `POST /networks/create`. */
export interface CreateNetworkRequest {
  Name: string;
  Driver: string;
  Scope: string;
  /** API 1.48 and later; undefined for what the options say, or yes. */
  EnableIPv4?: boolean;
  EnableIPv6?: boolean;
  IPAM: Ipam;
  Internal: boolean;
  Attachable: boolean;
  Ingress: boolean;
  ConfigOnly: boolean;
  ConfigFrom: { Network: string } | null;
  Options: Record<string, string>;
  Labels: Record<string, string>;
}

/** A network, in lists (without `Containers`) and inspected. */
export interface NetworkView {
  Name: string;
  Id: string;
  /** RFC 3339. */
  Created: string;
  Scope: 'local' | 'global' | 'swarm';
  Driver: string;
  EnableIPv4: boolean;
  EnableIPv6: boolean;
  IPAM: Ipam;
  Internal: boolean;
  Attachable: boolean;
  Ingress: boolean;
  ConfigFrom: { Network: string };
  ConfigOnly: boolean;
  /** By container id. */
  Containers: Record<string, NetworkContainerView>;
  Options: Record<string, string>;
  Labels: Record<string, string>;
  /** Of an inspected network, API 1.52 and later: how many addresses of each subnet are taken and free. */
  Status?: { IPAM: { Subnets: Record<string, SubnetStatus> } };
}

/** Whole numbers that may be larger than 2^53: the largest uint64 for more than that. */
export interface SubnetStatus {
  IPsInUse: bigint;
  DynamicIPsAvailable: bigint;
}

/** One endpoint of an inspected network; addresses carry their prefix length. */
export interface NetworkContainerView {
  Name: string;
  EndpointID: string;
  MacAddress: string;
  IPv4Address: string;
  IPv6Address: string;
}

/**
 * Options about bandwidth: of endpoints, and of networks for endpoints that say nothing themselves. `in` is what a
 * container gets, `out` what it sends.
 */
export const rateOptions = { in: 'gantry.rate.in', out: 'gantry.rate.out' } as const;

/** Options of networks about what they exchange with everything else, as a whole. */
export const totalRateOptions = { in: 'gantry.rate.total.in', out: 'gantry.rate.total.out' } as const;
