import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';

interface Committed {
  readonly Author: string;
  readonly Comment: string;
  readonly Config: {
    Env: string[];
    Cmd: string[];
    Entrypoint: string[] | null;
    Labels: Record<string, string>;
    User: string;
  };
  readonly RootFS: { Layers: string[] };
}

engineSuite('commit', {}, (engine) => {
  const docker = dockerOf(engine);
  const inspect = async (name: string): Promise<Committed> =>
    (JSON.parse(await docker.ok('image', 'inspect', name)) as Committed[])[0] as Committed;
  const layersOf = async (name: string) => (await inspect(name)).RootFS.Layers;

  test('a running and a stopped container become an image with what they changed', async () => {
    await docker.ok('run', '-d', '--name', 'one', '-e', 'A=1', '-v', '/vol', busybox, 'sleep', '1000');
    const script = [
      'echo new > /new',
      'ln /new /hard',
      'rm /bin/wget',
      'rm -r /etc && mkdir /etc && echo only > /etc/only',
      'mkdir -m 1777 /dir && ln -s /new /dir/link',
      'chown 5:6 /new && chmod 4755 /new',
      'echo x > /vol/file',
    ];
    await docker('exec', 'one', 'sh', '-c', script.join('; '));
    for (const state of ['running', 'stopped']) {
      if (state === 'stopped') await docker.ok('stop', '-t', '0', 'one');
      const id = await docker.ok('commit', 'one', 'committed:1');
      assert.match(id, /^sha256:[0-9a-f]{64}$/);
      const look =
        'cat /new; stat -c "%u:%g %a %h" /new; readlink /dir/link; stat -c %a /dir; ls /bin/wget /vol; echo $A';
      const { stdout } = await docker('run', '--rm', 'committed:1', 'sh', '-c', look);
      assert.equal(stdout, 'new\n5:6 4755 2\n/new\n1777\n/vol:\n1\n');
      assert.equal(await docker.ok('diff', await docker.ok('create', 'committed:1', 'true')), '');
    }
    assert.equal((await layersOf('committed:1')).length, (await layersOf(busybox)).length + 1);
    const history = (await docker.ok('history', '--no-trunc', '--format', '{{.CreatedBy}}', 'committed:1')).split('\n');
    assert.equal(history[0], 'sleep 1000');
  });

  test('a directory that was replaced hides what the image has in it', async () => {
    await docker.ok(
      'run',
      '--name',
      'one',
      busybox,
      'sh',
      '-c',
      'rm -r /usr /var; mkdir -p /usr/own; touch /usr/own/file',
    );
    await docker.ok('commit', 'one', 'opaque:1');
    assert.equal(
      await docker.ok('run', '--rm', 'opaque:1', 'sh', '-c', 'ls /usr; ls -d /var 2>/dev/null || echo none'),
      'own\nnone',
    );
  });

  test('author, comment, configuration and instructions', async () => {
    await docker.ok('create', '--name', 'one', '--label', 'kept=1', busybox, 'sleep', '5');
    const changes = ['CMD ["echo", "hi"]', 'ENV B=2 C="three four"', 'LABEL more=2', 'USER 7', 'WORKDIR /tmp'];
    const flags = ['-a', 'Some One', '-m', 'why', ...changes.flatMap((change) => ['-c', change])];
    await docker.ok('commit', ...flags, 'one', 'changed');
    const { Author, Comment, Config, RootFS } = await inspect('changed:latest');
    assert.deepEqual([Author, Comment, Config.Cmd, Config.User], ['Some One', 'why', ['echo', 'hi'], '7']);
    assert.deepEqual(Config.Labels, { kept: '1', more: '2' });
    assert.ok(Config.Env.includes('B=2') && Config.Env.includes('C=three four'));
    assert.deepEqual(RootFS.Layers, await layersOf(busybox), 'nothing was written: no layer');
    assert.equal(await docker.ok('run', '--rm', 'changed', 'sh', '-c', 'id -u; pwd; echo $C'), '7\n/tmp\nthree four');
    const override = { Env: ['D=4'], Cmd: ['from-body'] };
    const answer = await engine().api('POST', '/v1.44/commit?container=one&repo=body', override);
    assert.equal(answer.status, 201);
    const body = (await inspect('body')).Config;
    assert.deepEqual(body.Cmd, ['from-body']);
    assert.ok(body.Env.includes('D=4'));
  });

  test('wrong requests change nothing', async () => {
    await docker.ok('create', '--name', 'one', busybox, 'true');
    const before = await docker.ok('images', '-aq');
    const status = async (query: string, body?: unknown) =>
      (await engine().api('POST', `/v1.44/commit?${query}`, body)).status;
    assert.equal(await status('container=nobody'), 404);
    assert.equal(await status('container=one&repo=UPPER'), 400);
    assert.equal(await status('container=one&repo=a&tag=-bad'), 400);
    assert.equal(await status('container=one&changes=FROM%20x'), 400);
    assert.equal(await status('container=one', { Env: 'text' }), 400);
    const { stderr } = await docker('commit', '-c', 'NOTHING x', 'one');
    assert.match(stderr, /NOTHING is not a valid change command|unknown instruction: NOTHING/i);
    assert.equal(await docker.ok('images', '-aq'), before);
  });

  test('processes stand still meanwhile, or not, and run on afterwards', async () => {
    const since = String(Math.floor(Date.now() / 1000) - 1);
    await docker.ok('run', '-d', '--name', 'one', busybox, 'sleep', '1000');
    const id = await docker.field('one', '{{.Id}}');
    await docker.ok('commit', 'one');
    await docker.ok('commit', '--pause=false', 'one');
    assert.equal(await docker.field('one', '{{.State.Status}}'), 'running');
    const events = await docker.ok(
      'events',
      '--since',
      since,
      '--until',
      String(Math.floor(Date.now() / 1000) + 1),
      '--filter',
      `container=${id}`,
      '--format',
      '{{.Action}}',
    );
    const seen = events.split('\n').filter((action) => ['pause', 'unpause', 'commit'].includes(action));
    // Docker lets them run on after the whole commit, Gantry as soon as the files are read.
    assert.deepEqual(seen.sort(), ['commit', 'commit', 'pause', 'unpause']);
    await docker.ok('pause', 'one');
    await docker.ok('commit', 'one');
    assert.equal(await docker.field('one', '{{.State.Status}}'), 'paused');
    await docker.ok('unpause', 'one');
  });
});
