import { atLeast, defineCommand } from '../command.ts';
import { findEngine } from './_program.ts';
import type { EngineProgram } from './_program.ts';

export const daemon = defineCommand({
  usage: '[OPTIONS]',
  summary: 'Run the engine in the foreground',
  details: "All flags are the engine's own: see 'gantry daemon --help'.",
  flags: {},
  args: atLeast(0),
  passesAll: true,
  run: ({ args }) => becomeEngine(findEngine(), args),
});

/** Replaces this process by the engine, where the runtime can; else stays in front of it, passing signals and exit on. */
async function becomeEngine({ path, args }: EngineProgram, flags: readonly string[]): Promise<number> {
  const all = [...args, ...flags];
  if (typeof process.execve === 'function' && process.versions['bun'] === undefined) {
    process.execve(path, [path, ...all], process.env as Record<string, string>);
  }
  const { spawn } = await import('node:child_process');
  const child = spawn(path, all, { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const) {
    process.on(signal, () => child.kill(signal));
  }
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.on('error', reject);
  child.on('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  return promise;
}
