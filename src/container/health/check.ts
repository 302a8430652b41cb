import { delay, Semaphore } from '../../base/async.ts';
import { conflict, messageOf } from '../../base/errors.ts';
import { formatDuration } from '../../base/text/duration.ts';
import type { ProbeTarget } from '../../spec/contract/probe.ts';
import type { ContainerContext } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';
import { createExec, startExec } from '../exec/exec.ts';
import { CheckOutput, outputLimit } from './output.ts';
import type { HealthSettings } from './settings.ts';
import type { CheckResult } from './state.ts';

/** Commands of checks that are being started at the same time: each costs tens of milliseconds of processor time. */
const starting = new Semaphore(4);

/** What a check said. */
type Verdict = Pick<CheckResult, 'exitCode' | 'output'>;

/** Carries out one check. Never rejects: what goes wrong is a failed check. `signal` ends it early. */
export async function runCheck(
  ctx: ContainerContext,
  entry: ContainerEntry,
  settings: HealthSettings,
  signal: AbortSignal,
): Promise<CheckResult> {
  const startNs = ctx.clock.nowNs();
  const { test } = settings;
  const check =
    test.kind === 'exec'
      ? checkByCommand(ctx, entry, test.argv, settings.timeoutMs, signal)
      : checkByProbe(ctx, entry, test.target, settings.timeoutMs, signal);
  const verdict = await check.catch((error: unknown): Verdict => {
    if (!signal.aborted) ctx.checks.failed++;
    return { exitCode: -1, output: messageOf(error) };
  });
  // One that a stop cut short says nothing.
  if (!signal.aborted) ctx.checks.total++;
  return { ...verdict, startNs, endNs: ctx.clock.nowNs() };
}

/**
 * Runs the check's command as an exec, with an exec's events. Its time begins when the process runs: what the host takes
 * to start it is not the container's fault. It is forgotten afterwards, as nobody has asked for it.
 */
async function checkByCommand(
  ctx: ContainerContext,
  entry: ContainerEntry,
  argv: readonly string[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Verdict> {
  const began = performance.now();
  const output = new CheckOutput();
  const exec = createExec(ctx, entry, execRequest(argv), true);
  try {
    const live = await starting.run(() => {
      signal.throwIfAborted();
      return startExec(ctx, entry, exec, [output]);
    });
    ctx.checks.starts.observe((performance.now() - began) / 1000);
    const ended = new AbortController();
    const late = delay(timeoutMs, AbortSignal.any([signal, ended.signal])).then(
      () => 'late' as const,
      () => 'stopped' as const,
    );
    const how = await Promise.race([exec.ended.wait(), late]);
    ended.abort();
    if (typeof how === 'object') return { exitCode: how.code, output: output.text() };
    // Dying checks must not pile up: the next one waits for this one's end.
    await live.kill();
    await exec.ended.wait();
    return { exitCode: -1, output: lateText(timeoutMs, output.text()) };
  } finally {
    ctx.table.deleteExec(entry, exec.id);
  }
}

/** Asks a port in the container's network; nothing runs inside the container for it. */
async function checkByProbe(
  ctx: ContainerContext,
  entry: ContainerEntry,
  target: ProbeTarget,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Verdict> {
  const { state } = entry.record;
  if (state.phase !== 'running') throw conflict(`container ${entry.id} is not running`);
  const ended = new AbortController();
  const late = delay(timeoutMs, AbortSignal.any([signal, ended.signal])).then(
    () => 'late' as const,
    () => 'stopped' as const,
  );
  try {
    const place = { pid: state.pid, start: state.pidStart };
    const answer = ctx.probes.probe(target, place, outputLimit, AbortSignal.any([signal, ended.signal]));
    answer.catch(() => undefined);
    const how = await Promise.race([answer, late]);
    if (typeof how !== 'object') return { exitCode: -1, output: lateText(timeoutMs, '') };
    return { exitCode: how.isGood ? 0 : 1, output: how.text };
  } finally {
    ended.abort();
  }
}

const lateText = (timeoutMs: number, printed: string): string => {
  const text = `Health check exceeded timeout (${formatDuration(BigInt(Math.round(timeoutMs * 1e6)))})`;
  return printed === '' ? text : `${text}: ${printed}`;
};

const execRequest = (argv: readonly string[]) => ({
  User: '',
  Privileged: false,
  Tty: false,
  AttachStdin: false,
  AttachStdout: true,
  AttachStderr: true,
  Env: [],
  WorkingDir: '',
  Cmd: [...argv],
});
