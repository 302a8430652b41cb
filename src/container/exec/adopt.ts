import { messageOf } from '../../base/errors.ts';
import { type ContainerContext, runDirectory } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';
import { newExecEntry } from './entry.ts';
import { endExec, followExec } from './exec.ts';
import { readExecMemo } from './memo.ts';

/**
 * Finds the execs of a container that ran when the engine before ended. They can be inspected, resized and killed as
 * before; what ended meanwhile is told now. Health checks, and execs that shall not outlive their client, are killed.
 */
export async function adoptExecs(ctx: ContainerContext, entry: ContainerEntry): Promise<void> {
  for (const { execId, memo, found } of await ctx.launcher.adoptExecs(entry.id, runDirectory(ctx, entry.id))) {
    const known = readExecMemo(memo);
    if (known === undefined) continue;
    const exec = newExecEntry(execId, known.request, known);
    ctx.table.addExec(entry, exec);
    if (!('stdio' in found)) {
      endExec(ctx, entry, exec, found);
      continue;
    }
    exec.live = found;
    exec.phase = 'running';
    followExec(ctx, entry, exec, found, []);
    if (!exec.isCheck && exec.request.KillOnDisconnect !== true) continue;
    await found.kill().catch((error: unknown) => {
      ctx.log.warn('an exec of an earlier engine could not be killed', { exec: exec.id, error: messageOf(error) });
    });
    if (exec.isCheck) void exec.ended.wait().then(() => ctx.table.deleteExec(entry, exec.id));
  }
}
