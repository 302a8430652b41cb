import assert from 'node:assert/strict';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { withBuildx } from '../support/buildx.ts';
import { isOracle } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { folder, lines } from './_build-folder.ts';
import { buildxOf } from './_buildx.ts';
import { busybox } from './_docker.ts';

interface BuiltImage {
  readonly Id: string;
  readonly Config: Record<string, unknown>;
  readonly RootFS: { readonly Layers: readonly string[] };
}

engineSuite('images built by buildx', { prepare: withBuildx }, (engine) => {
  const { docker, build, built } = buildxOf(engine);
  const inspect = async (name: string): Promise<BuiltImage> =>
    (JSON.parse(await docker.ok('image', 'inspect', name)) as BuiltImage[])[0] as BuiltImage;

  test('copied files, commands and settings make an image that runs', async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(
        `FROM ${busybox}`,
        'ENV GREETING=hello',
        'WORKDIR /srv/app',
        'COPY one.txt dir/ ./',
        'COPY --chown=5:6 --chmod=640 one.txt /etc/own',
        'RUN echo "$GREETING $(cat one.txt)" > made && rm /bin/wget',
        'LABEL kind=test',
        'USER 7',
        'EXPOSE 80',
        'CMD ["sh", "-c", "cat made; pwd; id -u"]',
      ),
      'one.txt': 'one\n',
      'dir/two.txt': 'two\n',
      'dir/deep/three.txt': 'three\n',
    });
    await built(context, '--tag=built:1');
    assert.equal(await docker.ok('run', '--rm', 'built:1'), 'hello one\n/srv/app\n7');
    const look = 'cat two.txt deep/three.txt; stat -c "%u:%g %a" /etc/own /srv/app /tmp; ls /bin/wget';
    const { stdout } = await docker('run', '--rm', 'built:1', 'sh', '-c', look);
    const tmp = await docker.ok('run', '--rm', busybox, 'stat', '-c', '%u:%g %a', '/tmp');
    assert.equal(stdout, `two\nthree\n5:6 640\n0:0 755\n${tmp}\n`);
    const { Config, RootFS } = await inspect('built:1');
    assert.deepEqual(Config['Cmd'], ['sh', '-c', 'cat made; pwd; id -u']);
    assert.deepEqual([Config['User'], Config['WorkingDir'], Config['Labels']], ['7', '/srv/app', { kind: 'test' }]);
    assert.ok((Config['Env'] as string[]).includes('GREETING=hello'));
    assert.equal(RootFS.Layers.length, (await inspect(busybox)).RootFS.Layers.length + 4);
    const history = await docker.ok('history', '--no-trunc', '--format', '{{.CreatedBy}}', 'built:1');
    assert.match(
      history,
      /^RUN \/bin\/sh -c echo "\$GREETING \$\(cat one\.txt\)" > made && rm \/bin\/wget # buildkit$/m,
    );
    assert.match(history, /^COPY one\.txt dir\/ \.\/ # buildkit$/m);
  });

  test('the id that is told, and written to a file, is that of the image', async (t) => {
    const context = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'CMD ["echo", "by id"]') });
    const id = await docker.ok('buildx', 'build', '-q', '--provenance=false', context);
    assert.equal(await docker.ok('run', '--rm', id), 'by id');
    const idFile = join(context, 'id');
    await built(context, '--provenance=false', `--iidfile=${idFile}`, '--tag=named:1');
    assert.equal(await readFile(idFile, 'utf8'), (await inspect('named:1')).Id);
  });

  test('what did not change is not done again', async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(`FROM ${busybox}`, 'COPY a /a', 'RUN cat /a > /made', 'COPY b /b', 'RUN cat /b >> /made'),
      a: 'a1 ',
      b: 'b1 ',
    });
    const cachedIn = (output: string): number => output.match(/^#\d+ CACHED$/gm)?.length ?? 0;
    await built(context, '--tag=cache:1');
    const first = await inspect('cache:1');
    const again = await built(context, '--tag=cache:1');
    assert.equal((await inspect('cache:1')).Id, first.Id);
    assert.ok(cachedIn(again) >= 4, again);
    await writeFile(join(context, 'b'), 'b2 ');
    const changed = await built(context, '--tag=cache:1');
    assert.match(changed, /\[2\/5\] COPY a \/a\n#\d+ CACHED/);
    assert.match(changed, /\[5\/5\] RUN cat \/b >> \/made\n#\d+ DONE/);
    assert.equal(await docker.ok('run', '--rm', 'cache:1', 'cat', '/made'), 'a1 b2 ');
    // The content counts, not when it was written.
    await writeFile(join(context, 'b'), 'b2 ');
    assert.ok(cachedIn(await built(context, '--tag=cache:1')) >= 4);
    assert.equal(cachedIn(await built(context, '--no-cache', '--tag=cache:1')), 1);
  });

  test('a command that fails fails the build, at its line', async (t) => {
    const context = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'RUN true', 'RUN echo why >&2; exit 3') });
    const { code, stderr } = await build(context, '--tag=failed:1');
    assert.equal(code, 1);
    assert.match(stderr, /process "\/bin\/sh -c echo why >&2; exit 3" did not complete successfully: exit code: 3/);
    assert.match(stderr, /^Dockerfile:3$/m);
    assert.match(stderr, />>> RUN echo why/);
    assert.match(stderr, /^#\d+ [\d.]+ why$/m);
    assert.equal((await docker('image', 'inspect', 'failed:1')).code, 1);
  });

  test('a file that is not there is named', async (t) => {
    const context = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'COPY gone.txt /') });
    const { code, stderr } = await build(context);
    assert.equal(code, 1);
    assert.match(stderr, /failed to calculate checksum of ref .*"\/gone\.txt": not found/);
  });

  test('for a file that is not there the one that was probably meant is named, or why it is not there', async (t) => {
    if (isOracle()) return t.skip('Docker does not say so');
    const context = await folder(t, {
      '.dockerignore': 'notes',
      'package.json': '{}',
      notes: 'n',
      'src/main.ts': 'x',
      Dockerfile: lines(`FROM ${busybox} AS made`, 'RUN echo x >/result', 'FROM scratch', 'ARG line', 'COPY $line /'),
    });
    for (const [line, hint] of [
      ['pakage.json', /"\/pakage\.json": not found \(did you mean "\/package\.json"\?\)/],
      ['src/mian.ts', /"\/src\/mian\.ts": not found \(did you mean "\/src\/main\.ts"\?\)/],
      ['notes', /"\/notes": not found \(\.dockerignore leaves it out\)/],
      ['nothing.like', /"\/nothing\.like": not found$/m],
    ] as const) {
      const { code, stderr } = await build(context, `--build-arg=line=${line}`);
      assert.deepEqual([code, hint.test(stderr)], [1, true], stderr);
    }
    await writeFile(
      join(context, 'Dockerfile'),
      lines(`FROM ${busybox} AS made`, 'RUN echo x >/result', 'FROM scratch', 'COPY --from=made /reslut /'),
    );
    const { stderr } = await build(context);
    assert.match(stderr, /"\/reslut": not found \(did you mean "\/result"\?\)/);
    const classic = await folder(t, { 'package.json': '{}', Dockerfile: lines('FROM scratch', 'COPY pakage.json /') });
    const old = await engine().docker(['build', classic], { env: { DOCKER_BUILDKIT: '0' } });
    assert.match(old.stderr, /not found \(did you mean "\/package\.json"\?\)/);
  });

  test('a Dockerfile with a fault is refused, at its place', async (t) => {
    const context = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'RUNN true') });
    const { code, stderr } = await build(context);
    assert.equal(code, 1);
    assert.match(stderr, /dockerfile parse error on line 2: unknown instruction: RUNN \(did you mean RUN\?\)/);
    assert.match(stderr, />>> RUNN true/);
  });

  test('stages take files from each other, and those that nobody needs are left out', async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(
        `FROM ${busybox} AS build`,
        'RUN mkdir -p /out/sub && echo x > /out/sub/x && ln -s sub/x /out/link && chown 8:9 /out/sub/x',
        `FROM ${busybox} AS unused`,
        'RUN exit 1',
        'FROM scratch',
        'COPY --from=build /out /got/',
        'COPY --from=build /bin/busy* /bin/sh /bin/',
      ),
    });
    await built(context, '--tag=stages:1');
    const look = 'cat /got/link; stat -c "%u:%g" /got/sub/x';
    assert.equal(
      await docker.ok(
        'run',
        '--rm',
        'stages:1',
        '/bin/busybox',
        'sh',
        '-c',
        `/bin/busybox ${look.replace('; ', '; /bin/busybox ')}`,
      ),
      'x\n8:9',
    );
  });

  test('what .dockerignore names does not travel, and links lead nowhere outside of the context', async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(`FROM ${busybox}`, 'COPY . /ctx', 'RUN ls -A /ctx'),
      '.dockerignore': lines('secret*', '!secret.ok', 'Dockerfile', '.dockerignore'),
      'secret.txt': 'x',
      'secret.ok': 'y',
      plain: 'z',
    });
    await symlink('/etc/passwd', join(context, 'link'));
    await built(context, '--tag=ignored:1');
    assert.equal(await docker.ok('run', '--rm', 'ignored:1', 'ls', '/ctx'), 'link\nplain\nsecret.ok');
    assert.equal(await docker.ok('run', '--rm', 'ignored:1', 'readlink', '/ctx/link'), '/etc/passwd');
    const through = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'COPY link /got') });
    await symlink('/etc/hostname', join(through, 'link'));
    const { code, stderr } = await build(through);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /not found/);
  });

  test('a client that leaves ends its commands', async (t) => {
    const context = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'RUN echo begun; sleep 98765') });
    const client = docker.background('buildx', 'build', '--progress=plain', context);
    await eventually('the command runs', () => client.stderr().includes('begun'), { timeout: 30_000 });
    client.child.kill('SIGINT');
    assert.notEqual(await client.end, 0);
    const pids = async () =>
      (await engine().inside(['sh', '-c', 'ps -e -o args | grep -c "^sleep 98765" || true'])).stdout.trim();
    await eventually('the command is gone', async () => (await pids()) === '0', { timeout: 10_000 });
  });

  test('what the cache keeps is listed, and pruned', async (t) => {
    const context = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'RUN echo x > /x') });
    await built(context, '--tag=pruned:1');
    assert.match(await docker.ok('buildx', 'du'), /^Total:\s+[1-9]/m);
    await docker.ok('buildx', 'prune', '--all', '--force');
    assert.match(await docker.ok('buildx', 'du'), /^Total:\s+0B$/m);
    assert.equal(await docker.ok('run', '--rm', 'pruned:1', 'cat', '/x'), 'x');
  });
});
