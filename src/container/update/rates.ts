import { invalid } from '../../base/errors.ts';
import type { EndpointSettings } from '../../spec/engine/container.ts';
import { rateOptions } from '../../spec/engine/network.ts';
import type { RateChange } from '../../spec/engine/update.ts';
import type { ContainerContext } from '../context.ts';
import { namedEndpoints } from '../networks/connect.ts';
import type { ContainerRecord } from '../record.ts';

/** Other bandwidth for a container on its networks. */
export interface PlannedRates {
  /** All endpoints of the container, those that change with their new options. */
  readonly endpoints: Readonly<Record<string, EndpointSettings>>;
  /** The options of those that change, by network name. */
  readonly changed: Readonly<Record<string, EndpointSettings['DriverOpts']>>;
}

const options = { In: rateOptions.in, Out: rateOptions.out } as const;

/**
 * Checks which bandwidth is to be changed; undefined when none is.
 * @throws invalid for malformed rates, networks that the container is not on, and ones that have no bandwidth of their own
 */
export function planRates(
  ctx: ContainerContext,
  record: ContainerRecord,
  wanted: readonly RateChange[],
): PlannedRates | undefined {
  if (wanted.length === 0) return undefined;
  const endpoints = namedEndpoints(ctx, record);
  const changed: Record<string, EndpointSettings['DriverOpts']> = Object.create(null);
  for (const change of wanted) {
    for (const name of affected(ctx, endpoints, change.Network)) {
      const settings = endpoints[name];
      if (settings === undefined) continue;
      const DriverOpts = optionsWith(settings.DriverOpts ?? {}, change);
      const next = { ...settings, DriverOpts };
      ctx.networks.checkEndpoint({ nameOrId: name, settings: next });
      endpoints[name] = next;
      changed[name] = DriverOpts;
    }
  }
  return { endpoints, changed };
}

/** Names of networks; all that the container is on when none is named. */
function affected(
  ctx: ContainerContext,
  endpoints: Readonly<Record<string, EndpointSettings>>,
  network: string,
): readonly string[] {
  if (network === '') {
    const all = Object.keys(endpoints);
    if (all.length === 0) throw invalid('the container has no network of its own whose bandwidth could be limited');
    return all;
  }
  const name = ctx.networks.find(network)?.name ?? network;
  if (endpoints[name] === undefined) throw invalid(`the container is not on the network ${network.slice(0, 100)}`);
  return [name];
}

/** An empty rate leaves it as it is, `default` to the network. */
function optionsWith(before: Readonly<Record<string, string>>, change: RateChange): Record<string, string> | null {
  const after: Record<string, string> = Object.assign(Object.create(null), before);
  for (const [field, name] of Object.entries(options)) {
    const rate = change[field as keyof typeof options];
    if (rate === 'default') delete after[name];
    else if (rate !== '') after[name] = rate;
  }
  return Object.keys(after).length === 0 ? null : after;
}
