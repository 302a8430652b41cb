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
  IPAM: {
    Driver: string;
    Options: Record<string, string> | null;
    Config: { Subnet?: string; IPRange?: string; Gateway?: string; AuxiliaryAddresses?: Record<string, string> }[];
  };
  Internal: boolean;
  Attachable: boolean;
  Ingress: boolean;
  ConfigFrom: { Network: string };
  ConfigOnly: boolean;
  /** By container id. */
  Containers: Record<string, NetworkContainerView>;
  Options: Record<string, string>;
  Labels: Record<string, string>;
}

/** One endpoint of an inspected network; addresses carry their prefix length. */
export interface NetworkContainerView {
  Name: string;
  EndpointID: string;
  MacAddress: string;
  IPv4Address: string;
  IPv6Address: string;
}
