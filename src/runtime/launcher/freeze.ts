import type { ContainerId } from '../../base/ids.ts';
import { EngineError } from '../../base/errors.ts';
import { freezeCgroup, isCgroupFrozen, thawCgroup } from '../../sys/cgroup/freezer.ts';
import type { LauncherContext } from './context.ts';
import { liveContainer } from './create.ts';

/** The engine writes to the cgroup itself: a runtime would take 5 ms more for the same two bytes. */
export async function freezeContainer(context: LauncherContext, id: ContainerId): Promise<void> {
  const { cgroup } = liveContainer(context, id);
  if (cgroup === undefined) throw new EngineError('unavailable', `container ${id} has no cgroup of its own`);
  await freezeCgroup(context.layout, cgroup);
}

export async function thawContainer(context: LauncherContext, id: ContainerId): Promise<void> {
  const cgroup = context.live.get(id)?.cgroup;
  if (cgroup !== undefined) await thawCgroup(context.layout, cgroup);
}

export async function isContainerFrozen(context: LauncherContext, id: ContainerId): Promise<boolean> {
  const cgroup = context.live.get(id)?.cgroup;
  return cgroup !== undefined && isCgroupFrozen(context.layout, cgroup);
}
