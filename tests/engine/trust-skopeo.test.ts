/** skopeo as the other judge of the same policies and signatures, and as a signer. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { busyboxLayer, describeBlob, json, mediaTypes, ociBlobs, ociLayout, sha256 } from '../support/crafted-image.ts';
import { isOracle, type TestEngine } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { newSkopeo } from '../support/new-skopeo.ts';
import { startRegistry } from '../support/registry.ts';
import { run, type RunResult } from '../support/run.ts';
import { cosignSignature, type MadeSignature, makeSigner, signatureArtifact } from '../support/signatures.ts';
import { engineSuite } from '../support/suite.ts';
import { greetingImage, pushGreeting, reloadPolicy } from './_signed-images.ts';

const folder = await mkdtemp(join(tmpdir(), 'gantry-trust-skopeo-'));
after(() => rm(folder, { recursive: true }));
const policyFile = join(folder, 'policy.json');
const registries = join(folder, 'registries.d');
await mkdir(registries);
await writeFile(join(registries, 'test.yaml'), 'default-docker:\n  use-sigstore-attachments: true\n');
const accept = [{ type: 'insecureAcceptAnything' }];
const name = '127.0.0.1:5000/app:one';
const signer = makeSigner();
const sign = (digest: string, as = name) => cosignSignature(signer, digest, as);

/** Both get the same file. */
const writePolicy = (requirements: readonly object[]): Promise<void> => {
  const transports = { docker: { '127.0.0.1:5000': requirements } };
  return writeFile(policyFile, JSON.stringify({ default: accept, transports }));
};
await writePolicy(accept);

const signedBy = (publicKey: string, signedIdentity?: object) => ({
  type: 'sigstoreSigned',
  keyData: Buffer.from(publicKey).toString('base64'),
  ...(signedIdentity === undefined ? {} : { signedIdentity }),
});

/** `digest` is the image's, `other` is another one in the same repository. */
interface Case {
  readonly what: string;
  readonly signatures: (digest: string, other: string) => readonly MadeSignature[];
  readonly identity?: object;
  readonly key?: string;
  readonly admitted: boolean;
  readonly says?: RegExp;
}

const cases: readonly Case[] = [
  { what: 'none', signatures: () => [], admitted: false, says: /it has no signature/ },
  { what: 'good', signatures: (digest) => [sign(digest)], admitted: true },
  {
    what: 'by another key',
    signatures: (digest) => [cosignSignature(makeSigner(), digest, name)],
    admitted: false,
    says: /a signature was not made by a wanted key/,
  },
  {
    what: 'one good among bad ones',
    signatures: (digest, other) => [sign(other), cosignSignature(makeSigner(), digest, name), sign(digest)],
    admitted: true,
  },
  {
    what: 'of another digest',
    signatures: (_, other) => [sign(other)],
    admitted: false,
    says: /a signature is for another image, sha256:/,
  },
  {
    what: 'of another repository, replayed',
    signatures: (digest) => [sign(digest, '127.0.0.1:5000/other:one')],
    admitted: false,
    says: /for "127\.0\.0\.1:5000\/other:one", which matchRepoDigestOrExact does not accept/,
  },
  {
    what: 'of an older tag: a rollback',
    signatures: (digest) => [sign(digest, '127.0.0.1:5000/app:zero')],
    admitted: false,
    says: /app:zero", which/,
  },
  {
    what: 'of an older tag, where the repository is enough',
    signatures: (digest) => [sign(digest, '127.0.0.1:5000/app')],
    identity: { type: 'matchRepository' },
    admitted: true,
  },
  {
    what: 'of another repository, where the repository is enough',
    signatures: (digest) => [sign(digest, '127.0.0.1:5000/other')],
    identity: { type: 'matchRepository' },
    admitted: false,
  },
  {
    what: 'of the original of a mirror',
    signatures: (digest) => [sign(digest, 'vendor.example/product/app:one')],
    identity: { type: 'remapIdentity', prefix: '127.0.0.1:5000', signedPrefix: 'vendor.example/product' },
    admitted: true,
  },
  {
    what: 'of a named repository',
    signatures: (digest) => [sign(digest, 'vendor.example/app')],
    identity: { type: 'exactRepository', dockerRepository: 'vendor.example/app' },
    admitted: true,
  },
  {
    what: 'with a payload that was changed',
    signatures: (digest, other) => [{ ...sign(other), payload: sign(digest).payload }],
    admitted: false,
    says: /not made by a wanted key/,
  },
  ...(['p384', 'ed25519', 'rsa'] as const).map((kind): Case => {
    const own = makeSigner(kind);
    return {
      what: `by a key ${kind}`,
      signatures: (digest) => [cosignSignature(own, digest, name)],
      key: own.publicKey,
      admitted: true,
    };
  }),
];

