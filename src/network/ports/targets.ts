import type { Address, Family } from '../../base/address.ts';

/** The container's side of its published ports in one family. */
export interface FamilyTarget {
  readonly address: Address;
  /** The host's end of the container's cable. */
  readonly interface: string;
  /** `routed`: no port of the host leads to it. */
  readonly mode: 'nat' | 'routed';
  /** The container's address itself is reached at the port from some interfaces. */
  readonly direct: boolean;
}

/** Where the published ports of a container lead: the endpoints that hold its default routes. */
export type PublicationTargets = Readonly<Partial<Record<Family, FamilyTarget>>>;

/**
 * The target of a host's address. IPv6 clients are served without IPv6, by the proxy process where there is one; the
 * reverse is not possible: undefined.
 */
export function targetOf(targets: PublicationTargets, family: Family, proxied: boolean): FamilyTarget | undefined {
  if (family === 4) return targets[4];
  const ipv4 = targets[4]?.mode === 'nat' && proxied ? targets[4] : undefined;
  return targets[6] ?? ipv4;
}
