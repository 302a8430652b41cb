import type { NetworkView, SubnetStatus } from '../../spec/engine/network.ts';

/** `JSON.rawJSON` (ES2026) is not among TypeScript's declarations yet. */
const { rawJSON } = JSON as unknown as { rawJSON(this: void, text: string): unknown };

/** A network in a list: containers are shown when it is inspected. */
export const networkSummaryView = (network: NetworkView): NetworkView => ({ ...network, Containers: {} });

/** An inspected network as clients of API 1.`minor` know it: the status of addresses is there since 1.52. */
export function networkInspectView({ Status, ...network }: NetworkView, minor: number): unknown {
  if (Status === undefined || minor < 52) return network;
  const subnets = Object.entries(Status.IPAM.Subnets).map(
    ([subnet, status]) => [subnet, wholeNumbers(status)] as const,
  );
  return { ...network, Status: { IPAM: { Subnets: Object.fromEntries(subnets) } } };
}

/** IPv6 subnets have more addresses than a double can count: their digits go into the JSON text as they are. */
const wholeNumbers = ({ IPsInUse, DynamicIPsAvailable }: SubnetStatus) => ({
  IPsInUse: rawJSON(String(IPsInUse)),
  DynamicIPsAvailable: rawJSON(String(DynamicIPsAvailable)),
});
