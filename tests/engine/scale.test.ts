/** Many containers on one engine, and an engine that much has passed through: what it keeps of it, and what not. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { seenBy, type TestEngine } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

const isLong = process.env['GANTRY_TEST_LONG'] === '1';
/** The sizes of `--long`, and smaller ones that show the same. */
const size = isLong
  ? { containers: 300, execs: 1000, logMiB: 1024, passing: 300 }
  : { containers: 60, execs: 150, logMiB: 64, passing: 60 };

const line = '0123456789'.repeat(50);
const timeout = isLong ? 600_000 : 120_000;

/** Eight workers take the numbers in turn. */
async function eightAtOnce(count: number, work: (at: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < count; at = next++) await work(at);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

/** Requests through the API: three hundred docker clients would be most of the work. */
function apiOf(engine: () => TestEngine) {
  const must = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const { status, text } = await engine().api(method, path, body);
    assert.ok(status < 300, `${method} ${path}: ${status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  };
  const run = async (name: string, Cmd: readonly string[], HostConfig: unknown = {}): Promise<string> => {
    const body = { Image: busybox, Cmd, StopSignal: 'SIGKILL', HostConfig };
    const { Id } = await must<{ Id: string }>('POST', `/containers/create?name=${name}`, body);
    await must('POST', `/containers/${Id}/start`);
    return Id;
  };
  return { must, run };
}

/** Takes a stream's bytes and forgets them. */
function drain(engine: TestEngine, path: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const call = request({ socketPath: engine.paths.socket, path, agent: new Agent({ keepAlive: false }) }, (answer) => {
    let bytes = 0;
    answer.on('data', (chunk: Buffer) => (bytes += chunk.length));
    answer.on('end', () => resolve(bytes));
    answer.on('error', reject);
  });
  call.on('error', reject);
  call.end();
  return promise;
}

/** Files of removed containers go in the background: a slow disk may be some hundred behind. */
async function filesAreGone(engine: TestEngine): Promise<void> {
  const containers = seenBy(engine, join(engine.paths.dataRoot, 'containers'));
  await eventually('the files are gone', async () => (await readdir(containers)).length === 0, { timeout: 60_000 });
}

/** Resident memory of the engine in MiB. */
async function residentMiB(engine: TestEngine): Promise<number> {
  const text = await readFile(`/proc/${engine.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1]) / 1024;
}

engineSuite('many containers', {}, (engine) => {
  const docker = dockerOf(engine);
  const { must, run } = apiOf(engine);

  test(`${size.containers} containers run, outlive the engine, and go`, { timeout }, async () => {
    await eightAtOnce(size.containers, (at) => run(`many-${at}`, ['sleep', '10000']));
    const running = async (): Promise<number> => (await must<unknown[]>('GET', '/containers/json')).length;
    assert.equal(await running(), size.containers);
    await engine().stop('SIGKILL');
    await engine().start();
    assert.equal(await running(), size.containers);
    const addresses = new Set<string>();
    await eightAtOnce(size.containers, async (at) => {
      const { State, NetworkSettings } = await must<{
        State: { Running: boolean };
        NetworkSettings: { Networks: Record<string, { IPAddress: string }> };
      }>('GET', `/containers/many-${at}/json`);
      assert.ok(State.Running, `many-${at} runs`);
      addresses.add(NetworkSettings.Networks['bridge']?.IPAddress ?? '');
    });
    assert.equal(addresses.size, size.containers, 'every container has an address of its own');
    assert.equal(await docker.ok('exec', `many-${size.containers - 1}`, 'echo', 'still here'), 'still here');
    await eightAtOnce(size.containers, (at) => must('DELETE', `/containers/many-${at}?force=1`));
    assert.equal((await must<unknown[]>('GET', '/containers/json?all=1')).length, 0);
    await filesAreGone(engine());
  });

  test('memory is given back after logs, execs and containers that came and went', { timeout }, async () => {
    const work = async (scale: number): Promise<void> => {
      const logger = await run(
        'logger',
        ['sh', '-c', `yes ${line} | head -c ${Math.ceil(size.logMiB * scale) << 20}`],
        {
          LogConfig: { Type: 'json-file', Config: { 'max-size': '16m', 'max-file': '2' } },
        },
      );
      const followed = drain(engine(), `/containers/${logger}/logs?stdout=1&follow=1`);
      await must('POST', `/containers/${logger}/wait`);
      await followed;
      await must('DELETE', `/containers/${logger}`);
      const host = await run('host', ['sleep', '10000']);
      await eightAtOnce(Math.ceil(size.execs * scale), async () => {
        const body = { Cmd: ['true'], AttachStdout: true };
        const { Id } = await must<{ Id: string }>('POST', `/containers/${host}/exec`, body);
        await must('POST', `/exec/${Id}/start`, { Detach: true });
      });
      await must('DELETE', `/containers/${host}?force=1`);
      await eightAtOnce(Math.ceil(size.passing * scale), async (at) => {
        const id = await run(`passing-${at}`, ['true']);
        await must('POST', `/containers/${id}/wait`);
        await must('DELETE', `/containers/${id}?force=1`);
      });
      await filesAreGone(engine());
    };
    // What everything needs once (code, pools, buffers) is there after a tenth of it.
    await work(0.1);
    const before = await residentMiB(engine());
    await work(1);
    const after = await residentMiB(engine());
    assert.ok(after - before <= 32, `the engine grew from ${before.toFixed(0)} to ${after.toFixed(0)} MiB`);
  });
});
