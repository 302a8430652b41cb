import type { Sandbox } from '../../spec/contract/network.ts';
import { bytesOf, type Family } from '../../base/address.ts';
import type { AddressedNetwork, HeldAddresses } from '../driver.ts';
import type { Publication } from '../firewall/elements.ts';
import type { PublicationTargets } from '../ports/targets.ts';
import type { DefaultRoute } from '../../sys/netlink/plug.ts';

/** One interface of a running container. */
export interface HeldEndpoint {
  readonly networkId: string;
  readonly networkName: string;
  readonly network: AddressedNetwork;
  /** Inside the container. */
  readonly interfaceName: string;
  readonly held: HeldAddresses;
  /** The endpoint with the largest one is the way out. */
  readonly priority: number;
}

/** What a container holds of the network. */
export interface Held {
  readonly sandbox: Sandbox;
  readonly containerName: string;
  readonly publications: readonly Publication[];
  /** None for `host` and `none`. */
  readonly endpoints: readonly HeldEndpoint[];
}

const families = [4, 6] as const;

const hasWayOut = ({ network, held }: HeldEndpoint, family: Family): boolean =>
  network.gateways[family] !== undefined && held.addresses[family] !== undefined;

const waysOut = (endpoint: HeldEndpoint): number => families.filter((family) => hasWayOut(endpoint, family)).length;

/** Docker's order of endpoints, the best way out first. */
export function compareEndpoints(one: HeldEndpoint, other: HeldEndpoint): number {
  if (one.priority !== other.priority) return other.priority - one.priority;
  if (one.network.internal !== other.network.internal) return one.network.internal ? 1 : -1;
  if (waysOut(one) !== waysOut(other)) return waysOut(other) - waysOut(one);
  return one.networkName < other.networkName ? -1 : 1;
}

/** The endpoints that hold the default routes, by family. */
export type Gateways = Readonly<Partial<Record<Family, HeldEndpoint>>>;

export function chooseGateways(endpoints: readonly HeldEndpoint[]): Gateways {
  const sorted = endpoints.toSorted(compareEndpoints);
  const chosen: Partial<Record<Family, HeldEndpoint>> = {};
  for (const family of families) {
    const endpoint = sorted.find((one) => hasWayOut(one, family));
    if (endpoint !== undefined) chosen[family] = endpoint;
  }
  return chosen;
}

/** The default routes of a container's namespace. */
export function routesOf(gateways: Gateways): DefaultRoute[] {
  return families.flatMap((family) => {
    const endpoint = gateways[family];
    const gateway = endpoint?.network.gateways[family];
    return endpoint === undefined || gateway === undefined
      ? []
      : [{ link: endpoint.interfaceName, gateway: bytesOf(gateway) }];
  });
}

export const sameGateways = (one: Gateways, other: Gateways): boolean =>
  families.every((family) => one[family]?.networkId === other[family]?.networkId);

/** Where published ports lead: the endpoints with the default routes, as far as their networks publish ports. */
export function targetsOf(gateways: Gateways): PublicationTargets {
  const found = families.flatMap((family) => {
    const endpoint = gateways[family];
    const address = endpoint?.held.addresses[family];
    const publishing = endpoint?.network.publishing;
    if (endpoint === undefined || address === undefined || publishing === undefined) return [];
    const target = {
      address,
      interface: endpoint.held.hostName ?? '',
      mode: publishing.modes[family],
      direct: publishing.direct,
    };
    return [[family, target] as const];
  });
  return Object.fromEntries(found);
}
