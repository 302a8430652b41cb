import { formatTime } from '../../base/clock.ts';
import type { StdioSink } from '../../spec/contract/launch.ts';
import type { CreateExecRequest } from '../../spec/engine/container.ts';
import type { ContainerContext } from '../context.ts';
import { createExec, inspectExec, requireStartable, resizeExec, startExec } from '../exec/exec.ts';
import { clientGone, killExec } from '../exec/kill.ts';

/** Further processes inside running containers. */
export function execOperations(ctx: ContainerContext) {
  return {
    create: async (nameOrId: string, request: CreateExecRequest) =>
      createExec(ctx, ctx.table.find(nameOrId), request).id,
    startable: async (id: string) => {
      const { container, exec } = ctx.table.findExec(id);
      requireStartable(container, exec);
      const { Tty, AttachStdin, AttachStdout, AttachStderr, DetachKeys } = exec.request;
      const shows = { stdout: AttachStdout, stderr: AttachStderr };
      const killOnDisconnect = exec.request.KillOnDisconnect === true;
      return { tty: Tty, openStdin: AttachStdin, ...shows, detachKeys: DetachKeys, killOnDisconnect };
    },
    start: async (id: string, options: { consoleSize?: readonly [number, number]; sinks: readonly StdioSink[] }) => {
      const { container, exec } = ctx.table.findExec(id);
      if (options.consoleSize !== undefined) exec.pendingSize = options.consoleSize;
      const { stdio } = await startExec(ctx, container, exec, options.sinks);
      return { stdio };
    },
    resize: async (id: string, rows: number, columns: number) => resizeExec(ctx.table.findExec(id).exec, rows, columns),
    list: async (nameOrId: string) => {
      const container = ctx.table.find(nameOrId);
      return [...container.execs.values()].map((exec) => ({
        ...inspectExec(container, exec),
        Created: formatTime(exec.createdNs),
      }));
    },
    kill: async (id: string, signal: string | undefined) => {
      const { container, exec } = ctx.table.findExec(id, { byPrefix: true });
      await killExec(container, exec, signal);
    },
    clientGone: async (id: string) => clientGone(ctx.table.findExec(id).exec),
    inspect: async (id: string) => {
      const { container, exec } = ctx.table.findExec(id);
      return inspectExec(container, exec);
    },
  };
}
