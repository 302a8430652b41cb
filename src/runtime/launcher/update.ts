import { access } from 'node:fs/promises';
import type { ContainerId } from '../../base/ids.ts';
import { EngineError } from '../../base/errors.ts';
import type { HostConfig } from '../../spec/engine/container.ts';
import { changeLimits } from '../../sys/cgroup/limits.ts';
import { controllerDirectory } from '../../sys/cgroup/layout.ts';
import { limitChanges, type WeightFiles } from '../oci/cgroup-limits.ts';
import { containerResources } from '../oci/resources.ts';
import type { LauncherContext } from './context.ts';
import { liveContainer } from './create.ts';

/**
 * See `Launcher.update`. The engine writes the control files itself: one runtime writes memory and swap in an order
 * that the kernel refuses, another leaves half of a failed change behind.
 */
export async function updateContainer(
  context: LauncherContext,
  id: ContainerId,
  before: HostConfig,
  after: HostConfig,
): Promise<void> {
  const { cgroup } = liveContainer(context, id);
  if (cgroup === undefined) throw new EngineError('unavailable', `container ${id} has no cgroup of its own`);
  // What the host cannot do was told when the request was checked.
  const [old, wanted] = await Promise.all(
    [before, after].map((config) => containerResources(config, context.host, [])),
  );
  if (old === undefined || wanted === undefined) return;
  const version = context.layout.kind === 'v2' ? 2 : 1;
  const { writes, undo } = limitChanges(version, old, wanted, await weightFiles(context, cgroup));
  await changeLimits(context.layout, cgroup, writes, undo);
}

/** Weights belong to the io scheduler BFQ on hosts that have it. */
async function weightFiles({ layout }: LauncherContext, cgroup: string): Promise<WeightFiles> {
  const isV2 = layout.kind === 'v2';
  const directory = controllerDirectory(layout, isV2 ? 'io' : 'blkio', cgroup);
  const has = (file: string): Promise<boolean> =>
    access(`${directory ?? ''}/${file}`).then(
      () => true,
      () => false,
    );
  const prefix = isV2 ? 'io' : 'blkio';
  if (await has(`${prefix}.bfq.weight`)) {
    return { general: `${prefix}.bfq.weight`, perDevice: isV2 ? 'io.bfq.weight' : 'blkio.bfq.weight_device' };
  }
  return { general: `${prefix}.weight`, perDevice: isV2 ? 'io.weight' : 'blkio.weight_device' };
}
