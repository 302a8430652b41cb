import { invalid } from '../../base/errors.ts';
import type { ContainerId } from '../../base/ids.ts';
import { Scope } from '../../base/scope.ts';
import type { ChangedSandbox } from '../../spec/contract/network.ts';
import type { EndpointSettings } from '../../spec/engine/container.ts';
import { ratesIn } from '../rates/rate.ts';
import { rateOptions } from '../../spec/engine/network.ts';
import type { Sandboxes } from './sandboxes.ts';

/**
 * Other bandwidth for endpoints of a running container, whose options (by network name) are new; all or none of them.
 * @throws as `Networks.changeRates`
 */
export async function changeRates(
  sandboxes: Sandboxes,
  containerId: ContainerId,
  options: Readonly<Record<string, EndpointSettings['DriverOpts']>>,
): Promise<ChangedSandbox> {
  const before = sandboxes.all.get(containerId);
  if (before === undefined) throw invalid(`container ${containerId} is not running`);
  await using scope = new Scope();
  const endpoints = { ...before.sandbox.endpoints };
  const undo: (() => Promise<void>)[] = [];
  for (const [name, DriverOpts] of Object.entries(options)) {
    const settings = endpoints[name];
    const held = before.endpoints.find(({ networkName }) => networkName === name);
    const cable = held?.held.hostName;
    if (settings === undefined || cable === undefined || held?.network.rates === undefined) {
      throw invalid(`the bandwidth of the container on the network ${name} cannot be limited`);
    }
    const { rates } = held.network;
    await rates.limit(cable, ratesIn(DriverOpts ?? {}, rateOptions));
    const back = () => rates.limit(cable, ratesIn(settings.DriverOpts ?? {}, rateOptions));
    scope.defer(back);
    undo.push(back);
    endpoints[name] = { ...settings, DriverOpts };
  }
  scope.commit();
  const now = sandboxes.all.get(containerId) ?? before;
  const after = { ...now, sandbox: { ...now.sandbox, endpoints } };
  sandboxes.replace(containerId, after);
  return {
    sandbox: after.sandbox,
    async undo() {
      for (const back of undo) await back();
      if (sandboxes.all.get(containerId) === after) sandboxes.replace(containerId, before);
    },
  };
}
