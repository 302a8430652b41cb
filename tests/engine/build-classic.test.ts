import assert from 'node:assert/strict';
import { join } from 'node:path';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { unpackPackages } from '../support/docker-client.ts';
import { run } from '../support/run.ts';
import { withBuildx } from '../support/buildx.ts';
import { isOracle } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { tarOf } from '../support/tar.ts';
import { folder, lines } from './_build-folder.ts';
import { busybox, dockerOf } from './_docker.ts';

engineSuite('POST /build', { prepare: withBuildx }, (engine) => {
  const docker = dockerOf(engine);
  const env = { DOCKER_BUILDKIT: '0' };
  const build = (context: string, ...options: readonly string[]) =>
    engine().docker(['build', ...options, context], { env, timeout: 60_000 });

  test('a client without buildx builds', async (t) => {
    const context = await folder(t, {
      'sub/Other': lines(
        `FROM ${busybox} AS first`,
        'ARG WHAT=nothing',
        'COPY . /ctx/',
        'RUN echo "$WHAT" > /made; ls /ctx',
        `FROM ${busybox}`,
        'COPY --from=first /made /ctx/plain /',
        'CMD ["cat", "/made", "/plain"]',
      ),
      '.dockerignore': lines('ignored', 'sub'),
      plain: 'plain\n',
      ignored: 'x',
    });
    const options = [
      '-f',
      `${context}/sub/Other`,
      '--build-arg=WHAT=some thing',
      '--label=a=b',
      '-t',
      'classic:1',
      '-t',
      'classic:2',
    ];
    const { code, stdout, stderr } = await build(context, ...options);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^Step \d\/\d : COPY --from=first \/made \/ctx\/plain \/$/m);
    assert.match(stdout, /^Successfully built [0-9a-f]{12}$/m);
    assert.match(stdout, /^Successfully tagged classic:2$/m);
    assert.equal(await docker.ok('run', '--rm', 'classic:1'), 'some thing\nplain');
    assert.equal(await docker.ok('inspect', '--format', '{{.Config.Labels.a}}', 'classic:2'), 'b');
    const again = await build(context, ...options);
    assert.match(again.stdout, /^ ---> Using cache$/m);
  });

  test('only the id is told when that is wished', async (t) => {
    const context = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'RUN true') });
    assert.match((await build(context, '-q')).stdout, /^sha256:[0-9a-f]{64}\n$/);
  });

  test('failures are told in the words of the classic builder', async (t) => {
    const failing = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'RUN echo "why"; exit 4') });
    const { code, stdout, stderr } = await build(failing, '-t', 'failing:1');
    assert.equal(code, 4);
    assert.match(stdout, /^why$/m);
    assert.match(stderr, /The command '\/bin\/sh -c echo "why"; exit 4' returned a non-zero code: 4/);
    assert.equal((await docker('image', 'inspect', 'failing:1')).code, 1);
    const wrong = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'RUNN true') });
    assert.match((await build(wrong)).stderr, /parse error on line 2: unknown instruction: RUNN/);
  });

  test('a Dockerfile may come alone', async () => {
    const input = lines(`FROM ${busybox}`, 'RUN echo x > /x');
    const { code, stderr } = await engine().docker(['build', '-t', 'alone:1', '-'], { env, input, timeout: 60_000 });
    assert.equal(code, 0, stderr);
    assert.equal(await docker.ok('run', '--rm', 'alone:1', 'cat', '/x'), 'x');
  });

  test('a client of 2020 with BuildKit in it sends its folder and secrets by a session', async (t) => {
    const old = join(unpackPackages('bookworm', 'docker-20.10', ['docker.io']), 'usr/bin/docker');
    const context = await folder(t, {
      Dockerfile: lines(
        `FROM ${busybox}`,
        'ARG WORD',
        'COPY . /ctx/',
        'RUN --mount=type=secret,id=key echo $WORD > /made; ls /ctx >> /made; wc -c < /run/secrets/key >> /made',
      ),
      '.dockerignore': 'key\n.docker*\n',
      kept: '',
      key: 'secret',
    });
    const run20 = (...words: readonly string[]) =>
      run(old, ['build', '--progress=plain', '-t=old:1', ...words], {
        env: { ...engine().clientEnv(), DOCKER_BUILDKIT: '1' },
        timeout: 60_000,
      });
    const secret = `--secret=id=key,src=${join(context, 'key')}`;
    const { code, stderr } = await run20('--build-arg=WORD=given', secret, context);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /RUN --mount=type=secret/);
    assert.equal(await docker.ok('run', '--rm', 'old:1', 'cat', '/made'), 'given\nDockerfile\nkept\n6');
    // An archive on standard input comes in a request of its own; an agent is asked by the session.
    const archive = tarOf([
      {
        name: 'Dockerfile',
        body: lines(`FROM ${busybox}`, 'COPY f /f', 'RUN --mount=type=ssh test -S $SSH_AUTH_SOCK'),
      },
      { name: 'f', body: 'piped' },
    ]);
    const agent = join(context, 'agent');
    const server = createServer().listen(agent);
    t.after(() => server.close());
    await once(server, 'listening');
    const piped = await run(old, ['build', '--progress=plain', '-t=old:2', `--ssh=default=${agent}`, '-'], {
      env: { ...engine().clientEnv(), DOCKER_BUILDKIT: '1' },
      input: archive,
      timeout: 60_000,
    });
    assert.equal(piped.code, 0, piped.stderr);
    assert.equal(await docker.ok('run', '--rm', 'old:2', 'cat', '/f'), 'piped');
    const failed = await run20(secret, '--build-arg=WORD=x; exit 5; :', '--file', join(context, 'kept'), context);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /empty/);
    const past = await docker.ok('buildx', 'history', 'ls', '--format', '{{.Status}}');
    assert.deepEqual(past.split('\n'), ['Error', 'Completed', 'Completed']);
    // dockerd says what is wrong in a stream that begins with 200.
    if (isOracle()) return;
    const nobody = await engine().api('POST', '/build?version=2&remote=client-session');
    assert.equal(nobody.status, 400);
    assert.match(nobody.text, /needs the parameter session/);
    assert.equal((await engine().api('POST', '/build?version=3')).status, 400);
  });
});
