import { conflict, EngineError, invalid, messageOf } from '../../base/errors.ts';
import { newExecId } from '../../base/ids.ts';
import {
  LaunchError,
  type ExecRequest,
  type ExitStatus,
  type LaunchedExec,
  type StdioSink,
} from '../../spec/contract/launch.ts';
import type { CreateExecRequest } from '../../spec/engine/container.ts';
import type { ExecInspect } from '../../spec/engine/exec.ts';
import { type ContainerContext, emit, runDirectory } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';
import { processEnvironment } from '../create/environment.ts';
import { linkEnvironment } from '../links/environment.ts';
import { hostnameOf } from '../start/files.ts';
import { userFiles } from '../start/plan.ts';
import { isPaused } from '../state.ts';
import { isRestarting } from '../pause.ts';
import { resolveUser } from '../user/resolve.ts';
import { type ExecEntry, newExecEntry } from './entry.ts';
import { execMemo } from './memo.ts';

/** Ended execs that are still known to `inspect`; the oldest are forgotten first. */
const rememberedExecs = 100;

/** Docker puts a blank behind the program also when nothing follows it. */
const eventText = (action: string, { request: { Cmd } }: ExecEntry): string =>
  `${action}: ${Cmd[0] ?? ''} ${Cmd.slice(1).join(' ')}`;

function requireRunning(entry: ContainerEntry): void {
  const { state } = entry.record;
  if (state.phase === 'restarting') throw isRestarting(entry.id);
  if (state.phase !== 'running') throw conflict(`container ${entry.id} is not running`);
  if (isPaused(state)) throw conflict(`Container ${entry.id} is paused, unpause the container before exec`);
}

/** Notes an exec; nothing runs yet. @throws conflict when the container does not run; invalid without a command. */
export function createExec(
  ctx: ContainerContext,
  entry: ContainerEntry,
  request: CreateExecRequest,
  isCheck = false,
): ExecEntry {
  requireRunning(entry);
  if (request.Cmd.length === 0) throw invalid('No exec command specified');
  const exec = newExecEntry(newExecId(), request, { createdNs: ctx.clock.nowNs(), isCheck });
  forgetOldest(ctx, entry);
  ctx.table.addExec(entry, exec);
  emit(ctx, entry, eventText('exec_create', exec), { execID: exec.id });
  return exec;
}

function forgetOldest(ctx: ContainerContext, entry: ContainerEntry): void {
  for (const exec of entry.execs.values()) {
    if (entry.execs.size < rememberedExecs) return;
    if (exec.phase === 'ended') ctx.table.deleteExec(entry, exec.id);
  }
}

/** @throws conflict when the exec was started before, or its container does not run any more. */
export function requireStartable(entry: ContainerEntry, exec: ExecEntry): void {
  requireRunning(entry);
  if (exec.phase === 'created') return;
  throw conflict(
    exec.phase === 'ended' ? `exec ${exec.id} has already run` : `Error: Exec command ${exec.id} is already running`,
  );
}

/**
 * Runs it. `sinks` see every byte, and their end comes only after the exit code was noted, since clients ask for it
 * as soon as the stream ends.
 */
export async function startExec(
  ctx: ContainerContext,
  entry: ContainerEntry,
  exec: ExecEntry,
  sinks: readonly StdioSink[],
): Promise<LaunchedExec> {
  requireStartable(entry, exec);
  exec.phase = 'starting';
  const held = sinks.map((sink) => holdEnd(sink));
  try {
    const live = await ctx.launcher.exec(await planExec(ctx, entry, exec, held));
    exec.live = live;
    exec.phase = 'running';
    if (exec.pendingSize !== undefined) await live.stdio.resize(...exec.pendingSize);
    emit(ctx, entry, eventText('exec_start', exec), { execID: exec.id });
    followExec(ctx, entry, exec, live, held);
    return live;
  } catch (error) {
    const code = error instanceof LaunchError ? error.exitCode : 126;
    finish(exec, code, ctx.clock.nowNs());
    throw error;
  }
}

/** Notes the end of a running exec when it comes; `sinks` are told afterwards. */
export function followExec(
  ctx: ContainerContext,
  entry: ContainerEntry,
  exec: ExecEntry,
  live: LaunchedExec,
  sinks: readonly HeldSink[],
): void {
  live.exited.then(
    (exit) => endExec(ctx, entry, exec, exit, sinks),
    (error: unknown) => ctx.log.error('the end of an exec was not seen', { exec: exec.id, error: messageOf(error) }),
  );
}

