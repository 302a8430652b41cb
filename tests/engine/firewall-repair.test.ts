/** `nft flush ruleset` by another program: passes an owned table by; where tables have no owner they are written again. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { isOracle, type TestEngine } from '../support/engine.ts';
import { addNeighbour } from '../support/neighbour.ts';
import { ended } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually, patience } from '../support/wait.ts';
import { startWeakEngine } from '../support/weak-engine.ts';
import { busybox, dockerOf } from './_docker.ts';
import { ask, servePorts } from './_reach.ts';

/** Longest time without rules. */
const repairMs = 2000;
const says = 'another program removed firewall rules of this engine; they are written again';

/** What the kernel tells of changes in the engine's namespace, as nft prints it. */
async function watchRules(engine: TestEngine) {
  const [program, ...args] = engine.namespaces.enter(['stdbuf', '-oL', 'nft', 'monitor']);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const end = ended(child);
  let text = '';
  let look = (): void => undefined;
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
    look();
  });
  const until = (pattern: RegExp): Promise<number> =>
    new Promise((resolve) => {
      look = () => pattern.test(text) && resolve(performance.now());
      look();
    });
  // It listens once it has told of something.
  await eventually('nft watches', async () => {
    await engine.inside(['nft', 'table ip probe {\n}']);
    await engine.inside(['nft', 'delete', 'table', 'ip', 'probe']);
    return text.includes('delete table ip probe');
  });
  return {
    until,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await end;
    },
  };
}

/** A published port that is reached, and a container's own address that is not. */
async function publishing(engine: TestEngine) {
  const neighbour = await addNeighbour(engine, { routes: true });
  const docker = dockerOf(() => engine);
  await docker.ok('run', '-d', '--name=web', '-p', '8170:80', busybox, 'sleep', '1000');
  const server = await servePorts(Number(await docker.field('web', '{{.State.Pid}}')), 80);
  const own = await docker.field('web', '{{.NetworkSettings.Networks.bridge.IPAddress}}');
  const targets = [
    { host: neighbour.hostAddress, port: 8170 },
    { host: own, port: 80 },
  ];
  return {
    docker,
    answers: () => ask((command) => neighbour.run(...command), targets),
    expected: [neighbour.address, ''],
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await neighbour[Symbol.asyncDispose]();
    },
  };
}

engineSuite('a flushed firewall', { skip: isOracle() && 'dockerd leaves it as it is' }, (engine) => {
  test('where the kernel protects tables it is not flushed', async () => {
    await using scene = await publishing(engine());
    assert.deepEqual(await scene.answers(), scene.expected);
    const rules = async () => (await engine().inside(['nft', 'list', 'ruleset'])).stdout;
    const before = await rules();
    assert.match(before, /table ip gantry_/);
    await engine().inside(['nft', 'table inet theirs {\n}']);
    assert.equal((await engine().inside(['nft', 'flush', 'ruleset'])).code, 0);
    assert.equal(await rules(), before, 'only the others are gone');
    assert.deepEqual(await scene.answers(), scene.expected);
    // What the engine was told of the flush is behind it once another port is published.
    await scene.docker.ok('run', '-d', '--name=more', '-p', '8171:80', busybox, 'sleep', '1000');
    assert.ok(!(await engine().logText()).includes(says));
  });

  test('where it cannot, it is written again soon, and the log says so', async () => {
    await using weak = await startWeakEngine('firewall tables of everybody');
    await weak.load('busybox');
    await using scene = await publishing(weak);
    assert.deepEqual(await scene.answers(), scene.expected);
    await using watch = await watchRules(weak);
    for (const times of [1, 2]) {
      await weak.inside(['nft', 'table inet theirs {\n}']);
      const flushed = performance.now();
      assert.equal((await weak.inside(['nft', 'flush', 'ruleset'])).code, 0);
      const again = new RegExp(`(?:delete table ip gantry_[^]*?add table ip gantry_[^]*?){${times}}`);
      const took = (await watch.until(again)) - flushed;
      assert.ok(took < repairMs * patience, `written again after ${took} ms`);
      assert.deepEqual(await scene.answers(), scene.expected);
      await eventually('the log says so', async () => (await weak.logText()).split(says).length === times + 1);
      assert.doesNotMatch((await weak.inside(['nft', 'list', 'ruleset'])).stdout, /theirs/, 'others are left alone');
    }
  });
});
