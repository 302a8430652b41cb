import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, internal } from '../../base/errors.ts';
import { type LaunchedContainer, LaunchError, type LaunchRequest } from '../../spec/contract/launch.ts';
import { requestedMode } from '../../spec/engine/tmpfs-options.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import { changeModeInRootAsync } from '../../sys/paths/paths.ts';
import { processStartTime } from '../../sys/process/pidfd.ts';
import { guardLog, type Monitor, startContainerMonitor } from '../monitor/conmon.ts';
import { exitFile } from '../monitor/exit-file.ts';
import type { MonitorReport } from '../monitor/reports.ts';
import { MonitorStdio } from '../monitor/stdio.ts';
import { serializeSpec } from '../oci/serialize.ts';
import { buildContainerSpec } from '../oci/spec.ts';
import {
  exitsDirectory,
  type LauncherContext,
  type LiveContainer,
  monitorFiles,
  monitorRequest,
  runtimeRoot,
} from './context.ts';
import { deleteContainer } from './delete.ts';
import { awaitExit, ownCgroup, recordMonitor } from './exit.ts';
import { createFailure } from './failure.ts';
import type { Runtime } from './runtimes.ts';
import { placeForRoot } from './shown-root.ts';

const SIGKILL = 9;
/** A runtime that takes longer (a dead mount) is given up. */
const CREATE_TIMEOUT_MS = 120_000;

/** See `Launcher.create`. */
export async function createContainer(context: LauncherContext, request: LaunchRequest): Promise<LaunchedContainer> {
  const runtime = await context.runtimes.find(request.runtime);
  const place = request.userNamespace === undefined ? undefined : placeForRoot(context);
  const { spec, warnings } = await buildContainerSpec({ ...request, rootfs: place ?? request.rootfs }, context.host);
  for (const warning of warnings) context.log.warn(warning, { container: request.id });
  await removeRemains(context, request, runtime);
  // The exec root is in memory (/run): a few small files are handled without a trip to a thread.
  for (const path of [...monitorFiles(request.directory), exitFile(exitsDirectory(context), request.id)]) {
    rmSync(path, { force: true });
  }
  if (takesModesOfTargets(runtime)) await giveModes(request);
  writeFileSync(join(request.directory, 'config.json'), serializeSpec(spec), { mode: 0o600 });
  const monitor = await startMonitor(context, request, runtime, place);
  try {
    recordMonitor(request.directory, monitor.process.pid);
    const pid = await createdPid(monitor, request, runtime);
    // The container is there, and does not inherit it.
    if (request.logPath !== undefined && request.logGuardBytes > 0) guardLog(monitor, request.logGuardBytes);
    return register(context, request, {
      runtime,
      monitor,
      pid,
      cgroup: ownCgroup(spec.linux?.cgroupsPath, request.id),
    });
  } catch (error) {
    monitor.process.signal(SIGKILL);
    await deleteContainer(context, request.id, request.directory, request.runtime).catch((failure: unknown) =>
      context.log.warn('a container that was not created could not be cleaned up', { container: request.id, failure }),
    );
    throw error;
  } finally {
    monitor.sync.close();
  }
}

/**
 * runc 1.1.0 to 1.1.7 give a tmpfs the permission bits of the directory that it covers, whatever its options say
 * (its issue 3911): there the directory gets those of the options beforehand.
 */
const takesModesOfTargets = ({ version }: Runtime): boolean => /^runc version 1\.1\.[0-7](?![0-9])/.test(version);

async function giveModes({ rootfs, mounts }: LaunchRequest): Promise<void> {
  for (const mount of mounts) {
    const mode = mount.kind === 'tmpfs' ? requestedMode(mount.options) : undefined;
    if (mode === undefined) continue;
    await changeModeInRootAsync(rootfs, mount.target, mode).catch((error: unknown) => {
      // Where a file is, the runtime has its own words for it.
      if (systemCode(error) !== 'ENOTDIR') throw error;
    });
  }
}

/** An engine that was killed before it could record what it created left a container behind, perhaps a running one. */
async function removeRemains(context: LauncherContext, request: LaunchRequest, runtime: Runtime): Promise<void> {
  if (!existsSync(join(runtimeRoot(context, runtime), request.id))) return;
  await deleteContainer(context, request.id, request.directory, request.runtime);
}

const startMonitor = (
  context: LauncherContext,
  request: LaunchRequest,
  runtime: Runtime,
  place: string | undefined,
): Promise<Monitor> =>
  startContainerMonitor({
    ...monitorRequest(context, runtime, request.directory),
    ...(place === undefined ? {} : { shownMount: { source: request.rootfs, target: place } }),
    containerId: request.id,
    name: request.name,
    exits: exitsDirectory(context),
    tty: request.process.tty,
    openStdin: request.process.openStdin,
    leaveStdinOpen: !request.process.stdinOnce,
    logPath: request.logPath,
  });

async function createdPid(monitor: Monitor, request: LaunchRequest, runtime: Runtime): Promise<number> {
  const report = await inTime(monitor.sync.next(), `${runtime.name} create`);
  if (report !== undefined && report.data > 0) return report.data;
  throw createFailure(runtime.name, report?.message ?? '', request.process.args[0] ?? '');
}

/** @throws LaunchError when the runtime does not answer. */
export async function inTime(
  report: Promise<MonitorReport | undefined>,
  what: string,
): Promise<MonitorReport | undefined> {
  const { promise: timeout, reject } = Promise.withResolvers<never>();
  // A bare timer: an abort signal takes 0.3 ms for the error that nobody reads.
  const timer = setTimeout(
    () => reject(new LaunchError(128, `${what} did not finish within ${CREATE_TIMEOUT_MS / 1000} seconds`)),
    CREATE_TIMEOUT_MS,
  );
  try {
    return await Promise.race([report, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function register(
  context: LauncherContext,
  request: LaunchRequest,
  made: { runtime: Runtime; monitor: Monitor; pid: number; cgroup: string | undefined },
): LaunchedContainer {
  const { runtime, monitor, pid, cgroup } = made;
  const start = processStartTime(pid);
  if (start === undefined) throw internal(`container ${request.id} ended before it was started`);
  const { tty, stdinOnce, openStdin } = request.process;
  const stdio = new MonitorStdio(request.directory, {
    passEnd: stdinOnce && !tty,
    started: true,
    onDemand: !openStdin,
  });
  const live: Omit<LiveContainer, 'exited'> = {
    directory: request.directory,
    process: { pid, start },
    runtime,
    stdio,
    monitor: { ended: monitor.process.exited, kill: () => void monitor.process.signal(SIGKILL) },
    cgroup,
  };
  return follow(context, request.id, live, stdio);
}

/** Enters a container into the list of live ones, and gives its clients the end when it has ended. */
export function follow(
  context: LauncherContext,
  id: LaunchRequest['id'],
  live: Omit<LiveContainer, 'exited'>,
  stdio: LaunchedContainer['stdio'],
): LaunchedContainer {
  const exited = awaitExit(context, id, live);
  context.live.set(id, { ...live, exited });
  void exited
    .catch((failure: unknown) => context.log.error('waiting for a container failed', { container: id, failure }))
    .finally(() => live.stdio?.finish());
  return { pid: live.process.pid, pidStart: live.process.start, stdio, exited };
}

/** @throws not-found */
export function liveContainer(context: LauncherContext, id: LaunchRequest['id']): LiveContainer {
  const live = context.live.get(id);
  if (live === undefined) throw new EngineError('not-found', `container ${id} is not running`);
  return live;
}
