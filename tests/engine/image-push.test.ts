import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { busyboxLayer, json, layerOf, mediaTypes, ociBlobs, sha256 } from '../support/crafted-image.ts';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { type Registry, startRegistry } from '../support/registry.ts';
import { must, run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { busybox } from './_docker.ts';

engineSuite('docker push', {}, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);
  async function withRegistry(work: (registry: Registry) => Promise<void>): Promise<void> {
    await using registry = await startRegistry(engine().namespaces);
    await work(registry);
  }
  /** Puts an image of two layers into the registry as `app:one`, and pulls it. */
  async function pulled(registry: Registry): Promise<{ name: string; digest: string }> {
    const layers = [(await busyboxLayer()).blob, layerOf({ name: 'greeting', body: 'hello' }).blob];
    const image = { layers: layers.map((blob) => ({ blob: gzipSync(blob), diffId: sha256(blob) })), platform: {} };
    const { manifest, blobs } = ociBlobs(image);
    const digest = await registry.put('app', 'one', manifest, blobs.slice(0, -1));
    const name = `${registry.host}/app:one`;
    await docker('pull', '-q', name);
    return { name, digest };
  }
  const statesOf = (output: string): string[] =>
    output.split('\n').flatMap((line) => /^[0-9a-f]{12}: (?!Preparing|Waiting)(.*)$/.exec(line)?.[1] ?? []);

  test('what was pulled goes to another repository byte for byte, mounted; again, nothing is sent', () =>
    withRegistry(async (registry) => {
      const { name, digest } = await pulled(registry);
      const other = `${registry.host}/team/other:two`;
      await docker('tag', name, other);
      const said = await docker('push', other);
      assert.match(said, /^The push refers to repository \[127\.0\.0\.1:5000\/team\/other\]\n/);
      assert.deepEqual(statesOf(said), ['Mounted from app', 'Mounted from app']);
      if (!isOracle()) assert.ok(said.includes(`two: digest: ${digest} size: `), said);
      const again = await docker('push', other);
      assert.deepEqual(statesOf(again), ['Layer already exists', 'Layer already exists']);
      await docker('rmi', '-f', name, other);
      assert.equal((await docker('pull', '-q', other)) === other, true);
      if (!isOracle()) assert.equal(await docker('image', 'inspect', '--format', '{{.Id}}', other), digest);
      assert.equal(await docker('run', '--rm', other, 'cat', '/greeting'), 'hello');
      await docker('rmi', other);
    }));

  test('a committed image, all tags, quietly', () =>
    withRegistry(async (registry) => {
      const { name } = await pulled(registry);
      await docker('run', '--name', 'changed', name, 'sh', '-c', 'echo more > /more');
      const fresh = `${registry.host}/fresh`;
      await docker('commit', 'changed', `${fresh}:a`);
      await docker('tag', `${fresh}:a`, `${fresh}:b`);
      await docker('rm', 'changed');
      const said = await docker('push', '-a', fresh);
      assert.ok(statesOf(said).includes('Pushed'), said);
      assert.match(said, /^a: digest: sha256:[0-9a-f]{64} size: [0-9]+$/m);
      assert.match(said, /^b: digest: sha256:[0-9a-f]{64} size: [0-9]+$/m);
      assert.equal(await docker('push', '-q', `${fresh}:b`), `${fresh}:b`);
      await docker('rmi', '-f', name, `${fresh}:a`, `${fresh}:b`);
      await docker('pull', '-q', `${fresh}:b`);
      assert.equal(await docker('run', '--rm', `${fresh}:b`, 'cat', '/greeting', '/more'), 'hellomore');
      await docker('rmi', `${fresh}:b`);
    }));

  test('what is not here, and a registry that is not there', () =>
    withRegistry(async (registry) => {
      const fails = async (name: string, ...flags: string[]): Promise<string> => {
        const { code, stderr } = await engine().docker(['push', ...flags, name]);
        assert.equal(code, 1, name);
        return stderr;
      };
      const missing = `${registry.host}/missing`;
      assert.match(
        await fails(`${missing}:x`),
        isOracle() ? /An image does not exist locally/ : /tag does not exist: \S+\/missing:x/,
      );
      assert.match(await fails(missing, '-a'), /An image does not exist locally with the tag: \S+\/missing/);
      const { name } = await pulled(registry);
      await docker('tag', name, '127.0.0.1:1/app:x');
      assert.match(await fails('127.0.0.1:1/app:x'), /dial tcp 127\.0\.0\.1:1: connect: connection refused/);
      await docker('rmi', name, '127.0.0.1:1/app:x');
    }));

  test('an index with all its platforms goes as it is; one platform alone by --platform', { skip: isOracle() }, () =>
    withRegistry(async (registry) => {
      const { name } = await pulled(registry);
      const { digest: child } = await pulledIndex(registry);
      const index = `${registry.host}/multi:x`;
      await docker('pull', '-q', index);
      const copy = `${registry.host}/copy:x`;
      await docker('tag', index, copy);
      const said = await docker('push', copy);
      // The other platform was never here: Docker sends the manifest that is.
      assert.ok(said.includes(`x: digest: ${child}`), said);
      await docker('rmi', '-f', name, index, copy);
    }),
  );

  async function pulledIndex(registry: Registry): Promise<{ digest: string }> {
    const base = (await busyboxLayer()).blob;
    const image = { layers: [{ blob: gzipSync(base), diffId: sha256(base) }], platform: {} };
    const { manifest, blobs } = ociBlobs(image);
    const digest = await registry.put('multi', 'own', manifest, blobs.slice(0, -1));
    const platform = { os: 'linux', architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' };
    const foreign = ociBlobs({ ...image, platform: { architecture: 's390x' } });
    const other = await registry.put('multi', 'other', foreign.manifest, foreign.blobs.slice(0, -1));
    const index = json({
      schemaVersion: 2,
      mediaType: mediaTypes.index,
      manifests: [
        { mediaType: mediaTypes.manifest, digest, size: manifest.length, platform },
        {
          mediaType: mediaTypes.manifest,
          digest: other,
          size: foreign.manifest.length,
          platform: { os: 'linux', architecture: 's390x' },
        },
      ],
    });
    await registry.put('multi', 'x', index, [], mediaTypes.index);
    return { digest };
  }
});

