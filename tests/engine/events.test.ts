/** `docker events`: order, ranges, filters, formats, over engine restarts. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
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

  test('volumes and networks come before a container starts, and go before it is told dead', async () => {
    const since = now();
    await docker.ok('run', '-d', '--name=ordered', '-v', 'ordered:/v', busybox, 'sleep', '1000');
    await docker.ok('kill', 'ordered');
    const lines = await eventually('it has died', async () => {
      const all = await past(since, '--format={{.Type}} {{.Action}}');
      return all.includes('container die') ? all : undefined;
    });
    assert.deepEqual(lines, [
      'volume create',
      'container create',
      'volume mount',
      'network connect',
      'container start',
      'container kill',
      'network disconnect',
      'volume unmount',
      'container die',
    ]);
    await docker.ok('rm', 'ordered');
    await docker.ok('volume', 'rm', 'ordered');
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

  test("every action of containers, volumes and images tells with Docker's attributes", async () => {
    const folder = engine().folder;
    const id = await docker.ok('create', '--name=first', '--label=l=1', '-v', 'named:/named', busybox, 'sleep', '1000');
    const common = `image=${busybox} l=1 name=second`;
    const told = async (work: readonly string[], ...expected: readonly string[]) => {
      const since = now();
      await docker(...work);
      const lines = await eventually(`${work.join(' ')} tells ${expected.join(', ')}`, async () => {
        const found = (await past(since, '--format=json')).map((line) => JSON.parse(line) as EventView);
        return found.length >= expected.length ? found : undefined;
      });
      const texts = lines.map(({ Type, Action, Actor }) => {
        const attributes = Object.entries(Actor.Attributes).map(([name, value]) => `${name}=${value}`);
        return `${Type} ${Action} ${attributes.sort().join(' ')}`.replaceAll(/sha256:[0-9a-f]{64}/g, 'DIGEST');
      });
      assert.deepEqual(texts.toSorted(), expected.toSorted());
    };
    const mount = `container=${id} destination=/named driver=local propagation= read/write=true`;
    const first = common.replace('second', 'first');
    await told(
      ['start', 'first'],
      `volume mount ${mount}`,
      `network connect container=${id} name=bridge type=bridge`,
      `container start ${first}`,
    );
    await told(['kill', '-s', 'CONT', 'first'], `container kill ${first} signal=18`);
    await told(['pause', 'first'], `container pause ${first}`);
    await told(['unpause', 'first'], `container unpause ${first}`);
    await told(['rename', 'first', 'second'], `container rename ${common} oldName=/first`);
    await told(['update', '--cpu-shares=512', 'second'], `container update ${common}`);
    await told(['top', 'second'], `container top ${common}`);
    // Volumes are mounted for a copy; one into the container begins with a look at the target.
    const unmount = `container=${id} driver=local`;
    const [mounted, unmounted] = [`volume mount ${mount}`, `volume unmount ${unmount}`];
    await told(
      ['cp', 'second:/etc/passwd', join(folder, 'passwd')],
      mounted,
      `container archive-path ${common}`,
      unmounted,
    );
    await told(
      ['cp', join(folder, 'passwd'), 'second:/tmp/passwd'],
      mounted,
      unmounted,
      mounted,
      `container extract-to-dir ${common}`,
      unmounted,
    );
    await told(['export', '-o', join(folder, 'root.tar'), 'second'], `container export ${common}`);
    await told(
      ['commit', '-m', 'why', 'second', 'made:1'],
      `container pause ${common}`,
      `container unpause ${common}`,
      'image create l=1 name=DIGEST',
      'image tag l=1 name=made:1',
      `container commit comment=why image=${busybox} imageID=DIGEST imageRef=made:1 l=1 name=second`,
    );
    const since = now();
    assert.equal((await engine().api('POST', '/containers/second/resize?h=10&w=20')).status, 200);
    const resized = await eventually('the resize is told', async () => {
      const [line] = await past(since, '--filter=event=resize', '--format=json');
      return line;
    });
    const { height, width } = (JSON.parse(resized) as EventView).Actor.Attributes;
    assert.deepEqual([height, width], ['10', '20']);
    await told(['tag', busybox, 'other:1'], 'image tag name=other:1');
    await told(['rmi', 'other:1'], 'image untag name=DIGEST');
    await told(
      ['import', join(folder, 'root.tar'), 'imported:1'],
      'image tag name=imported:1',
      'image import name=DIGEST',
    );
    await told(['rmi', 'imported:1'], 'image untag name=DIGEST', 'image delete name=DIGEST');
    await told(['image', 'prune', '-f'], 'image prune reclaimed=0');
    await told(['volume', 'create', 'loose'], 'volume create driver=local');
    await told(['volume', 'rm', 'loose'], 'volume destroy driver=local');
    await told(['volume', 'prune', '-f'], 'volume prune reclaimed=0');
    await told(['container', 'prune', '-f'], 'container prune reclaimed=0');
  });

  test('an exec tells its command, its id and its exit code', async () => {
    const since = now();
    await docker.ok('run', '-d', '--name=holder', busybox, 'sleep', '1000');
    await docker('exec', 'holder', 'sh', '-c', 'exit 3');
    await docker.ok('exec', 'holder', 'true');
    const found = await eventually('both have ended', async () => {
      const lines = await past(since, '--filter=container=holder', '--format=json');
      const execs = lines
        .map((line) => JSON.parse(line) as EventView)
        .filter(({ Action }) => Action.startsWith('exec_'));
      return execs.length >= 6 ? execs : undefined;
    });
    assert.deepEqual(
      found.map(({ Action, Actor }) => [Action, Actor.Attributes['exitCode']]),
      [
        ['exec_create: sh -c exit 3', undefined],
        ['exec_start: sh -c exit 3', undefined],
        ['exec_die', '3'],
        ['exec_create: true ', undefined],
        ['exec_start: true ', undefined],
        ['exec_die', '0'],
      ],
    );
    assert.equal(new Set(found.map(({ Actor }) => Actor.Attributes['execID'])).size, 2);
  });

  test('a reader that stops reading gets every event later, and costs the engine no memory', {
    skip: isOracle(),
  }, async () => {
    const memory = async () =>
      (await engine().api('GET', '/info')).json<{ Gantry: { MemoryRss: number } }>().Gantry.MemoryRss;
    await docker.ok('create', '--name=busy', `--label=long=${'x'.repeat(2000)}`, busybox, 'true');
    const since = now();
    const stalled = connect(engine().paths.socket);
    let text = '';
    stalled.write(`GET /events?since=${since}&filters={"event":["rename"]} HTTP/1.1\r\nHost: engine\r\n\r\n`);
    stalled.pause();
    const before = await memory();
    const rounds = 1500;
    for (let round = 0; round < rounds; round += 2) {
      await engine().api('POST', '/containers/busy/rename?name=idle');
      await engine().api('POST', '/containers/idle/rename?name=busy');
    }
    const grown = (await memory()) - before;
    assert.ok(grown < 48 << 20, `${grown >> 20} MiB`);
    stalled.setEncoding('utf8').on('data', (more: string) => (text += more));
    stalled.resume();
    const seen = () => [...text.matchAll(/"Seq":([0-9]+)/g)].map(([, seq]) => Number(seq));
    await eventually('all come', () => seen().length >= rounds);
    assert.deepEqual(
      seen(),
      Array.from({ length: rounds }, (_, at) => (seen()[0] ?? 0) + at),
    );
    stalled.destroy();
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
