/** The engine is killed at any moment of an operation: what it says afterwards is true, and nothing is left behind. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';

const isLong = process.env['GANTRY_TEST_LONG'] === '1';

interface Seen {
  readonly Name: string;
  readonly State: { readonly Status: string; readonly Pid: number; readonly Running: boolean };
}

engineSuite('kill -9 of the engine in the middle of operations', {}, (engine) => {
  const docker = dockerOf(engine);

  /** Milliseconds after the first request at which the engine is killed: over the whole of a start. */
  const delays = isLong ? [5, 15, 30, 50, 75, 100, 140, 200, 300, 450] : [15, 50, 100, 200];
  for (const delay of delays) {
    test(`after ${delay} ms`, async () => {
      await docker.ok('run', '-d', '--name=held', busybox, 'sleep', '1000');
      await docker.ok('run', '-d', '--name=stopping', busybox, 'sleep', '1000');
      await docker.ok('create', '--name=idle', '-v', 'vol:/data', busybox, 'sleep', '1000');
      const operations = [
        docker('run', '-d', '--name=fresh', '-p', '127.0.0.1::80', '-v', '/anonymous', busybox, 'sleep', '1000'),
        docker('run', '--rm', '--name=brief', busybox, 'true'),
        docker('start', 'idle'),
        docker('stop', '-t', '0', 'stopping'),
        docker('exec', 'held', 'sh', '-c', 'echo done'),
        docker('create', '--name=planned', '-v', 'other:/x', busybox, 'true'),
      ];
      await new Promise((resolve) => setTimeout(resolve, delay));
      await engine().stop('SIGKILL');
      const results = await Promise.all(operations);
      await engine().start();
      const names = (await docker.ok('ps', '-a', '--format={{.Names}}')).split('\n');
      assert.ok(names.includes('held') && names.includes('idle') && names.includes('stopping'), names.join(' '));
      // What was answered with success has happened.
      if (results[0]?.code === 0) assert.ok(names.includes('fresh'));
      if (results[2]?.code === 0) assert.equal(await docker.field('idle', '{{.State.Status}}'), 'running');
      if (results[3]?.code === 0) assert.equal(await docker.field('stopping', '{{.State.Status}}'), 'exited');
      if (results[5]?.code === 0) assert.ok(names.includes('planned'));
      const seen = JSON.parse(await docker.ok('inspect', ...names)) as readonly Seen[];
      for (const { Name, State } of seen) {
        assert.equal(State.Running, State.Status === 'running', Name);
        if (State.Running) assert.match(await readFile(`/proc/${State.Pid}/cmdline`, 'utf8'), /^(sleep|true)/, Name);
      }
      assert.equal(await docker.field('held', '{{.State.Status}}'), 'running');
      assert.equal(await docker.ok('exec', 'held', 'echo', 'still here'), 'still here');
      // Every name can be used, or its container be started and removed.
      for (const name of ['fresh', 'planned', 'brief']) {
        if (!names.includes(name)) await docker.ok('create', `--name=${name}`, busybox, 'true');
        else await docker.ok('start', name);
      }
    });
  }
});
