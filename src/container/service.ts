import { conflict, invalid } from '../base/errors.ts';
import type { ContainerId } from '../base/ids.ts';
import type { StdioSink } from '../spec/contract/launch.ts';
import type { LogReadOptions } from '../spec/contract/logs.ts';
import type { CreateContainerRequest, CreateExecRequest, WaitCondition } from '../spec/engine/container.ts';
import { attachContainer } from './attach.ts';
import type { ContainerContext } from './context.ts';
import { createContainer } from './create/create.ts';
import { createExec, inspectExec, requireStartable, resizeExec, startExec } from './exec/exec.ts';
import { inspectContainer } from './inspect.ts';
import { killContainer } from './kill.ts';
import { listContainers, type ListWishes } from './list.ts';
import { containerLogs } from './logs.ts';
import type { ContainerPorts } from './ports.ts';
import { recoverContainers, startRecovered } from './recover.ts';
import { removeContainer, type RemoveWishes } from './remove.ts';
import { restartContainer } from './restart.ts';
import { startContainer } from './start/start.ts';
import { watchRun } from './start/watch.ts';
import { containerStats } from './stats.ts';
import { type StopWishes, stopContainer } from './stop.ts';
import { ContainerTable } from './table.ts';
import { registerWait } from './wait.ts';

/** The containers of one engine. Call `recover` before any other method, `close` once at the end. */
export function createContainerService(ports: ContainerPorts) {
  const ctx: ContainerContext = {
    ...ports,
    table: new ContainerTable(),
    background: new Set(),
    follow: (entry, live) => watchRun(ctx, entry, live),
    closing: false,
  };
  const find = (nameOrId: string) => ctx.table.find(nameOrId);
  return {
    recover: () => recoverContainers(ctx),
    startRecovered: (entries: Parameters<typeof startRecovered>[1]) => startRecovered(ctx, entries),
    /** Lets go of all containers, which go on running; waits for cleaning that is under way. */
    close: () => closeContainers(ctx),
    counts: () => countPhases(ctx),
    isRunning: (id: ContainerId) => ctx.table.get(id)?.isRunning === true,
    names: (id: ContainerId) => ctx.table.get(id)?.record.name,

    containers: {
      list: (wishes: ListWishes) => listContainers(ctx, wishes),
      create: (request: CreateContainerRequest) => createContainer(ctx, request),
      inspect: async (nameOrId: string, options: { size: boolean }) => inspectContainer(ctx, find(nameOrId), options),
      start: async (nameOrId: string) => startContainer(ctx, find(nameOrId)),
      stop: async (nameOrId: string, wishes: StopWishes) => stopContainer(ctx, find(nameOrId), wishes),
      restart: async (nameOrId: string, wishes: StopWishes) => restartContainer(ctx, find(nameOrId), wishes),
      kill: async (nameOrId: string, signal: string | undefined) => killContainer(ctx, find(nameOrId), signal),
      wait: async (nameOrId: string, condition: WaitCondition, signal: AbortSignal) =>
        registerWait(find(nameOrId), condition, signal),
      remove: async (nameOrId: string, wishes: RemoveWishes & { link: boolean }) => {
        if (wishes.link) throw invalid('links between containers are not supported: nothing to remove');
        await removeContainer(ctx, find(nameOrId), wishes);
      },
      attach: async (nameOrId: string) => attachContainer(ctx, find(nameOrId)),
      logs: async (nameOrId: string, options: LogReadOptions) => containerLogs(ctx, find(nameOrId), options),
      stats: async (nameOrId: string, options: { stream: boolean; oneShot: boolean; signal: AbortSignal }) =>
        containerStats(ctx, find(nameOrId), options),
      resize: async (nameOrId: string, rows: number, columns: number) => {
        const entry = find(nameOrId);
        if (entry.live === undefined) throw conflict(`container ${entry.id} is not running`);
        await entry.live.stdio.resize(rows, columns);
      },
    },

    execs: {
      create: async (nameOrId: string, request: CreateExecRequest) => createExec(ctx, find(nameOrId), request),
      startable: async (id: string) => {
        const { container, exec } = ctx.table.findExec(id);
        requireStartable(container, exec);
        const { Tty, AttachStdin, AttachStdout, AttachStderr, DetachKeys } = exec.request;
        const shows = { stdout: AttachStdout, stderr: AttachStderr };
        return { tty: Tty, openStdin: AttachStdin, ...shows, detachKeys: DetachKeys };
      },
      start: async (id: string, options: { consoleSize?: readonly [number, number]; sinks: readonly StdioSink[] }) => {
        const { container, exec } = ctx.table.findExec(id);
        if (options.consoleSize !== undefined) exec.pendingSize = options.consoleSize;
        const { stdio } = await startExec(ctx, container, exec, options.sinks);
        return { stdio };
      },
      resize: async (id: string, rows: number, columns: number) =>
        resizeExec(ctx.table.findExec(id).exec, rows, columns),
      inspect: async (id: string) => {
        const { container, exec } = ctx.table.findExec(id);
        return inspectExec(container, exec);
      },
    },
  };
}

function countPhases(ctx: ContainerContext): { total: number; running: number; stopped: number } {
  const entries = ctx.table.list();
  const running = entries.filter((entry) => entry.isRunning).length;
  return { total: entries.length, running, stopped: entries.length - running };
}

async function closeContainers(ctx: ContainerContext): Promise<void> {
  ctx.closing = true;
  for (const entry of ctx.table.list()) {
    entry.cancelRestart();
    ctx.logs.forget(entry.id);
  }
  while (ctx.background.size > 0) await Promise.allSettled(ctx.background);
}
