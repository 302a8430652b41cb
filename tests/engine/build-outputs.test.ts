import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { withBuildx } from '../support/buildx.ts';
import { isOracle } from '../support/engine.ts';
import { startRegistry } from '../support/registry.ts';
import { must } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { emptyFolder, folder, lines } from './_build-folder.ts';
import { buildxOf } from './_buildx.ts';
import { busybox } from './_docker.ts';

/** What dockerd has only with containerd's store, which the one that is compared to has not. */
const onlyHere = { skip: isOracle() && 'dockerd refuses it without its containerd image store' };

engineSuite('outputs of builds', { prepare: withBuildx }, (engine) => {
  const { docker, build, built } = buildxOf(engine);
  const tree = lines(
    `FROM ${busybox} AS make`,
    'RUN mkdir -p /out/sub/deep && echo one > /out/one && ln /out/one /out/same && ln -s sub/two /out/link \\',
    ' && head -c 3000000 /dev/zero > /out/sub/two && : > /out/sub/empty && chmod 4750 /out/one && touch /out/a.b /out/sub.x',
    'FROM scratch',
    'COPY --from=make /out /',
  );

  test('a folder and an archive of the client get the files of the result', async (t) => {
    const context = await folder(t, { Dockerfile: tree });
    const out = emptyFolder(t);
    await built(context, '-o', `type=local,dest=${join(out, 'tree')}`);
    assert.deepEqual(readdirSync(join(out, 'tree')).sort(), ['a.b', 'link', 'one', 'same', 'sub', 'sub.x']);
    const at = (...names: string[]): string => join(out, 'tree', ...names);
    assert.equal(readFileSync(at('one'), 'utf8'), 'one\n');
    assert.equal(statSync(at('one')).ino, statSync(at('same')).ino);
    assert.equal(statSync(at('one')).mode & 0o7777, 0o4750);
    assert.equal(readlinkSync(at('link')), 'sub/two');
    assert.equal(statSync(at('sub', 'two')).size, 3_000_000);
    assert.equal(statSync(at('sub', 'empty')).size, 0);
    assert.deepEqual(readdirSync(at('sub', 'deep')), []);
    // What is there already, and the same, does not travel a second time; what is not the same does.
    rmSync(at('sub', 'two'));
    await built(context, '-o', `type=local,dest=${join(out, 'tree')}`);
    assert.equal(statSync(at('sub', 'two')).size, 3_000_000);
    await built(context, '-o', `type=tar,dest=${join(out, 'out.tar')}`);
    const listed = String(execFileSync('tar', ['-tf', join(out, 'out.tar')]))
      .trim()
      .split('\n');
    assert.deepEqual(listed.sort(), [
      'a.b',
      'link',
      'one',
      'same',
      'sub.x',
      'sub/',
      'sub/deep/',
      'sub/empty',
      'sub/two',
    ]);
    assert.equal(String(execFileSync('tar', ['-xOf', join(out, 'out.tar'), 'one'])), 'one\n');
  });

  test('two folders of one build each get the files, and each is told of', onlyHere, async (t) => {
    const context = await folder(t, { Dockerfile: lines('FROM scratch', 'COPY f /'), f: 'x' });
    const out = emptyFolder(t);
    const said = await built(context, '-o', join(out, 'a'), '-o', join(out, 'b'));
    assert.deepEqual(
      [readFileSync(join(out, 'a', 'f'), 'utf8'), readFileSync(join(out, 'b', 'f'), 'utf8')],
      ['x', 'x'],
    );
    assert.equal(said.match(/^#\d+ exporting to client directory$/gm)?.length, 2, said);
  });

  test('a result without files is an empty folder', async (t) => {
    const context = await folder(t, { Dockerfile: lines('FROM scratch', 'LABEL a=b') });
    const out = join(emptyFolder(t), 'none');
    await built(context, '-o', out);
    assert.deepEqual(readdirSync(out), []);
  });

  test('a folder that cannot be written to is told of in words of the client', async (t) => {
    const context = await folder(t, { Dockerfile: tree, file: '' });
    const { code, stderr } = await build(context, '-o', `type=local,dest=${join(context, 'file', 'below')}`);
    assert.equal(code, 1);
    assert.match(stderr, /not a directory/);
  });

  test('archives of images, several outputs of one build', onlyHere, async (t) => {
    const context = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'RUN echo x > /x', 'CMD ["cat", "/x"]') });
    const out = emptyFolder(t);
    const [oci, forDocker] = [join(out, 'oci.tar'), join(out, 'docker.tar')];
    await built(
      context,
      '--provenance=false',
      '--tag=outputs:1',
      '--metadata-file',
      join(out, 'metadata.json'),
      '-o',
      `type=oci,dest=${oci}`,
      '-o',
      `type=docker,dest=${forDocker}`,
      '-o',
      `type=local,dest=${join(out, 'tree')}`,
      '-o',
      'type=image',
    );
    const id = await docker.ok('image', 'inspect', '--format', '{{.Id}}', 'outputs:1');
    const metadata = JSON.parse(readFileSync(join(out, 'metadata.json'), 'utf8')) as Record<string, unknown>;
    assert.equal(metadata['containerimage.digest'], id);
    assert.equal(metadata['image.name'], 'docker.io/library/outputs:1');
    const descriptor = metadata['containerimage.descriptor'] as { digest: string; mediaType: string };
    assert.deepEqual([descriptor.digest, descriptor.mediaType], [id, 'application/vnd.oci.image.manifest.v1+json']);
    assert.equal(readFileSync(join(out, 'tree', 'x'), 'utf8'), 'x\n');
    for (const [archive, hasDocker] of [
      [oci, false],
      [forDocker, true],
    ] as const) {
      const names = String(execFileSync('tar', ['-tf', archive])).split('\n');
      assert.ok(names.includes('oci-layout') && names.includes('index.json'));
      assert.equal(names.includes('manifest.json'), hasDocker);
      await docker.ok('rmi', '-f', 'outputs:1');
      await docker.ok('load', '-i', archive);
      assert.equal(await docker.ok('image', 'inspect', '--format', '{{.Id}}', 'outputs:1'), id);
      assert.equal(await docker.ok('run', '--rm', 'outputs:1'), 'x');
    }
  });

  test('an image goes into a folder, blob by blob', onlyHere, async (t) => {
    const context = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'RUN echo x > /x') });
    const out = emptyFolder(t);
    for (const _again of [1, 2]) {
      await built(context, '--provenance=false', '--tag=layout:1', '-o', `type=oci,tar=false,dest=${out}`);
    }
    const index = JSON.parse(readFileSync(join(out, 'index.json'), 'utf8')) as { manifests: { digest: string }[] };
    const digest = index.manifests[0]?.digest ?? '';
    const blob = (name: string): Buffer => readFileSync(join(out, 'blobs/sha256', name.slice('sha256:'.length)));
    const { layers } = JSON.parse(blob(digest).toString()) as { layers: { digest: string; size: number }[] };
    for (const layer of layers) assert.equal(blob(layer.digest).length, layer.size);
    assert.equal(readdirSync(join(out, 'blobs/sha256')).length, layers.length + 2);
  });

  test('compose and bake build several images at once, and a stage of one is the base of another', async (t) => {
    const context = await folder(t, {
      'compose.yaml': lines(
        'name: several',
        'services:',
        '  one: { build: { context: one }, image: "several-one:1" }',
        '  two: { build: { context: two, additional_contexts: { base: "service:one" } }, image: "several-two:1" }',
      ),
      'one/Dockerfile': lines(`FROM ${busybox}`, 'RUN echo one > /one'),
      'two/Dockerfile': lines('FROM base', 'RUN cat /one > /two'),
      'docker-bake.json': JSON.stringify({
        group: { default: { targets: ['a', 'b'] } },
        target: {
          a: { context: 'one', tags: ['baked-a:1'], output: ['type=docker'] },
          b: { context: 'one', args: { N: '1' }, output: ['type=cacheonly'] },
        },
      }),
    });
    const { code, stderr } = await engine().docker(['compose', '--project-directory', context, 'build'], {
      timeout: 60_000,
    });
    assert.equal(code, 0, stderr);
    assert.equal(await docker.ok('run', '--rm', 'several-two:1', 'cat', '/two'), 'one');
    const baked = await engine().docker(['buildx', 'bake', '--file', join(context, 'docker-bake.json')], {
      timeout: 60_000,
      cwd: context,
    });
    assert.equal(baked.code, 0, baked.stderr);
    assert.equal(await docker.ok('run', '--rm', 'baked-a:1', 'cat', '/one'), 'one');
  });

  test('a context comes from standard input', async (t) => {
    const context = await folder(t, {
      'sub/Dockerfile': lines(`FROM ${busybox}`, 'COPY sub/f /f', 'RUN ls /ctx 2>/dev/null; cat /f > /g'),
      'sub/f': 'from stdin\n',
    });
    const archive = execFileSync('tar', ['-czf', '-', '-C', context, '.']);
    const { code, stderr } = await docker.fed(
      archive,
      'buildx',
      'build',
      '--progress=plain',
      '--tag=stdin:1',
      '-f',
      'sub/Dockerfile',
      '-',
    );
    assert.equal(code, 0, stderr);
    assert.equal(await docker.ok('run', '--rm', 'stdin:1', 'cat', '/g'), 'from stdin');
    const alone = await docker.fed(lines(`FROM ${busybox}`, 'RUN true'), 'buildx', 'build', '--progress=plain', '-');
    assert.equal(alone.code, 0, alone.stderr);
    const broken = await docker.fed(archive.subarray(0, 60), 'buildx', 'build', '--progress=plain', '-');
    assert.equal(broken.code, 1);
    assert.equal((await engine().api('GET', '/_ping')).status, 200);
  });

  test('images are pushed by the builder, with the login of the client', onlyHere, async (t) => {
    const password = 'open-sesame';
    const crypted = await must('perl', ['-e', `print crypt('${password}', '$2y$05$abcdefghijklmnopqrstuu')`]);
    await using registry = await startRegistry(engine().namespaces, `builder:${crypted}`);
    const context = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'RUN echo pushed > /x') });
    const name = `${registry.host}/team/app:1`;
    const refused = await build(context, '--push', '--tag', name);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /no basic auth credentials|authorization failed|unauthorized/);
    await docker.fed(password, 'login', '--username=builder', '--password-stdin', registry.host);
    t.after(() => docker('logout', registry.host));
    const said = await built(context, '--push', '--tag', name);
    assert.match(said, /pushing .*team\/app:1/);
    const id = await docker.ok('image', 'inspect', '--format', '{{.Id}}', name);
    await docker.ok('rmi', '-f', name);
    await docker.ok('pull', '-q', name);
    assert.equal(await docker.ok('image', 'inspect', '--format', '{{.Id}}', name), id);
    assert.equal(await docker.ok('run', '--rm', name, 'cat', '/x'), 'pushed');
  });

  test('with SOURCE_DATE_EPOCH two folders give one image, and annotations are in it', onlyHere, async (t) => {
    const files = {
      Dockerfile: lines(`FROM ${busybox}`, 'COPY f /f', 'RUN mkdir /d && cp /f /d/g', 'ENV A=b'),
      f: 'content',
    };
    const results: string[] = [];
    const epoch = 1_700_000_000;
    for (const second of [0, 1000]) {
      const context = await folder(t, files);
      utimesSync(join(context, 'f'), epoch + 5000 + second, epoch + 5000 + second);
      const archive = join(emptyFolder(t), 'image.tar');
      const output = `type=oci,dest=${archive},rewrite-timestamp=true,compression=zstd`;
      const args = [
        `--build-arg=SOURCE_DATE_EPOCH=${epoch}`,
        '--no-cache',
        '--annotation=manifest:org.example.note=why',
      ];
      await built(context, ...args, '-o', output);
      results.push(String(execFileSync('tar', ['-xOf', archive, 'index.json'])));
      const of = (digest: string): unknown =>
        JSON.parse(String(execFileSync('tar', ['-xOf', archive, `blobs/sha256/${digest.slice(7)}`])));
      const [entry] = (JSON.parse(results.at(-1) ?? '') as { manifests: { digest: string }[] }).manifests;
      const manifest = of(entry?.digest ?? '') as {
        annotations: object;
        config: { digest: string };
        layers: { mediaType: string }[];
      };
      assert.deepEqual(manifest.annotations, { 'org.example.note': 'why' });
      assert.match(manifest.layers.at(-1)?.mediaType ?? '', /zstd$/);
      const config = of(manifest.config.digest) as { created: string; history: { created: string }[] };
      assert.equal(Date.parse(config.created), epoch * 1000);
      assert.ok(config.history.every(({ created }) => Date.parse(created) <= epoch * 1000));
    }
    assert.equal(results[0], results[1]);
    const context = await folder(t, files);
    const wrong = await build(context, '--build-arg=SOURCE_DATE_EPOCH=yesterday');
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /invalid SOURCE_DATE_EPOCH "yesterday": expected seconds since 1970/);
    const none = await build(context, '-o', 'type=image,rewrite-timestamp=true');
    assert.match(none.stderr, /rewrite-timestamp needs SOURCE_DATE_EPOCH/);
    const unknown = await build(context, '-o', 'type=image,compression=lzma');
    assert.match(unknown.stderr, /unsupported layer compression type "lzma": expected/);
  });
});
