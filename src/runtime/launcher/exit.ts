import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { delay } from '../../base/async.ts';
import { systemClock } from '../../base/clock.ts';
import { isHex64, type ContainerId } from '../../base/ids.ts';
import type { ExitStatus } from '../../spec/contract/launch.ts';
import { killCgroup, oomKills } from '../../sys/cgroup/cgroup.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import {
  isAlive,
  type ProcessIdentity,
  processEnded,
  processStartTime,
  signalProcess,
} from '../../sys/process/pidfd.ts';
import { readExitFile } from '../monitor/exit-file.ts';
import { exitsDirectory, type LauncherContext, type LiveContainer, type MonitorHandle } from './context.ts';

const SIGKILL = 9;
/** A container ended but its monitor does not: so long is waited for it. */
const MONITOR_GRACE_MS = 10_000;
/** Docker's exit code for a container whose end nobody saw (a reboot). */
const UNSEEN = 255;

/** Writes down who the monitor is, for the next engine. */
export function recordMonitor(directory: string, pid: number): void {
  writeFileSync(join(directory, 'monitor'), JSON.stringify({ pid, start: processStartTime(pid) ?? 0 }), {
    mode: 0o600,
  });
}

/** The monitor that an earlier engine recorded; one that is gone has ended. */
export async function recordedMonitor(directory: string): Promise<MonitorHandle> {
  const identity = await readIdentity(join(directory, 'monitor'));
  if (identity === undefined) return { ended: Promise.resolve(), kill: () => undefined };
  return { ended: processEnded(identity), kill: () => void signalProcess(identity, SIGKILL) };
}

async function readIdentity(path: string): Promise<ProcessIdentity | undefined> {
  try {
    const { pid, start } = JSON.parse(await readFile(path, 'utf8')) as { pid?: unknown; start?: unknown };
    return typeof pid === 'number' && typeof start === 'number' && pid > 1 ? { pid, start } : undefined;
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** `path` when it ends in the container's own id: everything in it may be killed. */
export const ownCgroup = (path: unknown, id: ContainerId): string | undefined =>
  typeof path === 'string' && isHex64(id) && path.endsWith(`/${id}`) ? path : undefined;

/** The cgroup that an earlier engine gave the container, out of its spec; undefined when there is none. */
export async function cgroupOf(directory: string, id: ContainerId): Promise<string | undefined> {
  try {
    const spec = JSON.parse(await readFile(join(directory, 'config.json'), 'utf8')) as {
      linux?: { cgroupsPath?: unknown };
    };
    return ownCgroup(spec.linux?.cgroupsPath, id);
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * Resolves when the container has ended and all of its output was delivered: the monitor records the exit code before
 * it ends itself, and with its end the connection to it ends behind the last byte.
 */
export async function awaitExit(
  context: LauncherContext,
  id: ContainerId,
  live: Omit<LiveContainer, 'exited'>,
): Promise<ExitStatus> {
  const { cgroup } = live;
  const ranWithMe = isAlive(live.process);
  const overdue = new AbortController();
  const stuck = processEnded(live.process)
    .then(() => delay(MONITOR_GRACE_MS, overdue.signal))
    .then(
      () => 'stuck' as const,
      () => 'ended' as const,
    );
  const how = await Promise.race([live.monitor.ended.then(() => 'ended' as const), stuck]);
  overdue.abort();
  if (how === 'stuck') {
    context.log.warn('a monitor did not end with its container', { container: id });
    live.monitor.kill();
    await live.monitor.ended;
  }
  await live.stdio?.drained;
  const recorded = readExitFile(exitsDirectory(context), id);
  const oomKilled = cgroup !== undefined && oomKills(context.layout, cgroup) > 0;
  if (recorded !== undefined) return { ...recorded, oomKilled };
  return {
    code: await endWithoutMonitor(context, id, live, cgroup, ranWithMe),
    oomKilled,
    finishedNs: systemClock.nowNs(),
  };
}

/** Nobody holds the stdio or will see the exit code of a container whose monitor died: it is ended. */
async function endWithoutMonitor(
  context: LauncherContext,
  id: ContainerId,
  live: Omit<LiveContainer, 'exited'>,
  cgroup: string | undefined,
  ranWithMe: boolean,
): Promise<number> {
  context.log.warn('a container lost its monitor', { container: id });
  if (cgroup !== undefined) await killCgroup(context.layout, cgroup);
  signalProcess(live.process, SIGKILL);
  return ranWithMe ? 128 + SIGKILL : UNSEEN;
}