/** The exec has ended: for those who ask, for those who wait, and as an event. */
export function endExec(
  ctx: ContainerContext,
  entry: ContainerEntry,
  exec: ExecEntry,
  exit: ExitStatus,
  sinks: readonly HeldSink[] = [],
): void {
  finish(exec, exit.code, exit.finishedNs);
  for (const sink of sinks) sink.release();
  emit(ctx, entry, 'exec_die', { execID: exec.id, exitCode: String(exit.code) });
}

function finish(exec: ExecEntry, code: number, finishedNs: bigint): void {
  exec.phase = 'ended';
  exec.live = undefined;
  exec.exitCode = code;
  exec.ended.set({ code, oomKilled: false, finishedNs });
}

type HeldSink = StdioSink & { release(): void };

/** A sink whose end waits for `release`. */
function holdEnd(sink: StdioSink): HeldSink {
  return {
    write: (stream, bytes) => sink.write(stream, bytes),
    end: () => undefined,
    release: () => sink.end(),
    ...(sink.pace === undefined ? {} : { pace: () => sink.pace?.() }),
  };
}

async function planExec(
  ctx: ContainerContext,
  entry: ContainerEntry,
  exec: ExecEntry,
  sinks: readonly StdioSink[],
): Promise<ExecRequest> {
  const { request } = exec;
  const { config, hostConfig, state } = entry.record;
  if (state.phase !== 'running') throw conflict(`container ${entry.id} is not running`);
  // What the process sees now, mounts included, rather than what the image had.
  const root = `/proc/${state.pid}/root`;
  const userText = request.User === '' ? config.User : request.User;
  const cwd = request.WorkingDir === '' ? config.WorkingDir : request.WorkingDir;
  if (cwd !== '' && !cwd.startsWith('/')) throw invalid(`exec: working directory must be absolute: ${cwd}`);
  // At once: what asks together shares one trip into the root.
  const [{ user, home }, resolvedCwd] = await Promise.all([
    resolveUser(userText, hostConfig.GroupAdd, userFiles(ctx, root)),
    ctx.roots.resolve(root, cwd === '' ? '/' : cwd),
  ]);
  return {
    containerId: entry.id,
    execId: exec.id,
    process: {
      args: request.Cmd,
      env: processEnvironment({
        hostname: hostnameOf(ctx, entry),
        tty: request.Tty,
        home,
        container: [...linkEnvironment(ctx, entry, 'running'), ...config.Env],
        exec: request.Env,
      }),
      cwd: resolvedCwd,
      user,
      tty: request.Tty,
      ...(exec.pendingSize === undefined ? {} : { consoleSize: exec.pendingSize }),
      openStdin: request.AttachStdin,
      stdinOnce: true,
    },
    hostConfig,
    privileged: request.Privileged,
    memo: execMemo(exec),
    sinks,
    directory: runDirectory(ctx, entry.id),
    runtime: hostConfig.Runtime === '' ? ctx.settings.defaultRuntime : hostConfig.Runtime,
  };
}

/** A new terminal size; one that comes before the process runs is kept for its start. */
export async function resizeExec(exec: ExecEntry, rows: number, columns: number): Promise<void> {
  if (exec.phase === 'ended') throw new EngineError('not-found', `exec ${exec.id} has ended`);
  exec.pendingSize = [rows, columns];
  await exec.live?.stdio.resize(rows, columns);
}

export function inspectExec(entry: ContainerEntry, exec: ExecEntry): ExecInspect {
  const { request } = exec;
  return {
    ID: exec.id,
    Running: exec.phase === 'running',
    ExitCode: exec.exitCode ?? null,
    ProcessConfig: {
      tty: request.Tty,
      entrypoint: request.Cmd[0] ?? '',
      arguments: request.Cmd.slice(1),
      privileged: request.Privileged,
      ...(request.User === '' ? {} : { user: request.User }),
    },
    OpenStdin: request.AttachStdin,
    OpenStderr: request.AttachStderr,
    OpenStdout: request.AttachStdout,
    CanRemove: exec.phase === 'ended',
    ContainerID: entry.id,
    DetachKeys: request.DetachKeys ?? '',
    Pid: exec.live?.pid ?? 0,
  };
}
