import { type Address, parseAddress } from '../../base/address.ts';
import type { ContainerId } from '../../base/ids.ts';
import type { LinkedPort } from '../firewall/elements.ts';
import { parseContainerPort } from '../ports/binding.ts';
import type { Held } from './held.ts';

/** Links are of Docker's first years: there is no other network that has them, and no IPv6. */
const linkedNetwork = 'bridge';

/** What running containers reach by their links: the ports that the others expose. */
export function linkedPorts(all: ReadonlyMap<ContainerId, Held>): LinkedPort[] {
  return [...all.values()].flatMap(({ sandbox }) => {
    const client = addressOn(sandbox);
    if (client === undefined) return [];
    return (sandbox.links ?? []).flatMap((id) => {
      const other = all.get(id)?.sandbox;
      const server = other === undefined ? undefined : addressOn(other);
      if (other === undefined || server === undefined) return [];
      return Object.keys(other.ports).map((port) => ({ ...parseContainerPort(port), client, server }));
    });
  });
}

const addressOn = ({ endpoints }: Held['sandbox']): Address | undefined =>
  parseAddress(endpoints[linkedNetwork]?.IPAddress ?? '');
