/** The trust policy with a real registry and the stock client. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { describeBlob, json, mediaTypes, ociBlobs, ociLayout } from '../support/crafted-image.ts';
import { isOracle, startEngine, type TestEngine } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { testImage } from '../support/images.ts';
import { type Registry, startRegistry } from '../support/registry.ts';
import { must } from '../support/run.ts';
import { bundleArtifacts, bundleSignature, cosignSignature, makeSigner } from '../support/signatures.ts';
import { engineSuite } from '../support/suite.ts';
import { attachSignatures, greetingImage, pushGreeting, reloadPolicy } from './_signed-images.ts';

const folder = await mkdtemp(join(tmpdir(), 'gantry-trust-test-'));
after(() => rm(folder, { recursive: true }));
const policyFile = join(folder, 'policy.json');
const signer = makeSigner();
const keyFile = join(folder, 'signer.pub');
await writeFile(keyFile, signer.publicKey);

const accept = [{ type: 'insecureAcceptAnything' }];
const reject = [{ type: 'reject' }];
const signedBy = (more: object = {}) => [{ type: 'sigstoreSigned', keyPath: keyFile, ...more }];
const writePolicy = (transports: Readonly<Record<string, object>>): Promise<void> =>
  writeFile(policyFile, JSON.stringify({ default: accept, transports }));
const wantsSignature = { docker: { '127.0.0.1:5000': signedBy() } };
await writePolicy(wantsSignature);

const flags = [`--trust-policy=${policyFile}`];
const skip = isOracle() && 'Docker has no policy';

async function usePolicy(engine: TestEngine, transports: Readonly<Record<string, object>>): Promise<void> {
  await writePolicy(transports);
  await reloadPolicy(engine);
}

engineSuite('a trust policy', { flags, skip }, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);
  async function withRegistry(work: (registry: Registry) => Promise<void>): Promise<void> {
    await using registry = await startRegistry(engine().namespaces);
    await usePolicy(engine(), wantsSignature);
    await work(registry);
  }
  async function refuses(words: readonly string[], says: RegExp, code = 1): Promise<void> {
    const answer = await engine().docker(words);
    assert.match(answer.stderr, says);
    assert.equal(answer.code, code, words.join(' '));
  }
  const name = '127.0.0.1:5000/app:one';
  const sign = (digest: string, as = name) => cosignSignature(signer, digest, as);

  test('admits what is signed, and runs it without the registry, also after a restart', async () => {
    await withRegistry(async (registry) => {
      const digest = await pushGreeting(registry, 'signed', 'app', 'one');
      await attachSignatures(registry, 'app', digest, [cosignSignature(makeSigner(), digest, name), sign(digest)]);
      assert.match(await docker('pull', name), /Downloaded newer image/);
      await docker('pull', `127.0.0.1:5000/app@${digest}`);
    });
    assert.equal(await docker('run', '--rm', name, 'cat', '/greeting'), 'signed');
    await engine().stop();
    await engine().start();
    assert.equal(await docker('run', '--rm', '--pull=never', name, 'cat', '/greeting'), 'signed');
  });

  test('refuses what is not signed, in words, and leaves no name and no tag moved', () =>
    withRegistry(async (registry) => {
      const digest = await pushGreeting(registry, 'unsigned', 'app', 'one');
      const says = new RegExp(
        `image ${name} is refused by the trust policy \\(${policyFile}, transports\\.docker\\["127\\.0\\.0\\.1:5000"\\]\\): ` +
          `it must be signed by ${keyFile} \\(SHA256:[0-9a-f]{64}\\) \\(matchRepoDigestOrExact\\), but it has no signature`,
      );
      await refuses(['pull', name], says);
      await refuses(['run', '--rm', name, 'true'], says, 125);
      assert.equal(await docker('images', '-aq', '--filter', 'reference=127.0.0.1:5000/*'), '');
      await attachSignatures(registry, 'app', digest, [sign(digest)]);
      await docker('pull', name);
      await pushGreeting(registry, 'replaced', 'app', 'one');
      await refuses(['pull', name], /it has no signature/);
      assert.equal(await docker('run', '--rm', name, 'cat', '/greeting'), 'unsigned');
    }));

  test('of an index takes a signature of the index or of the manifest', () =>
    withRegistry(async (registry) => {
      const { manifest } = ociBlobs(await greetingImage('in an index'));
      const digest = await pushGreeting(registry, 'in an index', 'app', 'part');
      const platform = { os: 'linux', architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' };
      for (const signed of ['index', 'manifest']) {
        const manifests = [{ ...describeBlob(mediaTypes.manifest, manifest), platform }];
        const index = json({ schemaVersion: 2, mediaType: mediaTypes.index, manifests, annotations: { signed } });
        const tag = `by-${signed}`;
        const indexDigest = await registry.put('app', tag, index, [], mediaTypes.index);
        const target = `127.0.0.1:5000/app:${tag}`;
        await refuses(['pull', target], /but (it has no signature|a signature is for .*by-index)/);
        const of = signed === 'index' ? indexDigest : digest;
        await attachSignatures(registry, 'app', of, [sign(of, target)]);
        await docker('pull', target);
        assert.equal(await docker('run', '--rm', target, 'cat', '/greeting'), 'in an index');
      }
    }));

  test('takes a bundle where the digest alone counts', () =>
    withRegistry(async (registry) => {
      const digest = await pushGreeting(registry, 'bundled', 'app', 'one');
      const { list, artifacts } = bundleArtifacts(digest, [bundleSignature(signer, digest)]);
      const [empty, bundle, manifest] = artifacts as [Buffer, Buffer, Buffer];
      await registry.put('app', 'bundle', manifest, [empty, bundle]);
      await registry.put('app', digest.replace(':', '-'), list, [], mediaTypes.index);
      await refuses(['pull', name], /it has no signature/);
      await usePolicy(engine(), {
        docker: { '127.0.0.1:5000': signedBy({ signedIdentity: { type: 'matchDigest' } }) },
      });
      await docker('pull', name);
      assert.equal(await docker('run', '--rm', name, 'cat', '/greeting'), 'bundled');
    }));

  test('rejects a registry before it is asked, and images that came from there earlier', async () => {
    await withRegistry(async (registry) => {
      const digest = await pushGreeting(registry, 'earlier', 'app', 'one');
      await attachSignatures(registry, 'app', digest, [sign(digest)]);
      await docker('pull', name);
    });
    await usePolicy(engine(), { docker: { '127.0.0.1:5000': reject } });
    await refuses(['pull', '127.0.0.1:5000/app:two'], /app:two is refused .*: all images are rejected/);
    await refuses(['run', '--rm', name, 'true'], /app:one is refused .*: all images are rejected/, 125);
    const id = await docker('images', '-q', '--no-trunc', name);
    await refuses(['create', id], /is refused/);
    await docker('tag', name, 'other:name');
    await refuses(['create', 'other:name'], /is refused/);
    const mount = ['--mount', `type=image,source=${name},target=/x`];
    await refuses(['create', ...mount, (await testImage('busybox')).name], /app:one is refused/);
    await usePolicy(engine(), { docker: { '127.0.0.1:5000': reject, '127.0.0.1:5000/app': accept } });
    await docker('create', name, 'true');
  });

  test('refuses an image that was there before it was tightened; a pull mends that', () =>
    withRegistry(async (registry) => {
      await usePolicy(engine(), {});
      const digest = await pushGreeting(registry, 'before', 'app', 'one');
      await docker('pull', name);
      const container = await docker('create', name, 'cat', '/greeting');
      await usePolicy(engine(), wantsSignature);
      await refuses(
        ['create', name],
        /but it has no signature: "gantry pull 127\.0\.0\.1:5000\/app:one" looks for its signatures/,
      );
      await refuses(['pull', name], /it has no signature/);
      await attachSignatures(registry, 'app', digest, [sign(digest)]);
      assert.match(await docker('pull', name), /Image is up to date/);
      assert.equal(await docker('run', '--rm', name, 'cat', '/greeting'), 'before');
      // A container is what it was when it was made.
      assert.equal(await docker('start', '-a', container), 'before');
    }));

  test('is shown by gantry trust inspect, before and after a pull', () =>
    withRegistry(async (registry) => {
      const digest = await pushGreeting(registry, 'looked at', 'app', 'one');
      const gantry = async (...words: string[]) => {
        const [program, ...rest] = [...gantryProgram, '-H', `unix://${engine().paths.socket}`, ...words];
        return must(program, rest);
      };
      const pretty = () => gantry('trust', 'inspect', '--remote', '--pretty', name);
      assert.match(
        await pretty(),
        /^127\.0\.0\.1:5000\/app:one: refused\n[^]*it has no signature\n[^]*signatures: none are known/,
      );
      await attachSignatures(registry, 'app', digest, [cosignSignature(makeSigner(), digest, name), sign(digest)]);
      const text = await pretty();
      assert.match(text, /^127\.0\.0\.1:5000\/app:one: accepted\n/);
      assert.match(
        text,
        /signature \(cosign\): for sha256:[0-9a-f]{64} as 127\.0\.0\.1:5000\/app:one, by no key of the policy\n/,
      );
      assert.ok(text.includes(`as ${name}, by ${keyFile} (SHA256:`));
      await docker('pull', name);
      const [view] = JSON.parse(await gantry('trust', 'inspect', name)) as { Accepted: boolean; Policy: string }[];
      assert.deepEqual([view?.Accepted, view?.Policy], [true, policyFile]);
      await assert.rejects(gantry('trust', 'inspect', 'nothing'), /No such image: nothing/);
    }));

  test('has scopes for archives, imports and what is made here', async () => {
    const archive = ociLayout({ ...(await greetingImage('archived')), names: ['archived:one'] });
    const load = () => engine().docker(['load'], { input: archive });
    await usePolicy(engine(), { 'oci-archive': { '': reject }, 'docker-archive': { '': accept } });
    const refusal = await load();
    assert.match(refusal.stderr, /is refused by the trust policy .*transports\.oci-archive\[""\]/);
    assert.equal(await docker('images', '-q', 'archived'), '');
    await usePolicy(engine(), { tarball: { '': reject }, local: { '': signedBy() } });
    assert.equal((await load()).code, 0);
    await refuses(['import', policyFile, 'imported:one'], /imported:one is refused .*tarball/);
    await docker('create', '--name', 'made', 'archived:one', 'true');
    await refuses(['commit', 'made', 'committed:one'], /committed:one is refused .*transports\.local\[""\].*signed by/);
    await usePolicy(engine(), { 'oci-archive': { '': reject } });
    await refuses(['create', 'archived:one'], /archived:one is refused/);
    await docker('commit', 'made', 'committed:one');
    await docker('create', 'committed:one', 'true');
  });

  test('that is wrong does not take the place of the one before', async () => {
    await usePolicy(engine(), { docker: { '127.0.0.1:5000': reject } });
    await writeFile(policyFile, '{"default": [{"type": "insecureAcceptAnything"}], "transport": {}}');
    await reloadPolicy(engine());
    assert.match(
      await engine().logText(),
      /not reloaded.*trust policy .*policy\.json: the policy: unknown key .*transport/,
    );
    await refuses(['pull', name], /all images are rejected/);
    await rm(policyFile);
    await reloadPolicy(engine());
    await refuses(['pull', name], /all images are rejected/);
    await writePolicy(wantsSignature);
    const wrong = join(folder, 'wrong.json');
    await writeFile(wrong, JSON.stringify({ default: [{ type: 'sigstoreSigned', keyPath: '/nowhere.pub' }] }));
    await assert.rejects(
      startEngine({ flags: [`--trust-policy=${wrong}`] }),
      /trust policy .*wrong\.json: default\[0\]\.keyPath: \/nowhere\.pub: ENOENT/,
    );
  });
});

engineSuite(
  'a trust policy with a mirror',
  { flags: [...flags, '--registry-mirror=http://127.0.0.1:5000'], skip },
  (engine) => {
    test('signatures come from where the image comes from', async () => {
      await using registry = await startRegistry(engine().namespaces);
      await usePolicy(engine(), { docker: { 'docker.io/library': signedBy() } });
      const digest = await pushGreeting(registry, 'mirrored', 'library/app', 'one');
      const answer = await engine().docker(['pull', 'app:one']);
      assert.equal(answer.code, 1);
      await attachSignatures(registry, 'library/app', digest, [
        cosignSignature(signer, digest, 'docker.io/library/app:one'),
      ]);
      await engine().dockerOk(['pull', 'app:one']);
      assert.equal(await engine().dockerOk(['run', '--rm', 'app:one', 'cat', '/greeting']), 'mirrored');
    });
  },
);
