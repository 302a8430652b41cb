import { bridgeSettings } from '../define/options.ts';
import type { NetworkRecord } from '../record.ts';
import type { PortDefaults } from './binding.ts';

/** What the operator says of published ports that do not say it themselves. */
export interface PublishDefaults {
  /** The host's addresses of ports of the default network (dockerd's `ip`), of both families; all when empty. */
  readonly bridgeIp?: string | undefined;
  /** The host's addresses of ports of all networks; all when empty. */
  readonly hostIps?: readonly string[] | undefined;
  readonly hostRules?: boolean | undefined;
}

/** What the ports of a container on these networks have that do not say: the networks' own options, else the operator's. */
export function portDefaults(networks: readonly NetworkRecord[], operator: PublishDefaults): PortDefaults {
  const settings = networks
    .filter(({ driver }) => driver === 'bridge')
    .map((network) => ({ network, own: bridgeSettings(network.definition?.options ?? {}) }));
  const first = <T>(of: (one: (typeof settings)[number]) => T | undefined): T | undefined =>
    settings.map(of).find((value) => value !== undefined);
  const address = first(({ network, own }) => (network.definition === undefined ? operator.bridgeIp : own.hostBinding));
  return {
    hostIps: address === undefined ? (operator.hostIps ?? []) : [address],
    from: first(({ own }) => own.publishFrom),
    hostRules: first(({ own }) => own.hostRules) ?? operator.hostRules,
  };
}
