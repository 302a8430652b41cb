import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { delay } from '../../base/async.ts';
import type { Scope } from '../../base/scope.ts';
import { EngineClient } from '../../client/client.ts';
import { parseEndpoint } from '../../client/endpoint.ts';
import { ConnectionError } from '../../client/errors.ts';
import { findEngine } from './_program.ts';

const startMs = 120_000;
const stopMs = 60_000;

/** Whether an engine answers at the client's endpoint. @throws when one is there but refuses */
export async function answers(client: EngineClient): Promise<boolean> {
  try {
    await client.request('GET', '/_ping', { unversioned: true });
    return true;
  } catch (error) {
    if (error instanceof ConnectionError && !error.message.startsWith('permission denied')) return false;
    throw error;
  }
}

/**
 * Starts an engine with all its files in a temporary folder, and resolves with its address once it answers. Leaving
 * `scope` stops it and removes the folder. @throws with the engine's own words when it does not come up
 */
export async function startPrivateEngine(scope: Scope, interrupted: Promise<never>): Promise<string> {
  if (process.getuid?.() !== 0) throw new Error('the engine needs root: run this command with sudo');
  const folder = await scope.acquire(mkdtemp(join(tmpdir(), 'gantry-engine-')), (path) =>
    rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
  );
  const host = `unix://${join(folder, 'gantry.sock')}`;
  const logPath = join(folder, 'engine.log');
  await using log = await open(logPath, 'w');
  const { path, args } = findEngine();
  const flags = [
    '--data-root',
    join(folder, 'data'),
    '--exec-root',
    join(folder, 'run'),
    '--pidfile',
    join(folder, 'pid'),
  ];
  const child = spawn(path, [...args, '--host', host, ...flags], { stdio: ['ignore', log.fd, log.fd], detached: true });
  const { promise: exited, resolve, reject } = Promise.withResolvers<void>();
  child.once('exit', () => resolve());
  child.once('error', reject);
  exited.catch(() => undefined);
  scope.defer(() => stop(child, exited));
  const client = new EngineClient({ endpoint: parseEndpoint(host) });
  const deadline = Date.now() + startMs;
  while (!(await answers(client))) {
    const hasEnded = await Promise.race([exited.then(() => true), delay(50).then(() => false), interrupted]);
    if (!hasEnded && Date.now() < deadline) continue;
    const words = (await readFile(logPath, 'utf8')).trim().split('\n').slice(-5).join('\n');
    throw new Error(`the engine ${hasEnded ? 'ended at once' : 'does not answer'}:\n${words}`);
  }
  client.close();
  return host;
}

async function stop(child: ChildProcess, exited: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const isGone = await Promise.race([exited.then(() => true), delay(stopMs).then(() => false)]);
  if (!isGone) child.kill('SIGKILL');
  await exited;
}
