import type { ContainerId } from '../../base/ids.ts';
import type { LaunchedExec } from '../../spec/contract/launch.ts';
import { cgroupPids } from '../../sys/cgroup/cgroup.ts';
import { type ProcessIdentity, signalProcess } from '../../sys/process/pidfd.ts';
import { killTree } from '../../sys/process/tree.ts';
import type { LauncherContext } from './context.ts';

/** A process that ended before its start time could be read is gone: nothing reaches the next owner of its pid. */
export function signals(
  context: LauncherContext,
  containerId: ContainerId,
  identity: ProcessIdentity,
): Pick<LaunchedExec, 'signal' | 'kill'> {
  const cgroup = context.live.get(containerId)?.cgroup;
  return {
    signal: (signal) => signalProcess(identity, signal),
    kill: () => killTree(identity, async () => (cgroup === undefined ? [] : cgroupPids(context.layout, cgroup))),
  };
}
