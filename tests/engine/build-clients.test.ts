/** Clients that build in ways of their own, compose and bake, and what is secret in a build. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { withBuildx } from '../support/buildx.ts';
import { isOracle, seenBy } from '../support/engine.ts';
import { startRegistry } from '../support/registry.ts';
import { must, run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { emptyFolder, folder, lines } from './_build-folder.ts';
import { buildxOf } from './_buildx.ts';
import { busybox } from './_docker.ts';

const composeFile = lines(
  'name: clients',
  'services:',
  '  app:',
  '    image: compose-app:1',
  '    build:',
  '      context: app',
  '      target: wanted',
  '      args: { GREETING: hello, FROM_ENV: }',
  '      labels: { of: compose }',
  '      tags: ["compose-app:more"]',
  `      additional_contexts: { more: ./more, tools: "docker-image://${busybox}" }`,
  '      secrets: [key, { source: other, target: renamed }]',
  '  inline:',
  '    build:',
  '      context: app',
  '      dockerfile_inline: |',
  `        FROM ${busybox}`,
  '        COPY f /inline',
  '  broken:',
  '    profiles: [never]',
  '    build: broken',
  'secrets:',
  '  key: { file: ./key }',
  '  other: { environment: OTHER }',
);

const composed = {
  'compose.yaml': composeFile,
  'app/Dockerfile': lines(
    `FROM ${busybox} AS wanted`,
    'ARG GREETING FROM_ENV',
    'RUN echo $GREETING $FROM_ENV > /said',
    'COPY --from=more g /g',
    'COPY --from=tools /bin/true /tool',
    'RUN --mount=type=secret,id=key --mount=type=secret,id=renamed cat /run/secrets/* | sha256sum > /sum',
    'CMD ["cat", "/said", "/g"]',
  ),
  'broken/Dockerfile': lines(`FROM ${busybox}`, 'RUN echo seen before the end; exit 7'),
  'app/f': 'file\n',
  'more/g': 'more\n',
  key: 'in a file,',
};

const bakeFile = lines(
  'variable "TAG" { default = "1" }',
  'variable "WORD" { default = "unset" }',
  'function "named" {',
  '  params = [name]',
  '  result = "bake-${name}:${TAG}"',
  '}',
  'group "default" { targets = ["app", "each"] }',
  'target "_common" {',
  '  args = { WORD = WORD, KEPT = "kept" }',
  '  labels = { of = "bake" }',
  '}',
  'target "base" {',
  '  inherits = ["_common"]',
  '  context = "base"',
  '}',
  'target "app" {',
  '  inherits = ["_common"]',
  '  context = "app"',
  '  contexts = { base = "target:base", files = "files" }',
  '  args = { WORD = "own-${WORD}" }',
  '  tags = [named("app")]',
  '}',
  'target "each" {',
  '  name = "each-${item}"',
  '  matrix = { item = ["one", "two"] }',
  '  inherits = ["_common"]',
  '  target = item',
  '  tags = [named(item)]',
  '  dockerfile-inline = <<EOT',
  `FROM ${busybox} AS one`,
  'ARG WORD KEPT',
  'RUN echo one $WORD $KEPT > /said',
  'FROM one AS two',
  'RUN echo two >> /said',
  'EOT',
  '}',
);

const baked = {
  'docker-bake.hcl': bakeFile,
  'override.json': JSON.stringify({ target: { app: { labels: { more: 'json' } } } }),
  'base/Dockerfile': lines(`FROM ${busybox}`, 'ARG WORD', 'RUN echo base $WORD > /said'),
  'app/Dockerfile': lines('FROM base', 'ARG WORD', 'RUN echo app $WORD >> /said', 'COPY --from=files f /f'),
  'files/f': 'linked\n',
};

engineSuite('clients of the builder', { prepare: withBuildx }, (engine) => {
  const { docker, build, built } = buildxOf(engine);
  const label = (image: string, name: string): Promise<string> =>
    docker.ok('image', 'inspect', '--format', `{{index .Config.Labels "${name}"}}`, image);

  // Compose hands its builds to bake, unless it is told to ask the engine itself.
  for (const isByBake of ['true', 'false']) {
    test(`compose builds services, COMPOSE_BAKE=${isByBake}`, async (t) => {
      const context = await folder(t, composed);
      const env = { COMPOSE_BAKE: isByBake, FROM_ENV: 'world', OTHER: 'in the environment' };
      const compose = (...words: readonly string[]) =>
        engine().docker(['compose', '--project-directory', context, '--progress=plain', ...words], {
          env,
          timeout: 60_000,
        });
      const all = await compose('build');
      assert.equal(all.code, 0, all.stderr);
      assert.equal(await docker.ok('run', '--rm', 'compose-app:1'), 'hello world\nmore');
      assert.equal(await docker.ok('run', '--rm', 'compose-app:more', 'ls', '/tool'), '/tool');
      const sum = await must('sha256sum', ['-'], { input: 'in a file,in the environment' });
      assert.equal(await docker.ok('run', '--rm', 'compose-app:1', 'cat', '/sum'), sum);
      assert.equal(await label('compose-app:1', 'of'), 'compose');
      assert.equal(await docker.ok('run', '--rm', 'clients-inline', 'cat', '/inline'), 'file');
      const other = await compose('build', '--build-arg=GREETING=bye', 'app');
      assert.equal(other.code, 0, other.stderr);
      assert.equal(await docker.ok('run', '--rm', 'compose-app:1'), 'bye world\nmore');
      const broken = await compose('build', 'broken');
      assert.notEqual(broken.code, 0);
      assert.match(`${broken.stdout}${broken.stderr}`, /seen before the end[\s\S]*exit code: 7/);
    });
  }

  test('bake: functions, what is inherited, a matrix, linked targets, --set and --print', async (t) => {
    const context = await folder(t, baked);
    const bake = (...words: readonly string[]) =>
      engine().docker(['buildx', 'bake', '--progress=plain', ...words], {
        cwd: context,
        env: { WORD: 'given' },
        timeout: 60_000,
      });
    const files = ['--file=docker-bake.hcl', '--file=override.json'];
    const printed = await bake(...files, '--print', '--set=each-*.args.KEPT=set');
    assert.equal(printed.code, 0, printed.stderr);
    const { group, target } = JSON.parse(printed.stdout) as {
      group: { default: { targets: string[] } };
      target: Record<string, { args: object; labels?: object; tags?: string[]; contexts?: object }>;
    };
    assert.deepEqual(group.default.targets.toSorted(), ['app', 'each']);
    assert.deepEqual(Object.keys(target).toSorted(), ['app', 'base', 'each-one', 'each-two']);
    assert.deepEqual(target['each-two']?.args, { WORD: 'given', KEPT: 'set' });
    assert.deepEqual(target['app']?.labels, { of: 'bake', more: 'json' });
    assert.deepEqual(await docker.ok('images', '-q', 'bake-app'), '');
    const all = await bake(...files, '--set=each-*.args.KEPT=set');
    assert.equal(all.code, 0, all.stderr);
    const said = (image: string): Promise<string> => docker.ok('run', '--rm', image, 'cat', '/said');
    assert.equal(await said('bake-app:1'), 'base given\napp own-given');
    assert.equal(await docker.ok('run', '--rm', 'bake-app:1', 'cat', '/f'), 'linked');
    assert.deepEqual([await label('bake-app:1', 'of'), await label('bake-app:1', 'more')], ['bake', 'json']);
    assert.equal(await said('bake-one:1'), 'one given set');
    assert.equal(await said('bake-two:1'), 'one given set\ntwo');
    const one = await bake(...files, 'each-two', '--set=*.tags=bake-set:1', '--set=each-two.target=one');
    assert.equal(one.code, 0, one.stderr);
    assert.equal(await said('bake-set:1'), 'one given kept');
    const none = await bake(...files, 'nobody');
    assert.notEqual(none.code, 0);
    assert.match(none.stderr, /failed to find target nobody/);
  });

  /** Files of the engine's two roots, its state and its log in them, that have one of these words. */
  async function filesWith(words: readonly string[]): Promise<string> {
    const { dataRoot, execRoot, log } = engine().paths;
    const patterns = words.flatMap((word) => ['-e', word]);
    const roots = [seenBy(engine(), dataRoot), seenBy(engine(), execRoot), log];
    const { code, stdout, stderr } = await run('grep', ['-rlaF', '-D', 'skip', ...patterns, ...roots]);
    assert.ok(code <= 2, stderr);
    return stdout;
  }

  test('secrets of a build and the login of its push are found nowhere', {
    skip: isOracle() && 'dockerd keeps no promise about its files',
  }, async (t) => {
    const [inFile, inEnv, password] = ['planted-file-4712', 'planted-env-4713', 'planted-login-4714'];
    const encoded = [inFile, inEnv, password, `builder:${password}`].flatMap((word) => {
      const text = Buffer.from(word);
      return [word, text.toString('base64').replace(/=+$/, ''), text.toString('hex')];
    });
    const crypted = await must('perl', ['-e', `print crypt('${password}', '$2y$05$abcdefghijklmnopqrstuu')`]);
    await using registry = await startRegistry(engine().namespaces, `builder:${crypted}`);
    await docker.fed(password, 'login', '--username=builder', '--password-stdin', registry.host);
    t.after(() => docker('logout', registry.host));
    const context = await planted(t, inFile);
    const since = String(Math.floor(Date.now() / 1000) - 1);
    const name = `${registry.host}/team/secret:1`;
    const archive = join(emptyFolder(t), 'image.tar');
    const env = { PLANTED: inEnv };
    const secrets = [`--secret=id=file,src=${join(context, 'key')}`, '--secret=id=env,env=PLANTED'];
    const outputs = [`--output=type=image,name=${name},push=true`, `--output=type=oci,dest=${archive}`];
    const options = ['--progress=plain', '--provenance=mode=max', ...secrets, ...outputs];
    const pushed = await engine().docker(['buildx', 'build', ...options, context], { env, timeout: 60_000 });
    assert.equal(pushed.code, 0, pushed.stderr);
    const sum = await must('sha256sum', ['-'], { input: `${inFile}${inEnv}` });
    assert.equal(await docker.ok('run', '--rm', name, 'cat', '/sum'), sum);
    // A build that fails while it has the secret leaves as little.
    const failed = await engine().docker(['buildx', 'build', '--target=fails', ...options.slice(0, -2), context], {
      env,
      timeout: 60_000,
    });
    assert.notEqual(failed.code, 0);
    assert.match(failed.stderr, /exit code: 3/);

    const layers = emptyFolder(t);
    await must('tar', ['-xf', archive, '-C', layers]);
    const unpack =
      'for f in blobs/sha256/*; do gzip -dc "$f" > "$f.plain" 2>/dev/null || rm "$f.plain"; done; cat blobs/sha256/*';
    const image = await must('sh', ['-c', `cd "${layers}" && ${unpack}`]);
    const told = [
      image,
      pushed.stdout + pushed.stderr,
      failed.stdout + failed.stderr,
      await docker.ok('history', '--no-trunc', '--format=json', name),
      await docker.ok('image', 'inspect', name),
      await docker.ok('events', `--since=${since}`, `--until=${Math.ceil(Date.now() / 1000)}`, '--format=json'),
      (await docker('buildx', 'history', 'ls', '--no-trunc', '--format=json')).stdout,
      (await engine().api('GET', '/system/df?verbose=1')).text,
    ];
    assert.match(image, /slsa.dev\/provenance/);
    assert.match(image, /"id":\s*"file"/);
    for (const text of told) for (const word of encoded) assert.ok(!text.includes(word), `${word} in ${text}`);
    assert.equal(await filesWith(encoded), '');
    // What is looked for would be found: a build argument is no secret.
    await built(context, '--target=told', '--build-arg=OPEN=planted-open-4715', '--tag=told:1');
    assert.notEqual(await filesWith(['planted-open-4715']), '');
    assert.equal((await build(context, '--target=needs')).code, 1);
  });

  const planted = (t: TestContext, key: string): Promise<string> =>
    folder(t, {
      Dockerfile: lines(
        `FROM ${busybox} AS told`,
        'ARG OPEN',
        'RUN echo $OPEN > /open',
        `FROM ${busybox} AS needs`,
        'RUN --mount=type=secret,id=none,required=true true',
        `FROM ${busybox} AS fails`,
        'RUN --mount=type=secret,id=file cp /run/secrets/file /tmp/copy; cp /tmp/copy /; exit 3',
        `FROM ${busybox}`,
        'RUN --mount=type=secret,id=file --mount=type=secret,id=env,env=KEY --mount=type=cache,target=/c \\',
        ' (cat /run/secrets/file; printf %s "$KEY") | sha256sum > /sum',
      ),
      key,
      '.dockerignore': 'key\n',
    });
});
