/** `gantry build`: what it sends, what it shows, and what becomes of the result, with this engine and with dockerd. */
import assert from 'node:assert/strict';
import { chmod, link, mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { must, run, type RunResult } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { Terminal } from '../support/terminal.ts';
import { eventually } from '../support/wait.ts';
import { folder, lines } from './_build-folder.ts';
import { busybox, dockerOf } from './_docker.ts';

engineSuite('gantry build', {}, (engine) => {
  const docker = dockerOf(engine);
  const [program, ...first] = gantryProgram;
  const gantry = (args: readonly string[], input?: string | Uint8Array, more: Record<string, string> = {}) =>
    run(program, [...first, ...args], {
      env: { ...engine().clientEnv(), ...more },
      timeout: 60_000,
      ...(input === undefined ? {} : { input }),
    });
  const ok = async (args: readonly string[], input?: string | Uint8Array): Promise<RunResult> => {
    const result = await gantry(args, input);
    assert.equal(result.code, 0, result.stderr);
    return result;
  };
  const inImage = (name: string, script: string): Promise<string> => docker.ok('run', '--rm', name, 'sh', '-c', script);

  test('a folder becomes an image: what .dockerignore leaves, with links, modes and names', async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(
        `FROM ${busybox}`,
        'COPY . /all',
        'ARG WHO',
        'RUN echo "hello $WHO" > /made',
        'CMD ["cat", "/made"]',
      ),
      '.dockerignore': lines('secret*', 'deep', '!deep/kept', '# no', '*.log'),
      secret: 'x',
      'secrets/more': 'x',
      'deep/kept/file': 'kept',
      'deep/gone': 'gone',
      'a.log': 'log',
      'ünï cöde': 'u',
      'run.sh': '#!/bin/sh\n',
      big: Buffer.alloc(3_000_001, 'b'),
    });
    await chmod(join(context, 'run.sh'), 0o751);
    await symlink('run.sh', join(context, 'link'));
    await link(join(context, 'run.sh'), join(context, 'zz-hard'));
    await mkdir(join(context, 'empty'));
    const { stderr } = await ok(['build', '-t', 'cmd:1', '--build-arg', 'WHO=you', '--progress=plain', context]);
    assert.match(
      stderr,
      /^#0 building with "default" instance using docker driver\n\n#1 \[internal\] load build definition from Dockerfile\n/,
    );
    assert.match(stderr, /\n#\d+ \[3\/3\] RUN echo "hello you" > \/made\n#\d+ DONE \d+\.\ds\n/);
    assert.match(stderr, /\n#\d+ transferring context: \d+\.\d\dMB .*done\n/);
    assert.equal(await docker.ok('run', '--rm', 'cmd:1'), 'hello you');
    const listed = await inImage('cmd:1', 'cd /all; find . | sort; stat -c %a run.sh; readlink link; wc -c < big');
    assert.deepEqual(listed.split('\n'), [
      '.',
      './.dockerignore',
      './Dockerfile',
      './big',
      './deep',
      './deep/kept',
      './deep/kept/file',
      './empty',
      './link',
      './run.sh',
      './zz-hard',
      './ünï cöde',
      '751',
      'run.sh',
      '3000001',
    ]);
    const again = await ok(['image', 'build', '-t', 'cmd:1', '--build-arg', 'WHO=you', '--progress=plain', context]);
    assert.equal(again.stderr.match(/^#\d+ CACHED$/gm)?.length, isOracle() ? 2 : 3);
  });

  test('standard input is a Dockerfile, or one beside a folder; -q, files with ids and what is known', async (t) => {
    const context = await folder(t, { hello: 'from the folder' });
    const out = await folder(t, {});
    const alone = await ok(['build', '-q', '-'], `FROM ${busybox}\nRUN echo alone > /a\n`);
    assert.match(alone.stdout, /^sha256:[0-9a-f]{64}\n$/);
    assert.equal(alone.stderr, '');
    assert.equal(await inImage(alone.stdout.trim(), 'cat /a'), 'alone');
    const files = ['--iidfile', join(out, 'id'), '--metadata-file', join(out, 'meta')];
    await ok(['buildx', 'b', '-f-', '-t', 'stdin:1', ...files, context], `FROM ${busybox}\nCOPY hello /h\n`);
    assert.equal(await inImage('stdin:1', 'cat /h'), 'from the folder');
    const id = await readFile(join(out, 'id'), 'utf8');
    assert.equal(await docker.ok('image', 'inspect', '--format={{.Id}}', 'stdin:1'), id);
    const meta = JSON.parse(await readFile(join(out, 'meta'), 'utf8')) as Record<string, unknown>;
    assert.equal(meta['image.name'], 'docker.io/library/stdin:1');
    assert.match(String(meta['buildx.build.ref']), /^default\/default\/[0-9a-f]+$/);
    const none = await gantry(['build', '-f', '-', '-']);
    assert.deepEqual([none.code, none.stderr.includes("can't use stdin for both")], [1, true]);
  });

  test('what fails is shown with its output and its lines', async (t) => {
    const context = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'RUN echo before it; exit 7') });
    const failed = await gantry(['build', '--progress=plain', context]);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /\n#\d+ \d\.\d{3} before it\n/);
    assert.match(
      failed.stderr,
      /\n------\n > \[2\/2\] RUN echo before it; exit 7:\n\d\.\d{3} before it\n------\nDockerfile:2\n-{20}\n   1 \|     FROM .*\n   2 \| >>> RUN echo before it; exit 7\n   3 \|     \n-{20}\nERROR: failed to build: failed to solve: process "\/bin\/sh -c echo before it; exit 7" did not complete successfully: exit code: 7\n$/,
    );
    const unknown = await gantry(['build', join(context, 'nowhere')]);
    assert.deepEqual([unknown.code, /unable to prepare context: path .* not found/.test(unknown.stderr)], [1, true]);
    const tag = await gantry(['build', '-t', 'UPPER', context]);
    assert.equal(tag.code, 1);
  });

  test('secrets, named contexts, targets and labels', async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(
        `FROM ${busybox} AS one`,
        'RUN --mount=type=secret,id=a cat /run/secrets/a > /s',
        'RUN --mount=type=secret,id=b,env=B echo "$B" >> /s',
        'COPY --from=other file /other',
        'FROM one AS two',
        'RUN echo two > /two',
      ),
    });
    const other = await folder(t, { file: 'other' });
    const secret = join(await folder(t, { s: 'first ' }), 's');
    const flags = ['--secret', `id=a,src=${secret}`, '--secret', 'id=b,env=BEE', '--build-context', `other=${other}`];
    const more = ['--target=one', '--label=kind=test', '-t', 'many:1'];
    const built = await gantry(['build', ...flags, ...more, context], undefined, { BEE: 'second' });
    assert.equal(built.code, 0, built.stderr);
    assert.equal(await inImage('many:1', 'cat /s /other; ls /two 2>/dev/null || true'), 'first second\nother');
    assert.equal(await docker.ok('image', 'inspect', '--format={{.Config.Labels}}', 'many:1'), 'map[kind:test]');
    const absent = await gantry(['build', '--secret', 'id=a,src=/nowhere/at/all', context]);
    assert.deepEqual([absent.code, /\/nowhere\/at\/all/.test(absent.stderr)], [1, true]);
  });

  test('a Dockerfile of Gantry’s syntax includes others, and faults name theirs', {
    skip: isOracle() && 'BuildKit has no INCLUDE',
  }, async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(
        '# syntax=gantry/dockerfile:1',
        `FROM ${busybox}`,
        'INCLUDE parts/tools',
        'RUN cat /tools > /made',
      ),
      'parts/tools': lines('# what all images have', 'RUN echo tools > /tools', 'INCLUDE parts/more'),
      'parts/more': lines('ENV MORE=1', 'MAINTAINER me'),
    });
    const { stderr } = await ok(['build', '--progress=plain', '-t', 'included:1', context]);
    assert.match(stderr, /MaintainerDeprecated: .* \(line 2 of parts\/more\)/);
    assert.equal(await inImage('included:1', 'cat /made; echo $MORE'), 'tools\n1');
    await writeFile(join(context, 'parts/more'), lines('ENV MORE=1', '', 'RUNN x'));
    const failed = await gantry(['build', context]);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /\nparts\/more:3\n-{20}\n.*\n.*\n +3 \| >>> RUNN x\n/);
    assert.match(failed.stderr, /dockerfile parse error on line 3 of parts\/more: unknown instruction: RUNN/);
    await writeFile(join(context, 'parts/more'), lines('INCLUDE ../../outside'));
    const outside = await gantry(['build', context]);
    assert.match(outside.stderr, /parts\/more:1\n(.*\n)*.*it leads out of the folder of the Dockerfile/);
  });

  test('on a terminal progress is drawn; Ctrl-C gives the build up, at the engine, too', async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(`FROM ${busybox}`, 'ARG WAIT', 'RUN echo line-$((40 + 2)); sleep $WAIT'),
    });
    const command = [...gantryProgram, 'build', '-t', 'drawn:1'];
    await using whole = await Terminal.open([...command, '--build-arg=WAIT=0', context], engine().clientEnv());
    await whole.expect(/\[\+\] Building \d+\.\ds \((\d+)\/\1\) FINISHED/);
    assert.equal(await whole.exit(), 0);
    assert.match(whole.shown, / => \[2\/2\] RUN echo line/);
    await using broken = await Terminal.open([...command, '--build-arg=WAIT=1000', context], engine().clientEnv());
    await broken.expect(/ => => # line-42/);
    broken.type('\x03');
    await broken.expect(/ERROR: failed to build: (failed to solve: Canceled: )?context canceled/);
    assert.equal(await broken.exit(), 1);
    if (isOracle()) return;
    const left = () => readdir(join(engine().paths.dataRoot, 'containers'));
    await eventually('the step is gone', async () => (await left()).length === 0);
  });

  test('checks and targets are asked for without building', async (t) => {
    const context = await folder(t, { Dockerfile: lines(`FROM ${busybox} as one`, 'CMD true') });
    const checked = await gantry(['build', '--check', context]);
    assert.equal(checked.code, 1);
    assert.match(checked.stdout, /^Check complete, 2 warnings have been found!\n\nWARNING: FromAsCasing - /);
    const clean = await folder(t, { Dockerfile: lines(`FROM ${busybox} AS one`) });
    assert.equal((await ok(['build', '--check', clean])).stdout, 'Check complete, no warnings found.\n');
    const { stdout } = await ok(['build', '--call=targets,format=json', clean]);
    assert.equal((JSON.parse(stdout) as { targets: { name: string }[] }).targets[0]?.name, 'one');
    const built = await gantry(['build', '--progress=plain', context]);
    assert.match(built.stderr, /\n 2 warnings found \(use --debug to expand\):\n - FromAsCasing: /);
  });

  test('events as JSON, a context that is shown instead of sent', async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(`FROM ${busybox}`, 'COPY a /'),
      a: 'aaa',
      'skip/x': 'x',
      '.dockerignore': 'skip\n',
    });
    const { stderr } = await ok(['build', '--progress=rawjson', context]);
    const events = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { vertexes?: { name: string; started?: string }[] });
    const copied = events
      .flatMap(({ vertexes = [] }) => vertexes)
      .find(({ name, started }) => started !== undefined && name === '[2/2] COPY a /');
    assert.match(String(copied?.started), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    const shown = await ok(['build', '--show-context', context]);
    assert.match(shown.stdout, /\nTravels: {2}3 files, \d+B\n/);
    assert.match(shown.stdout, /\nStays here:\n {2}skip\n/);
  });

  test('results come into folders, archives and standard output; layouts and caches into folders', async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(
        `FROM ${busybox} AS base`,
        'RUN mkdir -p /d/e && echo hi > /d/e/f && chmod 640 /d/e/f && ln -s f /d/e/l',
        'FROM scratch',
        'COPY --from=base /d /',
      ),
    });
    const out = await folder(t, { 'files/e/f': 'older', 'files/stays': 's' });
    const local = join(out, 'files');
    await ok(['build', '-o', local, context]);
    assert.equal(await readFile(join(local, 'e/f'), 'utf8'), 'hi\n');
    assert.equal((await stat(join(local, 'e/f'))).mode & 0o777, 0o640);
    assert.equal(await readlink(join(local, 'e/l')), 'f');
    assert.equal(await readFile(join(local, 'stays'), 'utf8'), 's');
    await ok(['build', '-o', `type=tar,dest=${join(out, 'made/out.tar')}`, context]);
    assert.match(await must('tar', ['-tf', join(out, 'made/out.tar')]), /^(\.\/)?e\/f$/m);
    assert.match((await ok(['build', '-o', '-', context])).stdout, /e\/f/);
    if (isOracle()) return;
    await ok(['build', '-o', `type=docker,dest=${join(out, 'image.tar')}`, '-t', 'saved:1', context]);
    await docker.ok('load', '-i', join(out, 'image.tar'));
    assert.match(await docker.ok('image', 'ls', '-q', 'saved:1'), /^[0-9a-f]{12}$/);
    const cache = `dest=${join(out, 'cache')},mode=max`;
    await ok([
      'build',
      '-o',
      `type=oci,tar=false,dest=${join(out, 'layout')}`,
      '--cache-to',
      `type=local,${cache}`,
      context,
    ]);
    const index = JSON.parse(await readFile(join(out, 'layout/index.json'), 'utf8')) as {
      manifests: { digest: string }[];
    };
    await stat(join(out, 'layout/blobs/sha256', String(index.manifests[0]?.digest.slice(7))));
    await ok(['builder', 'prune', '-af']);
    const from = [
      '--cache-from',
      `type=local,src=${join(out, 'cache')}`,
      '--cache-from',
      'type=local,src=/nowhere/at/all',
    ];
    const { stderr } = await ok(['build', '--progress=plain', ...from, context]);
    assert.match(stderr, /RUN mkdir .*\n#\d+ CACHED/);
  });
});
