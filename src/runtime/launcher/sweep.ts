import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContainerId, isHex64 } from '../../base/ids.ts';
import type { SetOfContainers } from '../../spec/contract/storage.ts';
import { childCgroups, killCgroup, removeCgroup } from '../../sys/cgroup/cgroup.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import { processEnded, processStartTime, signalProcess } from '../../sys/process/pidfd.ts';
import { exitFile } from '../monitor/exit-file.ts';
import { exitsDirectory, type LauncherContext } from './context.ts';

const SIGKILL = 9;

/**
 * Removes what belongs to containers that nobody knows any more: an engine that was killed in the middle of a create or
 * a delete leaves such things. Everything is found by this instance's own names.
 */
export async function sweepUnknown(context: LauncherContext, known: SetOfContainers): Promise<void> {
  const unknown = (name: string): name is ContainerId => isHex64(name) && !known.has(name as ContainerId);
  const parent = context.host.cgroupParent;
  const cgroups = (await childCgroups(context.layout, parent)).filter(unknown);
  for (const id of cgroups) await killCgroup(context.layout, `${parent}/${id}`);
  await endMonitors(context, unknown);
  for (const id of cgroups) {
    context.log.info('removing the remains of an unknown container', { container: id });
    await removeCgroup(context.layout, `${parent}/${id}`);
  }
  for (const name of await entries(exitsDirectory(context))) {
    // A monitor writes beside the file (`<id>.<six letters>`) and renames that, if nobody ends it meanwhile.
    if (unknown(name.replace(/\.\w{6}$/, ''))) await rm(exitFile(exitsDirectory(context), name), { force: true });
  }
  for (const root of await entries(context.stateDirectory)) {
    if (!root.startsWith('runtime-')) continue;
    for (const name of await entries(join(context.stateDirectory, root))) {
      if (unknown(name)) await rm(join(context.stateDirectory, root, name), { recursive: true, force: true });
    }
  }
}

async function entries(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** A monitor of this instance writes to its exit directory, or is an exec's below a container's directory. */
async function endMonitors(context: LauncherContext, unknown: (id: string) => boolean): Promise<void> {
  for (const name of await entries('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const start = processStartTime(pid);
    const args = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (start === undefined || args[0] !== 'conmon') continue;
    const root = args[args.indexOf('--root') + 2];
    const ours = args.includes(exitsDirectory(context)) || root?.startsWith(`${context.stateDirectory}/`) === true;
    if (!ours || !unknown(args[args.indexOf('-c') + 1] ?? '')) continue;
    if (signalProcess({ pid, start }, SIGKILL)) await processEnded({ pid, start });
  }
}
