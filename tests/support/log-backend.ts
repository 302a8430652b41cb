import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { repository } from './docker-client.ts';
import type { TestEngine } from './engine.ts';
import { ended } from './run.ts';
import { eventually } from './wait.ts';

/** A place that logs are sent to, in the network namespace of an engine. */
export interface LogBackend extends AsyncDisposable {
  /** The port of the kinds that have one. */
  readonly port: number;
  /** Messages so far, in order: lines of syslog, JSON of the others. */
  messages(): readonly string[];
}

export type BackendKind = 'udp' | 'tcp' | 'unixgram' | 'gelf-udp' | 'gelf-tcp' | 'fluentd' | 'fluentd-ack' | 'journald';

/** Starts a fake backend; `place` is the path of the socket, or the port that it shall have (0 for any). */
export async function startLogBackend(
  engine: TestEngine,
  kind: BackendKind,
  place: string | number = 0,
): Promise<LogBackend> {
  const program = join(repository, 'tests/support/_log-backend.ts');
  const [command, ...args] = engine.namespaces.enter([process.execPath, program, kind, String(place)]);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => (text += more));
  const end = ended(child);
  const lines = () => text.split('\n').slice(0, -1);
  await eventually('the backend listens', () => lines().length > 0 || child.exitCode !== null);
  return {
    port: Number(lines()[0]),
    messages: () =>
      lines()
        .slice(1)
        .map((line) => JSON.parse(line) as string),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await end;
    },
  };
}
