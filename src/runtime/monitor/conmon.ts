/**
 * conmon: one small process beside each container. It holds the terminal or the pipes, writes the log, waits for the
 * container's end and records its exit code, all of it without the engine. Command lines as of conmon 2.1.6.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { systemCode } from '../../sys/ffi/errors.ts';
import type { MountView } from '../../sys/namespace/mount.ts';
import { limitFileSize } from '../../sys/process/limits.ts';
import { createPipe } from '../../sys/process/pipe.ts';
import { type Child, spawn, spawnInView, type SpawnRequest } from '../../sys/process/spawn.ts';
import { ReportPipe } from './reports.ts';

/** The descriptors that conmon finds its pipes at. */
const SYNC_FD = 3;
const ATTACH_FD = 4;
const START_FD = 5;
const searchPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface MonitorRequest {
  /** Absolute path of conmon. */
  readonly conmon: string;
  readonly containerId: string;
  readonly name: string;
  /** Where conmon keeps its socket and FIFO, and where the runtime finds `config.json`. */
  readonly directory: string;
  /** Directory of the exit files. */
  readonly exits: string;
  /** Absolute path of the runtime, and the directory of its state. */
  readonly runtime: string;
  readonly runtimeRoot: string;
  readonly runtimeArgs: readonly string[];
  readonly tty: boolean;
  readonly openStdin: boolean;
  /** Mounts that runtime and monitor shall not see. */
  readonly hiddenMounts: readonly string[];
  /** A mount that only runtime and monitor shall see, at another place. */
  readonly shownMount?: MountView['shown'];
}

export interface Monitor {
  readonly process: Child;
  readonly sync: ReportPipe;
}

function commonArguments(request: MonitorRequest): string[] {
  const { containerId, name, directory, exits, runtime, runtimeRoot, runtimeArgs } = request;
  const args = ['conmon', '--api-version', '1', '-c', containerId, '-n', name, '-r', runtime, '-b', directory];
  args.push('-p', `${directory}/pidfile`, '--exit-dir', exits, '--full-attach', '--log-level', 'error');
  // --sync: the monitor stays our child instead of daemonizing, so its pid is known and its end is seen at once. It
  // makes a session of its own and outlives the engine all the same.
  args.push('--sync', '--no-sync-log');
  for (const argument of ['--root', runtimeRoot, ...runtimeArgs]) args.push('--runtime-arg', argument);
  if (request.tty) args.push('-t');
  if (request.openStdin) args.push('-i');
  return args;
}

async function start(
  request: MonitorRequest,
  argv: readonly string[],
  env: readonly string[],
  fds: readonly (readonly [number, number])[],
): Promise<Child> {
  const messages = openSync(`${request.directory}/monitor.log`, 'w', 0o600);
  try {
    const wanted: SpawnRequest = {
      path: request.conmon,
      argv,
      env: [searchPath, ...env],
      fds: [...fds, [messages, 2]],
      // Its log may get a limit (`guardLog`).
      ignoresFileSize: true,
    };
    const { hiddenMounts: hidden, shownMount: shown } = request;
    return await (hidden.length === 0 && shown === undefined ? spawn(wanted) : spawnInView(wanted, { hidden, shown }));
  } finally {
    closeSync(messages);
  }
}

/**
 * Starts the monitor of a container, which lets the runtime create it. The first report is the container's pid, or
 * negative with the runtime's message. `leaveStdinOpen`: stdin survives the end of a client's connection.
 */
export async function startContainerMonitor(
  request: MonitorRequest & {
    readonly logPath: string | undefined;
    readonly leaveStdinOpen: boolean;
  },
): Promise<Monitor> {
  const argv = [...commonArguments(request), '-u', request.containerId, '-l'];
  argv.push(request.logPath === undefined ? 'none' : `k8s-file:${request.logPath}`);
  if (request.openStdin && request.leaveStdinOpen) argv.push('--leave-stdin-open');
  const sync = createPipe();
  try {
    const process = await start(request, argv, [`_OCI_SYNCPIPE=${SYNC_FD}`], [[sync.write, SYNC_FD]]);
    return { process, sync: new ReportPipe(sync.read) };
  } catch (error) {
    closeSync(sync.read);
    throw error;
  } finally {
    closeSync(sync.write);
  }
}

/**
 * The monitor of a created container writes no log file of more than `bytes`: what comes then is not written, until the
 * log is reopened. conmon has a limit of its own (`--log-size-max`), but until its version 2.1.9 it counts over all the
 * files that it was told to reopen, and throws away what is in the current one.
 */
export const guardLog = (monitor: Monitor, bytes: number): void => limitFileSize(monitor.process.pid, bytes);

export interface ExecMonitor extends Monitor {
  /** Resolves when the attach socket is there; false when the monitor failed before. */
  readonly attachable: Promise<boolean>;
  /** Lets the process run; call it after connecting. */
  go(): void;
  /** Closes the engine's ends of the pipes. */
  close(): void;
}

/**
 * Starts the monitor of an exec. It makes its socket, waits for `go`, and lets the runtime start the process of
 * `processFile`. The reports are the process's pid (or negative, with a message) and, later, its exit code.
 */
export async function startExecMonitor(
  request: MonitorRequest & { readonly execId: string; readonly processFile: string },
): Promise<ExecMonitor> {
  const argv = [...commonArguments(request), '-u', request.execId, '-l', 'none'];
  argv.push('-e', '--exec-attach', '--exec-process-spec', request.processFile);
  const [sync, attach, begin] = [createPipe(), createPipe(), createPipe()];
  const env = [`_OCI_SYNCPIPE=${SYNC_FD}`, `_OCI_ATTACHPIPE=${ATTACH_FD}`, `_OCI_STARTPIPE=${START_FD}`];
  let process: Child;
  try {
    const fds = [
      [sync.write, SYNC_FD],
      [attach.write, ATTACH_FD],
      [begin.read, START_FD],
    ] as const;
    process = await start(request, argv, env, fds);
  } catch (error) {
    for (const fd of [sync.read, attach.read, begin.write]) closeSync(fd);
    throw error;
  } finally {
    for (const fd of [sync.write, attach.write, begin.read]) closeSync(fd);
  }
  const attachReports = new ReportPipe(attach.read);
  let open = true;
  const push = () => {
    try {
      if (open) writeSync(begin.write, '\0');
    } catch (error) {
      // The monitor is gone; its sync pipe tells the rest.
      if (systemCode(error) !== 'EPIPE') throw error;
    }
  };
  // The first byte lets the monitor make its socket, the second one lets the process run.
  push();
  return {
    process,
    sync: new ReportPipe(sync.read),
    attachable: attachReports.next().then((report) => report !== undefined),
    go: push,
    close: () => {
      if (open) closeSync(begin.write);
      open = false;
      attachReports.close();
    },
  };
}