engineSuite(
  'skopeo and the trust policy',
  { flags: [`--trust-policy=${policyFile}`], skip: isOracle() && 'Docker has no policy' },
  (engine) => {
    const docker = (...words: string[]) => engine().dockerOk(words);
    const skopeo = newSkopeo();
    const inside = (words: readonly string[]): Promise<RunResult> => {
      const [program, ...rest] = engine().namespaces.enter([...skopeo, ...words]);
      return run(program, rest);
    };

    async function usePolicy(running: TestEngine, requirements: readonly object[]): Promise<void> {
      await writePolicy(requirements);
      await reloadPolicy(running);
    }

    async function skopeoAdmits(what: string): Promise<boolean> {
      const out = await mkdtemp(join(folder, 'out-'));
      const options = ['--policy', policyFile, '--registries.d', registries, 'copy', '--src-tls-verify=false'];
      const { code, stderr } = await inside([...options, '--remove-signatures', `docker://${name}`, `dir:${out}`]);
      await rm(out, { recursive: true });
      assert.ok(code === 0 || /Source image rejected/.test(stderr), `${what}: ${stderr}`);
      return code === 0;
    }

    test('judge signatures alike', async () => {
      await using registry = await startRegistry(engine().namespaces);
      const other = await pushGreeting(registry, 'other', 'app', 'other');
      const digest = await pushGreeting(registry, 'this', 'app', 'one');
      for (const { what, signatures, identity, key = signer.publicKey, admitted, says } of cases) {
        const made = signatures(digest, other);
        const { tag, manifest, blobs } = signatureArtifact(digest, made);
        if (made.length > 0) await registry.put('app', tag, manifest, blobs);
        await usePolicy(engine(), [signedBy(key, identity)]);
        const answer = await engine().docker(['pull', name]);
        assert.equal(answer.code === 0, admitted, `${what}: ${answer.stderr}`);
        if (says !== undefined) assert.match(answer.stderr, says, what);
        assert.equal(await docker('images', '-q', name), admitted ? digest.slice(7, 19) : '', what);
        assert.equal(await skopeoAdmits(what), admitted, what);
        if (admitted) await docker('rmi', name);
      }
    });

    test('what gantry has signed is admitted by both; more signatures come beside it', async () => {
      await using registry = await startRegistry(engine().namespaces);
      await pushGreeting(registry, 'other', 'app', 'other');
      const digest = await pushGreeting(registry, 'this', 'app', 'one');
      const gantry = async (...words: string[]): Promise<RunResult> => {
        const [program, ...rest] = engine().namespaces.enter([...gantryProgram, 'trust', ...words]);
        return run(program, rest, { env: { ...process.env, DOCKER_CONFIG: folder } });
      };
      const must = async (...words: string[]): Promise<string> => {
        const { code, stdout, stderr } = await gantry(...words);
        assert.equal(code, 0, stderr);
        return stdout;
      };
      const keys = [];
      for (const type of ['ecdsa-p256', 'ed25519']) {
        const prefix = join(folder, type);
        await must('key', 'generate', `--type=${type}`, prefix);
        assert.equal((await stat(`${prefix}.key`)).mode & 0o777, 0o600);
        keys.push(await readFile(`${prefix}.pub`, 'utf8'));
      }
      const again = await gantry('key', 'generate', join(folder, 'ed25519'));
      assert.deepEqual([again.code, /EEXIST/.test(again.stderr)], [1, true]);
      const signing = (type: string) => ['sign', '--key', join(folder, `${type}.key`)];
      const said = await must(...signing('ecdsa-p256'), name);
      assert.equal(said, `Signed 127.0.0.1:5000/app@${digest} as ${name}\n`);
      await must(...signing('ed25519'), '--identity=vendor.example/app', `${name}@${digest}`);
      const [first = '', second = ''] = keys;
      const vendor = { type: 'exactRepository', dockerRepository: 'vendor.example/app' };
      await usePolicy(engine(), [signedBy(first), signedBy(second, vendor)]);
      await docker('pull', name);
      assert.equal(await skopeoAdmits('both signatures of gantry'), true);
      await docker('rmi', name);
      await usePolicy(engine(), [signedBy(second)]);
      assert.equal((await engine().docker(['pull', name])).code, 1);
      assert.equal(await skopeoAdmits('a signature for another name'), false);
      await registry.put('app', 'one', ociBlobs(await greetingImage('other')).manifest, []);
      await usePolicy(engine(), [signedBy(first)]);
      assert.match((await engine().docker(['pull', name])).stderr, /it has no signature/);
      // The tag leads elsewhere by now: what is signed is the digest that was named.
      assert.ok((await must(...signing('ecdsa-p256'), `${name}@${digest}`)).includes(digest));
      const platform = { os: 'linux', architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' };
      const manifests = [
        { ...describeBlob(mediaTypes.manifest, ociBlobs(await greetingImage('this')).manifest), platform },
      ];
      const index = json({ schemaVersion: 2, mediaType: mediaTypes.index, manifests });
      const indexDigest = await registry.put('app', 'one', index, [], mediaTypes.index);
      const all = await must(...signing('ecdsa-p256'), '--recursive', name);
      assert.deepEqual(all.match(/sha256:[0-9a-f]{64}/g), [indexDigest, digest]);
      assert.equal(await skopeoAdmits('an index'), true);
      await docker('pull', name);
      for (const [what, says] of [
        [['sign', name], /--key is needed/],
        [['sign', '--key', join(folder, 'ed25519.pub'), name], /holds no private key/],
        [['sign', '--key', join(folder, 'nothing'), name], /unable to read the key: ENOENT/],
        [[...signing('ed25519'), '127.0.0.1:5000/app:gone'], /manifest for 127\.0\.0\.1:5000\/app:gone not found/],
        [['key', 'generate', '--type=rsa', join(folder, 'x')], /expected ecdsa-p256 or ed25519/],
      ] as const) {
        const { code, stderr } = await gantry(...what);
        assert.deepEqual([code, says.test(stderr)], [1, true], stderr);
      }
    });

    test('an image that skopeo has signed is admitted by its key alone', async () => {
      await using registry = await startRegistry(engine().namespaces);
      const password = join(folder, 'password');
      await writeFile(password, 'secret\n');
      const made = await inside([
        'generate-sigstore-key',
        '--output-prefix',
        join(folder, 'key'),
        '--passphrase-file',
        password,
      ]);
      assert.equal(made.code, 0, made.stderr);
      const blob = (await busyboxLayer()).blob;
      const layer = { blob: gzipSync(blob), diffId: sha256(blob) };
      const archive = join(folder, 'image.tar');
      await writeFile(archive, ociLayout({ names: ['app:one'], layers: [layer] }));
      const options = ['--insecure-policy', '--registries.d', registries, 'copy', '--dest-tls-verify=false'];
      const key = ['--sign-by-sigstore-private-key', join(folder, 'key.private'), '--sign-passphrase-file', password];
      const signed = await inside([...options, ...key, `oci-archive:${archive}`, `docker://${registry.host}/app:one`]);
      assert.equal(signed.code, 0, signed.stderr);
      await usePolicy(engine(), [signedBy(signer.publicKey)]);
      assert.match((await engine().docker(['pull', name])).stderr, /not made by a wanted key/);
      await usePolicy(engine(), [signedBy(await readFile(join(folder, 'key.pub'), 'utf8'))]);
      await docker('pull', name);
      assert.equal(await docker('run', '--rm', name, 'echo', 'good'), 'good');
      await docker('tag', name, 'other:name');
      await docker('create', 'other:name', 'true');
    });
  },
);
