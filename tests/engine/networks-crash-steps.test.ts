/** The engine is killed at each of its messages to the kernel, and at each write to its records, while networks change. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { isOracle, type TestEngine } from '../support/engine.ts';
import { onlyLong } from '../support/skip.ts';
import { engineSuite } from '../support/suite.ts';
import { checkNetworkStock } from './_network-stock.ts';
import { busybox, dockerOf } from './_docker.ts';

const strace = '/usr/bin/strace';
const skip = (isOracle() && 'its own') || (!existsSync(strace) && 'strace is not here') || onlyLong();

/**
 * Runs `work` and kills the engine as one of its threads makes its n-th call; false when none got so far. Only threads that
 * are there already are watched: not those of runtimes and monitors, which the engine starts.
 */
async function killedAt(engine: TestEngine, call: string, n: number, work: () => Promise<unknown>): Promise<boolean> {
  const threads = (await readdir(`/proc/${engine.pid}/task`)).flatMap((id) => ['-p', id]);
  const injection = ['-e', `trace=${call}`, '-e', `inject=${call}:signal=KILL:when=${n}`];
  const tracer = spawn(strace, [...threads, '-o', '/dev/null', ...injection], { stdio: ['ignore', 'ignore', 'pipe'] });
  const end = once(tracer, 'close');
  let text = '';
  await new Promise<void>((resolve, reject) => {
    tracer.stderr.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      if (text.split(' attached').length > threads.length / 2) resolve();
    });
    tracer.once('close', () => reject(new Error(`strace: ${text}`)));
  });
  await work().catch(() => undefined);
  const isAlive = await engine.api('GET', '/_ping').then(
    ({ status }) => status === 200,
    () => false,
  );
  // Of a dead engine it may wait for a thread that nobody reaps before the tracer goes.
  tracer.kill(isAlive ? 'SIGTERM' : 'SIGKILL');
  await end;
  return !isAlive;
}

engineSuite('networks of an engine that is killed at any step', { skip }, (engine) => {
  const docker = dockerOf(engine);
  const api = (method: string, path: string, body?: object) => engine().api(method, path, body);
  const limited = { DriverOpts: { 'gantry.rate.in': '50mbit', 'gantry.rate.out': '50mbit' } };
  const run = ['run', '-d', '--name=one', '-p', '80', '-p', '81/udp'];
  const onNetwork = ['--network', 'name=a,driver-opt=gantry.rate.in=50mbit,driver-opt=gantry.rate.out=50mbit'];
  const running = () => docker.ok(...run, ...onNetwork, busybox, 'sleep', '1000');

  const steps: Readonly<Record<string, { before: () => Promise<unknown>; work: () => Promise<unknown> }>> = {
    start: {
      before: () => docker.ok('create', ...run.slice(2), ...onNetwork, busybox, 'sleep', '1000'),
      work: () => api('POST', '/containers/one/start'),
    },
    remove: { before: running, work: () => api('DELETE', '/containers/one?force=1') },
    connect: {
      before: running,
      work: () =>
        api('POST', '/networks/b/connect', { Container: 'one', EndpointConfig: { ...limited, GwPriority: 9 } }),
    },
    disconnect: { before: running, work: () => api('POST', '/networks/a/disconnect', { Container: 'one' }) },
    'change of bandwidth': {
      before: running,
      work: () => api('POST', '/containers/one/update', { NetworkRates: [{ Out: 'default', In: '9mbit' }] }),
    },
    'create of a network': {
      before: async () => undefined,
      work: () =>
        api('POST', '/networks/create', {
          Name: 'third',
          EnableIPv6: true,
          Options: { 'gantry.rate.total.in': '9mbit' },
        }),
    },
    'removal of a network': {
      before: () => docker.ok('network', 'create', '-o', 'gantry.rate.total.in=9mbit', 'third'),
      work: () => api('DELETE', '/networks/third'),
    },
  };

  for (const [name, { before, work }] of Object.entries(steps)) {
    for (const call of ['sendto', 'pwrite64']) {
      test(`${name}, ${call}`, { timeout: 600_000 }, async () => {
        for (const network of ['a', 'b']) await docker.ok('network', 'create', network);
        let kills = 0;
        // Every third call: all of them would take half an hour.
        for (let n = 1; n < 60; n += 3) {
          await before();
          const isKilled = await killedAt(engine(), call, n, work);
          if (isKilled) {
            kills++;
            await engine().stop('SIGKILL');
            await engine().start();
          }
          await checkNetworkStock(engine());
          await docker('rm', '-f', 'one');
          // Not a name that an id can begin with: it would remove that network where there is none of the name.
          await docker('network', 'rm', 'third');
          await checkNetworkStock(engine());
          if (!isKilled) break;
        }
        assert.ok(kills > 0, 'the engine was never killed');
      });
    }
  }
});
