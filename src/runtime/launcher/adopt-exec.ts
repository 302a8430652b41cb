import { writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { delay } from '../../base/async.ts';
import { systemClock } from '../../base/clock.ts';
import { type ContainerId, type ExecId, isHex64 } from '../../base/ids.ts';
import type { AdoptedExec, ExecRequest, ExitStatus, LaunchedExec } from '../../spec/contract/launch.ts';
import { isMember } from '../../sys/cgroup/cgroup.ts';
import { removeTrees } from '../../sys/file/place.ts';
import { type ProcessIdentity, processEnded, processStartTime } from '../../sys/process/pidfd.ts';
import { readExitFile } from '../monitor/exit-file.ts';
import { MonitorStdio } from '../monitor/stdio.ts';
import type { LauncherContext } from './context.ts';
import { signals } from './exec-signals.ts';

/** A monitor that was just let go when its engine died takes a moment to start the process. */
const tries = 20;
const betweenTriesMs = 100;
/** The code of a process whose end nobody saw. */
const UNSEEN = 255;

/** Writes down whose the files of an exec are, for the next engine. `directory`: the exec's own. */
export function noteExec(directory: string, { execId, memo, process }: ExecRequest): void {
  writeFileSync(join(directory, 'exec.json'), JSON.stringify({ execId, tty: process.tty, memo }), { mode: 0o600 });
}

/** See `Launcher.adoptExecs`. */
export async function adoptExecs(context: LauncherContext, id: ContainerId, directory: string): Promise<AdoptedExec[]> {
  const names = (await readdir(directory).catch(() => [])).filter((name) => name.startsWith('exec-'));
  const adopted = await Promise.all(names.map((name) => adoptExec(context, id, join(directory, name))));
  return adopted.filter((exec) => exec !== undefined);
}

async function adoptExec(
  context: LauncherContext,
  id: ContainerId,
  directory: string,
): Promise<AdoptedExec | undefined> {
  const note = await readNote(directory);
  const found = note === undefined ? undefined : await findExec(context, id, directory, note.tty);
  if (found === undefined || !('stdio' in found)) await removeTrees([directory]);
  if (note === undefined) return undefined;
  const { execId, memo } = note;
  return { execId, memo, found: found ?? { code: UNSEEN, oomKilled: false, finishedNs: systemClock.nowNs() } };
}

async function readNote(directory: string): Promise<{ execId: ExecId; tty: boolean; memo: unknown } | undefined> {
  try {
    const note = JSON.parse(await readFile(join(directory, 'exec.json'), 'utf8')) as Record<string, unknown>;
    const { execId, tty, memo } = note;
    return typeof execId === 'string' && isHex64(execId)
      ? { execId: execId as ExecId, tty: tty === true, memo }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Its end, or the process itself; undefined when it never came to run. */
async function findExec(
  context: LauncherContext,
  id: ContainerId,
  directory: string,
  tty: boolean,
): Promise<ExitStatus | LaunchedExec | undefined> {
  for (let round = 0; round < tries; round++) {
    const recorded = readExitFile(directory, id);
    if (recorded !== undefined) return { ...recorded, oomKilled: false };
    const pid = Number(await readFile(join(directory, 'pidfile'), 'utf8').catch(() => ''));
    if (pid > 1) return (await liveExec(context, id, directory, { pid, tty })) ?? (await endOf(id, directory));
    await delay(betweenTriesMs);
  }
  return undefined;
}

/** The process, when it lives and is the container's: its pid may belong to somebody else by now. */
async function liveExec(
  context: LauncherContext,
  id: ContainerId,
  directory: string,
  { pid, tty }: { readonly pid: number; readonly tty: boolean },
): Promise<LaunchedExec | undefined> {
  const identity = { pid, start: processStartTime(pid) ?? 0 };
  const cgroup = context.live.get(id)?.cgroup;
  if (cgroup !== undefined && !(await isMember(pid, cgroup))) return undefined;
  try {
    const stdio = new MonitorStdio(directory, { passEnd: !tty, started: true, onDemand: false });
    return { pid, stdio, exited: adoptedEnd(id, directory, identity, stdio), ...signals(context, id, identity) };
  } catch {
    return undefined;
  }
}

/** With the monitor's end its connection ends, and the exit code is on record. */
async function adoptedEnd(
  id: ContainerId,
  directory: string,
  identity: ProcessIdentity,
  stdio: MonitorStdio,
): Promise<ExitStatus> {
  await Promise.all([stdio.drained, processEnded(identity)]);
  const exit = await endOf(id, directory);
  stdio.finish();
  await removeTrees([directory]);
  return exit;
}

async function endOf(id: ContainerId, directory: string): Promise<ExitStatus> {
  for (let round = 0; round < tries; round++) {
    const recorded = readExitFile(directory, id);
    if (recorded !== undefined) return { ...recorded, oomKilled: false };
    await delay(betweenTriesMs);
  }
  return { code: UNSEEN, oomKilled: false, finishedNs: systemClock.nowNs() };
}
