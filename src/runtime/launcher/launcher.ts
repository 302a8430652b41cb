/** The `Launcher`: one conmon beside each container, crun or runc as the OCI runtime, and what lies between. */
import { access, chmod, constants, mkdir } from 'node:fs/promises';
import { EngineError, notFound } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { LaunchedContainer, Launcher, StdioChannel } from '../../spec/contract/launch.ts';
import { cgroupPids } from '../../sys/cgroup/cgroup.ts';
import { readCgroupLayout } from '../../sys/cgroup/layout.ts';
import { signalProcess } from '../../sys/process/pidfd.ts';
import { reopenMonitorLog } from '../monitor/control.ts';
import { readExitFile } from '../monitor/exit-file.ts';
import { MonitorStdio } from '../monitor/stdio.ts';
import type { HostFacts } from '../oci/host.ts';
import { adoptExecs } from './adopt-exec.ts';
import { exitsDirectory, type LauncherContext } from './context.ts';
import { createContainer, follow, liveContainer } from './create.ts';
import { deleteContainer } from './delete.ts';
import { execInContainer } from './exec.ts';
import { cgroupOf, recordedMonitor } from './exit.ts';
import { freezeContainer, isContainerFrozen, thawContainer } from './freeze.ts';
import { mountIntoContainer, unmountFromContainer } from './live-mounts.ts';
import { type RuntimeSetting, Runtimes } from './runtimes.ts';
import { startContainer } from './start.ts';
import { sweepUnknown } from './sweep.ts';
import { updateContainer } from './update.ts';

export interface LauncherSettings {
  /** This instance's own directory for state that a reboot may take (`/run/gantry`); made when missing. */
  readonly stateDirectory: string;
  readonly host: HostFacts;
  /** More runtimes by name (daemon.json, `runtimes`). */
  readonly runtimes?: ReadonlyMap<string, RuntimeSetting>;
  /** Absolute path of conmon, searched for when left out. */
  readonly conmon?: string;
  readonly log: Logger;
}

const conmonPlaces = [
  '/usr/local/bin/conmon',
  '/usr/bin/conmon',
  '/usr/libexec/podman/conmon',
  '/usr/lib/podman/conmon',
];

async function findConmon(): Promise<string> {
  for (const path of conmonPlaces) {
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  throw new EngineError('unavailable', 'conmon is not installed');
}

/** @throws unavailable when conmon is missing; runtimes are looked for when they are needed. */
export async function openLauncher(settings: LauncherSettings): Promise<Launcher> {
  const context: LauncherContext = {
    conmon: settings.conmon ?? (await findConmon()),
    stateDirectory: settings.stateDirectory,
    host: settings.host,
    layout: await readCgroupLayout(),
    runtimes: new Runtimes(settings.runtimes ?? new Map(), { sealed: true }),
    log: settings.log,
    live: new Map(),
  };
  await mkdir(exitsDirectory(context), { recursive: true, mode: 0o700 });
  await chmod(context.stateDirectory, 0o700);
  return {
    create: (request) => createContainer(context, request),
    start: (id) => startContainer(context, id, liveContainer(context, id)),
    adopt: (request) => adoptContainer(context, request),
    exec: (request) => execInContainer(context, request),
    adoptExecs: (id, directory) => adoptExecs(context, id, directory),
    signal: async (id, _directory, signal) => {
      const live = context.live.get(id);
      return live !== undefined && signalProcess(live.process, signal);
    },
    freeze: (id) => freezeContainer(context, id),
    thaw: (id) => thawContainer(context, id),
    update: (id, before, after) => updateContainer(context, id, before, after),
    mount: (id, mount, kind, owner) => mountIntoContainer(context, id, mount, kind, owner),
    unmount: (id, target, source) => unmountFromContainer(context, id, target, source),
    pids: async (id) => {
      const cgroup = context.live.get(id)?.cgroup;
      return cgroup === undefined ? [] : cgroupPids(context.layout, cgroup);
    },
    isFrozen: (id) => isContainerFrozen(context, id),
    delete: (id, directory, runtime) => deleteContainer(context, id, directory, runtime),
    reopenLog: async (id, directory) => {
      if (!reopenMonitorLog(directory)) throw notFound(`the monitor of container ${id} is gone`);
    },
    sweep: (known) => sweepUnknown(context, known),
  };
}

/** The stdio of a container whose monitor has ended. */
const endedStdio: StdioChannel = {
  add: (sink) => sink.end(),
  remove: () => undefined,
  write: () => Promise.resolve(),
  closeStdin: () => undefined,
  resize: () => Promise.resolve(),
  drained: Promise.resolve(),
};

/** Connects to a monitor that an earlier engine started. */
async function adoptContainer(
  context: LauncherContext,
  request: Parameters<Launcher['adopt']>[0],
): Promise<LaunchedContainer> {
  const { id, directory, pid, pidStart, tty, stdinOnce, openStdin } = request;
  const ended = readExitFile(exitsDirectory(context), id) !== undefined;
  let stdio: MonitorStdio | undefined;
  try {
    if (!ended)
      stdio = new MonitorStdio(directory, { passEnd: stdinOnce && !tty, started: true, onDemand: !openStdin });
  } catch (error) {
    // It ended a moment ago, or died; both show when its end is waited for.
    context.log.debug('no connection to a monitor', { container: id, error });
  }
  const live = {
    directory,
    process: { pid, start: pidStart },
    runtime: await context.runtimes.find(request.runtime),
    stdio,
    monitor: await recordedMonitor(directory),
    cgroup: await cgroupOf(directory, id),
  };
  return follow(context, id, live, stdio ?? endedStdio);
}
