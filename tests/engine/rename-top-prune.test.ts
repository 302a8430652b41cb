import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';

engineSuite('rename, top and prune', {}, (engine) => {
  const docker = dockerOf(engine);
  const ask = async (method: string, path: string): Promise<[number, string]> => {
    const answer = await engine().api(method, path);
    return [answer.status, answer.text === '' ? '' : answer.json<{ message: string }>().message];
  };

  test('rename: names, event, exec and stop by the new name, over a restart of the engine', async () => {
    const since = Date.now() / 1000;
    await docker.ok('run', '-d', '--name', 'old', busybox, 'sleep', '1000');
    await docker.ok('rename', 'old', 'fresh');
    assert.equal(await docker.ok('ps', '--format', '{{.Names}}'), 'fresh');
    assert.equal(await docker.field('fresh', '{{.Name}}'), '/fresh');
    assert.equal(await docker.ok('exec', 'fresh', 'echo', 'here'), 'here');
    assert.match((await docker('inspect', 'old')).stderr, /No such object: old/i);
    const range = ['--since', String(since), '--until', String(Date.now() / 1000 + 0.001)];
    const told = await docker.ok(
      'events',
      ...range,
      '--filter',
      'event=rename',
      '--format',
      '{{json .Actor.Attributes}}',
    );
    assert.deepEqual(JSON.parse(told), { image: busybox, name: 'fresh', oldName: '/old' });
    // The old name is free at once.
    await docker.ok('create', '--name', 'old', busybox, 'true');
    if (!isOracle()) {
      await engine().stop('SIGKILL');
      await engine().start();
    }
    assert.deepEqual((await docker.ok('ps', '-a', '--format', '{{.Names}}')).split('\n').sort(), ['fresh', 'old']);
    await docker.ok('rm', '-f', 'fresh');
  });

  test('rename: bad names', async () => {
    const id = await docker.ok('create', '--name', 'one', busybox, 'true');
    const two = await docker.ok('create', '--name', 'two', busybox, 'true');
    const rename = (from: string, to: string) => ask('POST', `/containers/${from}/rename?name=${to}`);
    assert.deepEqual(await rename('nobody', 'x1'), [404, 'No such container: nobody']);
    assert.deepEqual(await rename('one', ''), [400, 'Neither old nor new names may be empty']);
    for (const same of ['one', '/one']) {
      assert.deepEqual(await rename('one', same), [400, 'Renaming a container with the same name as its current name']);
    }
    assert.deepEqual(await rename('one', 'two'), [
      409,
      `Error when allocating new name: Conflict. The container name "/two" is already in use by container "${two}". ` +
        'You have to remove (or rename) that container to be able to reuse that name.',
    ]);
    assert.deepEqual(await rename('one', '-x'), [
      400,
      'Error when allocating new name: Invalid container name (/-x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed',
    ]);
    assert.equal(await docker.field(id, '{{.Name}}'), '/one');
    assert.deepEqual(await rename(id.slice(0, 12), 'three'), [204, '']);
  });

  test('top: the container’s processes and no others', async () => {
    const id = await docker.ok('run', '-d', '--name', 'busy', busybox, 'sh', '-c', 'sleep 1000 & exec sleep 2000');
    const top = async (args?: string) => {
      const query = args === undefined ? '' : `?ps_args=${encodeURIComponent(args)}`;
      const answer = await engine().api('GET', `/containers/busy/top${query}`);
      assert.equal(answer.status, 200, answer.text);
      return answer.json<{ Titles: string[]; Processes: string[][] }>();
    };
    const plain = await top();
    assert.deepEqual(plain.Titles, ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD']);
    assert.deepEqual(plain.Processes.map((words) => words.at(-1) ?? '').sort(), ['sleep 1000', 'sleep 2000']);
    const pid = await docker.field('busy', '{{.State.Pid}}');
    assert.ok(plain.Processes.some((words) => words[1] === pid));
    assert.deepEqual((await top('-o pid,args')).Processes.map((words) => words[1] ?? '').sort(), [
      'sleep 1000',
      'sleep 2000',
    ]);
    for (const args of ['aux', 'axf', '-eo pid,cmd', '-o pid=PID -o comm']) {
      assert.equal((await top(args)).Processes.length, 2, args);
    }
    assert.match(await docker.ok('top', 'busy', '-o', 'pid,comm'), new RegExp(`^PID +COMMAND\n(.*\n)*${pid} +sleep`));
    assert.match(
      (await engine().api('GET', '/events?since=1&until=' + String(Math.ceil(Date.now() / 1000)))).text,
      new RegExp(`"Action":"top","Actor":{"ID":"${id}"`),
    );
  });

  test('top: bad arguments and states', async () => {
    await docker.ok('run', '-d', '--name', 'busy', busybox, 'sleep', '1000');
    const top = (args: string) => ask('GET', `/containers/busy/top?ps_args=${encodeURIComponent(args)}`);
    const [status, text] = await top('-o cmd');
    assert.deepEqual([status, text], [500, "Couldn't find PID field in ps output"]);
    assert.match((await top('--no-such-option')).join(' '), /^500 ps: error: unknown gnu long option/);
    const id = await docker.ok('create', '--name', 'idle', busybox, 'true');
    assert.deepEqual(await ask('GET', '/containers/idle/top'), [409, `container ${id} is not running`]);
    assert.deepEqual(await ask('GET', '/containers/nobody/top'), [404, 'No such container: nobody']);
    assert.match((await top('-o ppid=PID,cmd')).join(' '), /specifying "ppid=PID,cmd" is not allowed/);
  });

  test('container prune: stopped ones, filters, bytes, event', async () => {
    const since = Date.now() / 1000;
    const made: string[] = [];
    for (const label of ['a=1', 'b=2']) {
      await docker.ok('run', '--name', `done-${label[0]}`, '--label', label, busybox, 'sh', '-c', 'echo data > /file');
      made.push(await docker.field(`done-${label[0]}`, '{{.Id}}'));
    }
    await docker.ok('run', '-d', '--name', 'runs', busybox, 'sleep', '1000');
    await docker.ok('create', '--name', 'idle', busybox, 'true');
    const prune = async (filters: unknown) =>
      (await engine().api('POST', `/containers/prune?filters=${encodeURIComponent(JSON.stringify(filters))}`)).json<{
        ContainersDeleted: string[] | null;
        SpaceReclaimed: number;
      }>();
    assert.deepEqual(await prune({ until: { '1h': true } }), { ContainersDeleted: null, SpaceReclaimed: 0 });
    assert.deepEqual((await prune({ label: ['a=1'] })).ContainersDeleted, [made[0]]);
    const { ContainersDeleted, SpaceReclaimed } = await prune({ 'label!': ['nothing'] });
    assert.equal(ContainersDeleted?.length, 2);
    assert.ok(SpaceReclaimed >= 5, String(SpaceReclaimed));
    assert.equal(await docker.ok('ps', '-a', '--format', '{{.Names}}'), 'runs');
    assert.equal(await docker.ok('container', 'prune', '-f'), 'Total reclaimed space: 0B');
    const range = ['--since', String(since), '--until', String(Date.now() / 1000 + 0.001)];
    const told = await docker.ok(
      'events',
      ...range,
      '--filter',
      'event=prune',
      '--format',
      '{{.Type}} {{json .Actor}}',
    );
    assert.equal(told.split('\n').length, 4, told);
    assert.ok(told.includes(`container {"ID":"","Attributes":{"reclaimed":"${SpaceReclaimed}"}}`), told);
    const bad = (filters: string) => ask('POST', `/containers/prune?filters=${encodeURIComponent(filters)}`);
    assert.deepEqual(await bad('{"moon":["full"]}'), [400, "invalid filter 'moon'"]);
    assert.deepEqual(await bad('{"until":["1h","2h"]}'), [400, 'more than one until filter specified']);
    assert.equal((await bad('{"until":["yesterday"]}'))[0], 400);
    assert.equal((await bad('{"until":'))[0], 400);
  });

  test('a prefix of several ids is refused by every operation', async () => {
    const ids: string[] = [];
    let prefix: string | undefined;
    while (prefix === undefined) {
      const answer = await engine().api('POST', '/containers/create', { Image: busybox, Cmd: ['true'] });
      const { Id } = answer.json<{ Id: string }>();
      if (ids.some((id) => id[0] === Id[0])) prefix = Id[0];
      ids.push(Id);
    }
    const before = await docker.ok('ps', '-a', '--no-trunc', '--format', '{{.ID}} {{.Names}} {{.State}}');
    for (const [method, operation, body] of [
      ['POST', 'pause'],
      ['POST', 'unpause'],
      ['POST', 'rename?name=other'],
      ['GET', 'top'],
      ['POST', 'update', { PidsLimit: 5 }],
      ['GET', 'stats?stream=false'],
      ['POST', 'attach?stream=1'],
    ] as const) {
      const answer = await engine().api(method, `/containers/${prefix}/${operation}`, body);
      assert.equal(answer.status, 400, `${operation}: ${answer.status} ${answer.text}`);
      assert.match(answer.text, /multiple IDs found with provided prefix: /);
    }
    assert.equal(await docker.ok('ps', '-a', '--no-trunc', '--format', '{{.ID}} {{.Names}} {{.State}}'), before);
  });

  test('checkpoints are refused clearly', { skip: isOracle() }, async () => {
    await docker.ok('create', '--name', 'idle', busybox, 'true');
    assert.equal((await ask('GET', '/containers/idle/checkpoints'))[0], 501);
    assert.equal((await ask('POST', '/containers/idle/checkpoints'))[0], 501);
    assert.equal((await ask('DELETE', '/containers/idle/checkpoints/one'))[0], 501);
    assert.equal((await ask('POST', '/containers/idle/start?checkpoint=one'))[0], 501);
    assert.equal(await docker.field('idle', '{{.State.Status}}'), 'created');
  });
});
