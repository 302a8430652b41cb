import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../base/clock.ts';
import { type ExecRequest, type ExitStatus, type LaunchedExec, LaunchError } from '../../spec/contract/launch.ts';
import { removeTrees } from '../../sys/file/place.ts';
import { processStartTime } from '../../sys/process/pidfd.ts';
import { type ExecMonitor, startExecMonitor } from '../monitor/conmon.ts';
import { MonitorStdio } from '../monitor/stdio.ts';
import { serializeSpec } from '../oci/serialize.ts';
import { type BuiltProcess, buildExecProcess } from '../oci/spec.ts';
import { type LauncherContext, monitorRequest } from './context.ts';
import { inTime, liveContainer } from './create.ts';
import { execFailure } from './failure.ts';
import { noteExec } from './adopt-exec.ts';
import { signals } from './exec-signals.ts';
import type { Runtime } from './runtimes.ts';

const SIGKILL = 9;

/** See `Launcher.exec`. */
export async function execInContainer(context: LauncherContext, request: ExecRequest): Promise<LaunchedExec> {
  const { runtime } = liveContainer(context, request.containerId);
  const { process, warnings } = buildExecProcess(request, context.host);
  for (const warning of warnings) context.log.warn(warning, { container: request.containerId, exec: request.execId });
  const directory = join(request.directory, `exec-${request.execId.slice(0, 16)}`);
  mkdirSync(directory, { mode: 0o700 });
  try {
    // The monitor takes some milliseconds to come up and needs the files only when it is let go: both at once.
    const [monitor, files] = await Promise.allSettled([
      startMonitor(context, request, runtime, directory),
      writeFiles(directory, request, process),
    ]);
    if (monitor.status === 'rejected') throw monitor.reason;
    return await runExec(context, request, monitor.value, directory, files);
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

async function writeFiles(directory: string, request: ExecRequest, process: BuiltProcess['process']): Promise<void> {
  writeFileSync(join(directory, 'process.json'), serializeSpec(process), { mode: 0o600 });
  noteExec(directory, request);
}

const startMonitor = (
  context: LauncherContext,
  request: ExecRequest,
  runtime: Runtime,
  directory: string,
): Promise<ExecMonitor> =>
  startExecMonitor({
    ...monitorRequest(context, runtime, directory),
    containerId: request.containerId,
    execId: request.execId,
    name: request.execId.slice(0, 12),
    // conmon names the exit file after the container, whose own one must not be touched.
    exits: directory,
    processFile: join(directory, 'process.json'),
    tty: request.process.tty,
    openStdin: request.process.openStdin,
  });

async function runExec(
  context: LauncherContext,
  request: ExecRequest,
  monitor: ExecMonitor,
  directory: string,
  files: PromiseSettledResult<void>,
): Promise<LaunchedExec> {
  let stdio: MonitorStdio | undefined;
  try {
    if (files.status === 'rejected') throw files.reason;
    if (!(await monitor.attachable)) throw new LaunchError(128, 'OCI runtime exec failed: the monitor did not start');
    stdio = new MonitorStdio(directory, { passEnd: !request.process.tty, started: false, onDemand: false });
    for (const sink of request.sinks) stdio.add(sink);
    monitor.go();
    const report = await inTime(monitor.sync.next(), 'exec');
    if (report === undefined || report.data <= 0)
      throw execFailure(report?.message ?? '', request.process.args[0] ?? '');
    stdio.markStarted();
    const exited = execEnd(context, monitor, stdio, directory);
    const identity = { pid: report.data, start: processStartTime(report.data) ?? 0 };
    return { pid: report.data, stdio, exited, ...signals(context, request.containerId, identity) };
  } catch (error) {
    // The sinks stay the caller's: it has something to say to them.
    for (const sink of request.sinks) stdio?.remove(sink);
    stdio?.finish();
    monitor.process.signal(SIGKILL);
    await monitor.process.exited;
    monitor.sync.close();
    throw error;
  } finally {
    monitor.close();
  }
}

/** The exit code is known before the clients hear of the end: docker asks for it at once. */
async function execEnd(
  context: LauncherContext,
  monitor: ExecMonitor,
  stdio: MonitorStdio,
  directory: string,
): Promise<ExitStatus> {
  const report = await monitor.sync.next();
  const finishedNs = systemClock.nowNs();
  await stdio.drained;
  // The clients need not wait for that; what an engine's end leaves goes with the container.
  removeRemains(monitor, directory).catch((failure: unknown) =>
    context.log.warn('the files of an exec could not be deleted', { directory, failure }),
  );
  stdio.finish();
  return { code: report === undefined ? 128 + SIGKILL : report.data & 0xff, oomKilled: false, finishedNs };
}

/** The monitor still tidies up in its directory when it has told the exit code. */
async function removeRemains(monitor: ExecMonitor, directory: string): Promise<void> {
  await monitor.process.exited;
  monitor.sync.close();
  await removeTrees([directory]);
}
