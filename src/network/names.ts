import type { ContainerId } from '../base/ids.ts';
import type { NetworkMember, NetworkNames, Sandbox, SandboxIdentity } from '../spec/contract/network.ts';
import type { NetworkCatalog } from './catalog.ts';
import { dnsNames } from './sandbox/make.ts';
import type { Sandboxes } from './sandbox/sandboxes.ts';

/** Names of containers on user-defined networks: kept with each endpoint, given out whole to whoever answers questions. */

/** See `Networks.names`. */
export function namesOf(
  sandboxes: Sandboxes,
  catalog: NetworkCatalog,
  containerId: ContainerId,
): readonly NetworkNames[] | undefined {
  const own = sandboxes.all.get(containerId);
  if (own === undefined || own.sandbox.mode === 'host') return undefined;
  return Object.entries(own.sandbox.endpoints).flatMap(([name, { NetworkID, Links, DNSNames }]) => {
    if (DNSNames === null) return [];
    const internal = catalog.find(NetworkID)?.definition?.internal ?? false;
    const links = (Links ?? []).map(readLink);
    return [{ id: NetworkID, name, internal, members: membersOf(sandboxes, NetworkID), links }];
  });
}

function membersOf(sandboxes: Sandboxes, networkId: string): NetworkMember[] {
  return [...sandboxes.all].flatMap(([containerId, { sandbox }]) =>
    Object.values(sandbox.endpoints)
      .filter(({ NetworkID, DNSNames }) => NetworkID === networkId && DNSNames !== null)
      .map(({ IPAddress, GlobalIPv6Address, DNSNames }) => ({
        containerId,
        names: DNSNames ?? [],
        addresses: [IPAddress, GlobalIPv6Address].filter((address) => address !== ''),
      })),
  );
}

/** `other:alias`, or `other` for both. */
function readLink(text: string): { target: string; alias: string } {
  const colon = text.indexOf(':');
  return colon < 0 ? { target: text, alias: text } : { target: text.slice(0, colon), alias: text.slice(colon + 1) };
}

/** See `Networks.renamed`. */
export function renamedSandbox(sandboxes: Sandboxes, identity: SandboxIdentity): Sandbox | undefined {
  const held = sandboxes.all.get(identity.containerId);
  if (held === undefined) return undefined;
  const endpoints = Object.entries(held.sandbox.endpoints).map(([name, endpoint]) => {
    const DNSNames = endpoint.DNSNames === null ? null : dnsNames(identity, endpoint.Aliases ?? []);
    return [name, { ...endpoint, DNSNames }] as const;
  });
  const sandbox = { ...held.sandbox, endpoints: Object.fromEntries(endpoints) };
  sandboxes.replace(identity.containerId, { ...held, sandbox, containerName: identity.containerName });
  return sandbox;
}
