/** `docker events`: order, ranges, filters, formats, over engine restarts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

interface EventView {
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  readonly scope: string;
  readonly time: number;
  readonly timeNano: number;
  readonly id?: string;
  readonly status?: string;
  readonly from?: string;
}

const now = () => (Date.now() / 1000).toFixed(6);

engineSuite('events', {}, (engine) => {
  const docker = dockerOf(engine);
  const past = async (since: string, ...args: string[]) =>
    (await docker.ok('events', '--since', since, '--until', now(), ...args)).split('\n').filter((line) => line !== '');
  const actions = (since: string, name: string) => past(since, `--filter=container=${name}`, '--format={{.Action}}');

  test('the order of a life: create, attach, start, die, destroy', async () => {
    const since = now();
    await docker.ok('run', '--rm', '--name=watched', busybox, 'true');
    await eventually('it is destroyed', async () => (await actions(since, 'watched')).includes('destroy'));
    assert.deepEqual(await actions(since, 'watched'), ['create', 'attach', 'start', 'die', 'destroy']);
    const networks = await past(
      since,
      '--filter=type=network',
      '--format={{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.type}}',
    );
    assert.deepEqual(networks, ['connect bridge bridge', 'disconnect bridge bridge']);
  });

  test('stop, restart, rename and signals tell what happened', async () => {
    const since = now();
    await docker.ok('run', '-d', '--name=told', '--init', busybox, 'sleep', '1000');
    await docker.ok('kill', '-s', 'CONT', 'told');
    await docker.ok('stop', 'told');
    await docker.ok('restart', 'told');
    await docker.ok('rm', '-f', 'told');
    assert.deepEqual(await actions(since, 'told'), [
      'create',
      'start',
      'kill',
      'kill',
      'die',
      'stop',
      'start',
      'restart',
      'kill',
      'die',
      'destroy',
    ]);
  });

  test('an event as JSON', async () => {
    const since = now();
    const id = await docker.ok('run', '-d', '--name=json', '--label=team=a', busybox, 'sh', '-c', 'exit 3');
    await docker.ok('wait', 'json');
    const lines = await eventually('it has died', async () => {
      const found = await past(since, '--filter=container=json', '--filter=event=die', '--format=json');
      return found.length > 0 ? found : undefined;
    });
    const event = JSON.parse(lines[0] ?? '') as EventView;
    assert.equal(event.Type, 'container');
    assert.equal(event.Action, 'die');
    assert.equal(event.scope, 'local');
    assert.equal(event.Actor.ID, id);
    const { execDuration, ...attributes } = event.Actor.Attributes;
    assert.match(execDuration ?? '', /^\d+$/);
    assert.deepEqual(attributes, { image: busybox, name: 'json', exitCode: '3', team: 'a' });
    assert.equal(Math.floor(event.timeNano / 1e9), event.time);
    assert.deepEqual([event.status, event.id, event.from], ['die', id, busybox]);
  });

  test('filters: type, event, container, label, image; several of one are either-or', async () => {
    const since = now();
    await docker.ok('create', '--name=one', '--label=team=red', busybox, 'true');
    await docker.ok('create', '--name=two', '--label=team=blue', busybox, 'true');
    await docker.ok('start', '-a', 'one');
    await docker.ok('tag', busybox, 'gantry-test/events:1');
    await docker.ok('rmi', 'gantry-test/events:1');
    const show = (...filters: string[]) =>
      past(
        since,
        ...filters.map((text) => `--filter=${text}`),
        '--format={{.Type}}:{{.Action}}:{{.Actor.Attributes.name}}',
      );
    assert.deepEqual(await show('event=create'), ['container:create:one', 'container:create:two']);
    assert.deepEqual(await show('label=team=blue'), ['container:create:two']);
    assert.deepEqual(await show('label=team', 'event=create'), ['container:create:one', 'container:create:two']);
    assert.deepEqual(await show('container=one', 'container=two', 'event=create', 'event=start'), [
      'container:create:one',
      'container:create:two',
      'container:start:one',
    ]);
    assert.deepEqual(
      (await show('type=image')).map((line) => line.split(':')[1]),
      ['tag', 'untag'],
    );
    assert.deepEqual(await show(`image=${busybox}`, 'event=create'), ['container:create:one', 'container:create:two']);
  });

  test('a stream shows what was since and what comes, in order, each once', async () => {
    const since = now();
    await docker.ok('create', '--name=early', busybox, 'true');
    const watcher = docker.background(
      'events',
      '--since',
      since,
      '--filter=type=container',
      '--format={{.Action}} {{.Actor.Attributes.name}}',
    );
    await Promise.all(Array.from({ length: 8 }, (_, at) => docker.ok('create', `--name=c${at}`, busybox, 'true')));
    await eventually('all are told', () => watcher.stdout().split('\n').length > 9);
    watcher.child.kill('SIGKILL');
    await watcher.end;
    const lines = watcher.stdout().trim().split('\n');
    assert.equal(lines[0], 'create early');
    assert.deepEqual(
      lines.slice(1).sort(),
      Array.from({ length: 8 }, (_, at) => `create c${at}`),
    );
  });

  test('they survive kill -9, and go on after it', async () => {
    const since = now();
    await docker.ok('run', '-d', '--name=lasting', busybox, 'sleep', '1000');
    await engine().stop('SIGKILL');
    await engine().start();
    await docker.ok('kill', 'lasting');
    await eventually('the death is told', async () => (await actions(since, 'lasting')).includes('die'));
    assert.deepEqual(await actions(since, 'lasting'), ['create', 'start', 'kill', 'die']);
    const times = (await past(since, '--format={{.TimeNano}}')).map(BigInt);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)),
    );
  });
});
