import { delay, Semaphore } from '../../base/async.ts';
import { messageOf } from '../../base/errors.ts';
import { formatDuration } from '../../base/text/duration.ts';
import type { ContainerContext } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';
import { createExec, startExec } from '../exec/exec.ts';
import { CheckOutput } from './output.ts';
import type { HealthSettings, HealthTest } from './settings.ts';
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
  const verdict = await checkByCommand(ctx, entry, settings.test, settings.timeoutMs, signal).catch(
    (error: unknown): Verdict => ({ exitCode: -1, output: messageOf(error) }),
  );
  return { ...verdict, startNs, endNs: ctx.clock.nowNs() };
}

/**
 * Runs the check's command as an exec, with an exec's events. Its time begins when the process runs: what the host takes
 * to start it is not the container's fault. It is forgotten afterwards, as nobody has asked for it.
 */
async function checkByCommand(
  ctx: ContainerContext,
  entry: ContainerEntry,
  test: HealthTest,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Verdict> {
  const output = new CheckOutput();
  const exec = createExec(ctx, entry, execRequest(test.argv));
  try {
    const live = await starting.run(() => {
      signal.throwIfAborted();
      return startExec(ctx, entry, exec, [output]);
    });
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