engineSuite('docker push with a login', {}, (engine) => {
  const password = 'not-to-be-found-again';

  test('is refused without one, and kept nowhere', async () => {
    const crypted = await must('perl', ['-e', `print crypt('${password}', '$2y$05$abcdefghijklmnopqrstuu')`]);
    await using registry = await startRegistry(engine().namespaces, `tester:${crypted}`);
    const name = `${registry.host}/app:x`;
    await engine().dockerOk(['tag', busybox, name]);
    const { code, stderr } = await engine().docker(['push', name]);
    assert.equal(code, 1);
    assert.match(stderr, isOracle() ? /no basic auth credentials/ : /push access denied for \S+\/app, .*unauthorized/);
    const words = ['login', '--username=tester', '--password-stdin', registry.host];
    assert.equal((await engine().docker(words, { input: password })).code, 0);
    assert.match(await engine().dockerOk(['push', name]), /^x: digest: sha256:[0-9a-f]{64} size: [0-9]+$/m);
    await engine().docker(['logout', registry.host]);
    assert.doesNotMatch(await engine().logText(), new RegExp(password));
    await engine().dockerOk(['rmi', name]);
  });

  test('the own command line logs in, pushes and logs out', { skip: isOracle() }, async () => {
    const crypted = await must('perl', ['-e', `print crypt('${password}', '$2y$05$abcdefghijklmnopqrstuu')`]);
    await using registry = await startRegistry(engine().namespaces, `tester:${crypted}`);
    const folder = await mkdtemp(join(tmpdir(), 'gantry-login-'));
    const [program, ...first] = gantryProgram;
    const env = { ...engine().clientEnv(), DOCKER_CONFIG: folder };
    const gantry = (words: string[], input = '') => run(program, [...first, ...words], { env, input, timeout: 60_000 });
    try {
      const name = `${registry.host}/own:x`;
      await engine().dockerOk(['tag', busybox, name]);
      assert.equal((await gantry(['push', name])).code, 1);
      const words = ['login', '-u', 'tester', '--password-stdin', registry.host];
      assert.match((await gantry(words, 'wrong')).stderr, /401 Unauthorized/);
      const good = await gantry(words, `${password}\n`);
      assert.equal(good.stdout, 'Login Succeeded\n', good.stderr);
      assert.match(good.stderr, /stored unencrypted in '\S+config\.json'/);
      const pushed = await gantry(['push', name]);
      assert.match(pushed.stdout, /^x: digest: sha256:[0-9a-f]{64} size: [0-9]+$/m, pushed.stderr);
      assert.equal((await gantry(['push', '-q', name])).stdout, `${name}\n`);
      assert.equal((await gantry(['pull', '-q', name])).stdout, `${name}\n`);
      assert.equal(
        (await gantry(['logout', registry.host])).stdout,
        `Removing login credentials for ${registry.host}\n`,
      );
      assert.equal((await gantry(['push', name])).code, 1);
      await engine().dockerOk(['rmi', name]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
