import { join } from 'node:path';
import { delay } from '../../base/async.ts';
import { isHex64, type ContainerId } from '../../base/ids.ts';
import { killCgroup, removeCgroup } from '../../sys/cgroup/cgroup.ts';
import { removeTrees } from '../../sys/file/place.ts';
import { exitFile } from '../monitor/exit-file.ts';
import { exitsDirectory, type LauncherContext, type MonitorHandle, monitorFiles, runtimeRoot } from './context.ts';
import { cgroupOf, recordedMonitor } from './exit.ts';
import type { Runtime } from './runtimes.ts';
import { runRuntime } from './start.ts';

const MONITOR_GRACE_MS = 2000;

/** See `Launcher.delete`; also cleans up what an interrupted `create` left. Deleting twice is no error. */
export async function deleteContainer(
  context: LauncherContext,
  id: ContainerId,
  directory: string,
  runtimeName: string,
): Promise<void> {
  const live = context.live.get(id);
  const cgroup = live === undefined ? await cgroupOf(directory, id) : live.cgroup;
  // What cannot be removed at once has processes in it.
  const emptied = cgroup === undefined || (await removeCgroup(context.layout, cgroup, 0));
  if (!emptied) await killCgroup(context.layout, cgroup);
  await endMonitor(live?.monitor ?? (await recordedMonitor(directory)));
  live?.stdio?.finish();
  const runtime = live?.runtime ?? (await context.runtimes.find(runtimeName).catch(() => undefined));
  const state = runtime === undefined ? [] : await deletedState(context, runtime, id);
  await removeTrees([...state, ...monitorFiles(directory), exitFile(exitsDirectory(context), id)]);
  if (!emptied && !(await removeCgroup(context.layout, cgroup))) {
    context.log.warn('a cgroup is still busy', { container: id, cgroup });
  }
  context.live.delete(id);
}

/** With nothing left to watch a monitor ends by itself. */
async function endMonitor(monitor: MonitorHandle): Promise<void> {
  const waiting = new AbortController();
  const late = delay(MONITOR_GRACE_MS, waiting.signal).then(
    () => monitor.kill(),
    () => undefined,
  );
  await Promise.race([monitor.ended, late]);
  waiting.abort();
  await monitor.ended;
}

/**
 * `runtime delete` removes the cgroup and the state directory. For known versions that is done here: 0.5 ms instead of
 * 4 to 6. Where the runtime itself cannot, its directory goes all the same, or the id could never be used again.
 * Gives what is left to be deleted.
 */
async function deletedState(context: LauncherContext, runtime: Runtime, id: ContainerId): Promise<string[]> {
  if (!isHex64(id)) return [];
  const state = join(runtimeRoot(context, runtime), id);
  if (runtime.exact === undefined) {
    const result = await runRuntime(context, runtime, ['delete', '--force', id]);
    if (result.code !== 0)
      context.log.debug('runtime delete failed', { container: id, reason: result.stderr.toString() });
  }
  return [state];
}
