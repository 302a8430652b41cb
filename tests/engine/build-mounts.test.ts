import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { withBuildx } from '../support/buildx.ts';
import { isOracle, seenBy } from '../support/engine.ts';
import { startRegistry } from '../support/registry.ts';
import { engineSuite } from '../support/suite.ts';
import { folder, lines } from './_build-folder.ts';
import { buildxOf } from './_buildx.ts';
import { busybox } from './_docker.ts';

engineSuite('mounts of builds', { prepare: withBuildx }, (engine) => {
  const { docker, build } = buildxOf(engine);

  test('secrets, tmpfs, other stages and the context are seen by one command, and nothing of them stays', async (t) => {
    const planted = 'planted-secret-4711';
    const context = await folder(t, {
      Dockerfile: lines(
        `FROM ${busybox} AS other`,
        'RUN echo from-other > /x',
        `FROM ${busybox}`,
        // Not compared here: the text of a command is in the image's history.
        'RUN --mount=type=secret,id=key sha256sum < /run/secrets/key > /sums',
        'RUN --mount=type=secret,id=key,env=KEY printf %s "$KEY" | sha256sum >> /sums',
        'RUN --mount=type=tmpfs,target=/gone echo a > /gone/a',
        'RUN --mount=type=bind,from=other,source=/x,target=/y cat /y > /copied',
        'RUN --mount=type=bind,source=sub,target=/ctx cat /ctx/f >> /copied',
      ),
      'sub/f': 'in-context\n',
      key: planted,
      '.dockerignore': 'key\n',
    });
    const { code, stderr } = await build(context, '--secret', `id=key,src=${join(context, 'key')}`, '--tag=mounts:1');
    assert.equal(code, 0, stderr);
    const look = 'cat /copied; ls -d /gone /y /ctx /run/secrets 2>/dev/null; true';
    assert.equal(await docker.ok('run', '--rm', 'mounts:1', 'sh', '-c', look), 'from-other\nin-context');
    const sum = `${createHash('sha256').update(planted).digest('hex')}  -`;
    assert.equal(await docker.ok('run', '--rm', 'mounts:1', 'cat', '/sums'), `${sum}\n${sum}`);
    if (isOracle()) return;
    for (const root of [engine().paths.dataRoot, engine().paths.execRoot]) {
      const found = execFileSync('sh', ['-c', `grep -rl ${planted} ${seenBy(engine(), root)} || true`]);
      assert.equal(String(found), '');
    }
    const missing = await build(context, '--no-cache');
    assert.equal(missing.code, 1);
  });

  test('a cache mount lives on from build to build, as a volume', async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(
        `FROM ${busybox}`,
        'COPY n /n',
        'RUN --mount=type=cache,target=/c cat /n >> /c/all; cat /c/all > /all',
      ),
      n: 'one ',
    });
    assert.equal((await build(context, '--tag=cached:1')).code, 0);
    await writeFile(join(context, 'n'), 'two ');
    assert.equal((await build(context, '--tag=cached:1')).code, 0);
    assert.equal(
      await docker.ok('run', '--rm', 'cached:1', 'sh', '-c', 'cat /all; ls /c 2>/dev/null; true'),
      'one two ',
    );
    if (!isOracle()) assert.match(await docker.ok('volume', 'ls', '-q'), /^build-cache-[0-9a-f]{16}$/);
  });

  test('what is written into a bound folder or file is seen by the command, and by nobody else', async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(
        `FROM ${busybox} AS other`,
        'RUN mkdir /d && echo one > /d/f && ln -s /etc /d/out && chown -R 7:8 /d',
        `FROM ${busybox}`,
        'RUN --mount=type=bind,from=other,source=/d,target=/m,rw echo two >> /m/f && rm /m/out && touch /m/new && cat /m/f > /r',
        'RUN --mount=type=bind,from=other,source=/d,target=/m ls /m >> /r; touch /m/x 2>/dev/null && echo wrong >> /r; true',
        'RUN --mount=type=bind,target=/ctx,rw echo more >> /ctx/file; cat /ctx/file >> /r',
        'RUN --mount=type=bind,source=file,target=/one,rw echo 1 >> /one; cat /one >> /r',
      ),
      file: 'in-context\n',
    });
    const { code, stderr } = await build(context, '--tag=writable:1');
    assert.equal(code, 0, stderr);
    const seen = 'one\ntwo\nf\nout\nin-context\nmore\nin-context\n1';
    assert.equal(await docker.ok('run', '--rm', 'writable:1', 'cat', '/r'), seen);
    assert.equal(await docker.ok('run', '--rm', 'writable:1', 'sh', '-c', 'ls -d /m /ctx /one 2>/dev/null; true'), '');
    const outside = await folder(t, {
      Dockerfile: lines(
        `FROM ${busybox} AS other`,
        'RUN ln -s /etc /link',
        `FROM ${busybox}`,
        'RUN --mount=type=bind,from=other,source=/link,target=/m,rw cat /m/passwd > /r; touch /m/written-by-a-build',
      ),
    });
    const told = await build(outside, '--tag=writable:2');
    // The link leads inside of what is mounted, or nowhere; never to the host.
    if (told.code === 0) assert.doesNotMatch(await docker.ok('run', '--rm', 'writable:2', 'cat', '/r'), /systemd/);
    assert.equal(existsSync('/etc/written-by-a-build'), false);
  });

  test('a new cache begins with files of a stage', async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(
        `FROM ${busybox} AS seed`,
        'RUN mkdir -p /s/sub && echo seeded > /s/sub/f && chown 5:6 /s/sub/f',
        `FROM ${busybox}`,
        'ARG N',
        'RUN --mount=type=cache,id=seeded,target=/c,from=seed,source=/s echo $N >> /c/n; stat -c %u:%g /c/sub/f > /r; cat /c/sub/f /c/n >> /r',
      ),
    });
    for (const [n, all] of [
      ['1', '5:6\nseeded\n1'],
      ['2', '5:6\nseeded\n1\n2'],
    ] as const) {
      const { code, stderr } = await build(context, '--tag=seeded:1', `--build-arg=N=${n}`);
      assert.equal(code, 0, stderr);
      assert.equal(await docker.ok('run', '--rm', 'seeded:1', 'cat', '/r'), all);
    }
  });

  test('what can be checked without a build', async (t) => {
    const context = await folder(t, { Dockerfile: lines('FROM scratch as one', 'COPY . /', 'FROM one AS two') });
    const { code, stdout } = await build(context, '--check');
    assert.equal(code, 1);
    assert.match(stdout, /WARNING: FromAsCasing/);
    const targets = await build(context, '--call=targets');
    assert.match(targets.stdout, /^one\b/m);
    assert.match(targets.stdout, /^two \(default\)/m);
    // The environment of a base image that is there is known: these variables are not in it.
    const based = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'RUN true', 'USER $NB_UID', 'COPY x $PATH') });
    const onBase = await build(based, '--check');
    assert.equal(onBase.code, 1);
    assert.match(onBase.stdout, /UndefinedVar[^]*'\$NB_UID'/);
    assert.match(onBase.stdout, /1 warning has been found/);
  });

  test('what a build can be given is told, and what it does with a warning', async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(
        'ARG GLOBAL=one',
        `FROM ${busybox} as base`,
        '# WHAT is said',
        'ARG WHAT=two',
        'RUN --mount=type=secret,id=key,required=true true',
        'FROM scratch AS last',
        'COPY --from=base /bin/true /',
      ),
    });
    const outline = await build(context, '--call=outline', '--target=base', '--build-arg=WHAT=three');
    assert.equal(outline.code, 0, outline.stderr);
    assert.match(outline.stdout, /^TARGET:\s+base$/m);
    assert.match(outline.stdout, /^WHAT\s+three\s+is said$/m);
    assert.match(outline.stdout, /^SECRET\s+REQUIRED\s*\nkey\s+true/m);
    const list = await build(context, '--call=targets,format=json');
    const { targets } = JSON.parse(list.stdout) as { targets: { name: string; default?: boolean }[] };
    assert.deepEqual(
      targets.map(({ name, default: isDefault = false }) => [name, isDefault]),
      [
        ['base', false],
        ['last', true],
      ],
    );
    const plain = await folder(t, { Dockerfile: lines(`FROM ${busybox} as base`, 'CMD ["true"]') });
    const warned = await build(plain);
    assert.equal(warned.code, 0, warned.stderr);
    assert.match(warned.stderr, /1 warning found/);
    assert.match(warned.stderr, /- FromAsCasing: .*\(line 1\)/);
    const refused = await build(plain, '--build-arg=BUILDKIT_DOCKERFILE_CHECK=error=true');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /lint violation found for rules: FromAsCasing/);
  });

  test('an image that the engine has not is pulled', {
    skip: isOracle() && 'dockerd asks another registry',
  }, async (t) => {
    await using registry = await startRegistry(engine().namespaces);
    const name = `${registry.host}/base:1`;
    await docker.ok('tag', busybox, name);
    await docker.ok('push', name);
    await docker.ok('rmi', name);
    const context = await folder(t, { Dockerfile: lines(`FROM ${name}`, 'RUN echo x > /x') });
    const { code, stderr } = await build(context, '--tag=pulled:1');
    assert.equal(code, 0, stderr);
    assert.equal(await docker.ok('run', '--rm', 'pulled:1', 'cat', '/x'), 'x');
    const gone = await folder(t, { Dockerfile: `FROM ${registry.host}/gone:1\n` });
    assert.match((await build(gone)).stderr, /failed to resolve source metadata for .*\/gone:1/);
  });
});
