import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type KeyKind, makeSigner } from '../../tests/support/signatures.ts';
import { EngineError } from '../base/errors.ts';
import type { ImageOrigin } from '../spec/contract/trust.ts';
import { parseReference, withDefaultTag } from '../spec/reference/reference.ts';
import { policyOf } from './judge.ts';
import { loadTrustPolicy } from './load.ts';
import { parsePolicy } from './policy.ts';

const signer = makeSigner();
const parse = (value: unknown) =>
  parsePolicy(typeof value === 'string' ? value : JSON.stringify(value), async () => signer.publicKey);
const refused = (value: unknown, says: RegExp) =>
  assert.rejects(parse(value), (error) => error instanceof EngineError && says.test(error.message), String(says));

const accept = [{ type: 'insecureAcceptAnything' }];
const reject = [{ type: 'reject' }];
const docker = (name: string): ImageOrigin => ({
  transport: 'docker',
  reference: withDefaultTag(parseReference(name)),
});

/** The place of the policy that counts for an origin. */
async function scopeFor(transports: unknown, origin: ImageOrigin): Promise<string> {
  const policy = policyOf(await parse({ default: reject, transports }), 'policy.json');
  const { scope } = await policy.judge(origin, { digests: [], signatures: [] });
  return scope.replace('transports.', '');
}

describe('scopes', () => {
  const transports = {
    docker: {
      '': accept,
      'docker.io/library/busybox:1.36': accept,
      'docker.io/library/busybox': reject,
      'docker.io/library': accept,
      'host.example:5000': accept,
      'host.example:5000/a/b': reject,
      '*.host.example': accept,
      '*.example': reject,
      '[::1]:5000/x': accept,
      [`q.example/d@sha256:${'a'.repeat(64)}`]: accept,
    },
    'docker-archive': { '': accept },
  };
  for (const [name, expected] of [
    ['busybox:1.36', 'docker["docker.io/library/busybox:1.36"]'],
    ['busybox:1.37', 'docker["docker.io/library/busybox"]'],
    ['alpine', 'docker["docker.io/library"]'],
    ['me/app', 'docker[""]'],
    ['host.example:5000/a', 'docker["host.example:5000"]'],
    ['host.example:5000/a/b', 'docker["host.example:5000/a/b"]'],
    ['host.example:5000/a/b/c', 'docker["host.example:5000/a/b"]'],
    ['host.example:5000/a/bc', 'docker["host.example:5000"]'],
    // Another port is another registry; only the wildcard does not look at it.
    ['host.example:5001/a', 'docker["*.example"]'],
    ['x.host.example:1/a', 'docker["*.host.example"]'],
    ['x.y.host.example/a', 'docker["*.host.example"]'],
    ['nothost.example/a', 'docker["*.example"]'],
    ['[::1]:5000/x/y', 'docker["[::1]:5000/x"]'],
    [`q.example/d@sha256:${'a'.repeat(64)}`, `docker["q.example/d@sha256:${'a'.repeat(64)}"]`],
  ] as const) {
    test(`${name} has ${expected}`, async () => assert.equal(await scopeFor(transports, docker(name)), expected));
  }

  test('other ways of an image have their own, and the default after that', async () => {
    assert.equal(await scopeFor(transports, { transport: 'docker-archive' }), 'docker-archive[""]');
    assert.equal(await scopeFor(transports, { transport: 'local' }), 'default');
    assert.equal(await scopeFor({}, docker('busybox')), 'default');
  });
});

describe('a policy is refused', () => {
  const signed = (more: object) => ({ default: [{ type: 'sigstoreSigned', ...more }] });
  const scoped = (scope: string) => ({ default: reject, transports: { docker: { [scope]: accept } } });
  const identity = (value: unknown) => signed({ keyPath: '/k', signedIdentity: value });
  for (const [what, value, says] of [
    ['no JSON', '{"default": [}', /not valid JSON: Unexpected token/],
    ['no object', [], /the policy must be an object/],
    ['no default', {}, /^default must be a list/],
    ['an empty default', { default: [] }, /^default must be a list of requirements, not empty/],
    ['an unknown key', { default: reject, transport: {} }, /unknown key "transport": expected default, transports/],
    [
      'a key twice',
      '{"default":[{"type":"reject"}],"default":[{"type":"insecureAcceptAnything"}]}',
      /"default" is there twice/,
    ],
    [
      'a scope twice',
      '{"default":[{"type":"reject"}],"transports":{"docker":{"a.b/c":[{"type":"reject"}],"a.b\\/c":[]}}}',
      /"a\.b\/c" is there twice/,
    ],
    ['an unknown transport', { default: reject, transports: { dokcer: {} } }, /transports\.dokcer: unknown transport/],
    ['an unknown type', { default: [{ type: 'accept' }] }, /^default\[0\]\.type: "accept": expected/],
    ['no type', { default: [{}] }, /^default\[0\]\.type: undefined: expected/],
    [
      'GPG',
      { default: [{ type: 'signedBy', keyType: 'GPGKeys', keyPath: '/k' }] },
      /default\[0\]: signedBy .* not supported/,
    ],
    ['a key too much', { default: [{ type: 'reject', keyPath: '/k' }] }, /default\[0\]: unknown key "keyPath"/],
    ['no key', signed({}), /exactly one of keyPath/],
    ['two kinds of keys', signed({ keyPath: '/k', keyData: 'aa==' }), /exactly one of keyPath/],
    ['no keys', signed({ keyPaths: [] }), /keyPaths must be a list of 1 to 64/],
    [
      'a path that is relative',
      signed({ keyPaths: ['/k', 'k'] }),
      /default\[0\]\.keyPaths\[1\]: "k": expected an absolute path/,
    ],
    [
      'data that is no base64',
      signed({ keyData: '-----BEGIN' }),
      /default\[0\]\.keyData: expected a public key in PEM, in base64/,
    ],
    ['data that is no key', signed({ keyData: 'YWJj' }), /default\[0\]\.keyData: it holds no public key/],
    ['fulcio', signed({ fulcio: {}, rekorPublicKeyPath: '/r' }), /default\[0\]\.fulcio is not supported/],
    [
      'a log',
      signed({ keyPath: '/k', rekorPublicKeyData: 'YWJj' }),
      /default\[0\]\.rekorPublicKeyData is not supported/,
    ],
    ['an unknown identity', identity({ type: 'any' }), /signedIdentity\.type: "any": expected/],
    [
      'an identity with a key too much',
      identity({ type: 'matchExact', prefix: 'a.b' }),
      /signedIdentity: unknown key "prefix"/,
    ],
    [
      'a reference without tag',
      identity({ type: 'exactReference', dockerReference: 'a.b/c' }),
      /neither tag nor digest/,
    ],
    [
      'a repository that is none',
      identity({ type: 'exactRepository', dockerRepository: 'A b' }),
      /dockerRepository: invalid reference/,
    ],
    [
      'a prefix with a tag',
      identity({ type: 'remapIdentity', prefix: 'a.b/c:d', signedPrefix: 'x.y' }),
      /signedIdentity\.prefix: expected/,
    ],
    ['a short name', scoped('busybox'), /"busybox" is no registry: .* docker\.io\/library\/busybox/],
    ['a short name with a namespace', scoped('me/app'), /docker\.io\/me\/app/],
    ['a short name with a tag', scoped('docker.io/busybox:1'), /in full, as docker\.io\/library\/busybox:1/],
    ['the other name of the default registry', scoped('index.docker.io/library'), /the registry is called docker\.io/],
    ['a wildcard in the middle', scoped('a.*.example'), /expected a registry/],
    ['a wildcard with a port', scoped('*.example:5000'), /without a port/],
    ['a slash at the end', scoped('a.example/'), /expected a registry/],
    [
      'a scope of an archive',
      { default: reject, transports: { 'oci-archive': { '/a': accept } } },
      /the only scope is ""/,
    ],
  ] as const) {
    test(`with ${what}`, () => refused(value, says));
  }

  for (const [what, pem, says] of [
    ['a private key', '-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n', /private key: only the public/],
    ['a certificate', '-----BEGIN CERTIFICATE-----\n', /certificate/],
    ['two keys', signer.publicKey + signer.publicKey, /more than one key/],
    [
      'a damaged key',
      signer.publicKey.replaceAll('E', 'F').replace('BFGIN', 'BEGIN'),
      /cannot be read|not a PUBLIC KEY/,
    ],
    ['a small RSA key', makeSigner('small-rsa').publicKey, /1024 bits, at least 2048/],
    ['another curve', makeSigner('secp256k1').publicKey, /curve secp256k1 is not supported/],
  ] as const) {
    test(`with ${what} for a key`, () => {
      const text = JSON.stringify(signed({ keyPath: '/k' }));
      return assert.rejects(
        parsePolicy(text, async () => pem),
        says,
      );
    });
  }
});

describe('a policy is taken', () => {
  const kinds: readonly KeyKind[] = ['p256', 'p384', 'p521', 'ed25519', 'rsa'];
  for (const kind of kinds) {
    test(`with a key ${kind}, from a file and as data`, async () => {
      const { publicKey } = makeSigner(kind);
      const keyData = Buffer.from(publicKey).toString('base64');
      const fromData = await parse({ default: [{ type: 'sigstoreSigned', keyData }] });
      const text = JSON.stringify({ default: [{ type: 'sigstoreSigned', keyPaths: ['/a', '/b'] }] });
      const fromFiles = await parsePolicy(text, async () => publicKey);
      const [one] = fromFiles.default;
      assert.equal(fromData.default.length, 1);
      assert.ok(one?.type === 'sigstoreSigned' && one.keys.length === 2 && one.keys[0]?.name.startsWith('/a (SHA256:'));
    });
  }

  test('with transports and scopes of other programs', async () => {
    const transports = { dir: { '/a/b': accept }, 'containers-storage': { '[overlay@/x]': reject }, atomic: {} };
    assert.equal((await parse({ default: reject, transports })).transports.size, 3);
  });

  test('whatever its keys are called', async () => {
    const text = '{"default":[{"type":"reject"}],"transports":{"docker":{"__proto__.example/x":[{"type":"reject"}]}}}';
    await assert.rejects(parse(text), /expected a registry/);
  });
});

describe('the file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-trust-'));
  after(() => rm(folder, { recursive: true }));

  test('need not be there, unless somebody named it', async () => {
    const path = join(folder, 'none.json');
    const policy = await loadTrustPolicy(path, false);
    const verdict = await policy.judge(docker('busybox'), { digests: [], signatures: [] });
    assert.deepEqual([policy.source, verdict.accepted], ['', true]);
    await assert.rejects(loadTrustPolicy(path, true), /trust policy .*none\.json: ENOENT/);
  });

  test('names keys that must be there', async () => {
    const path = join(folder, 'keys.json');
    await writeFile(path, JSON.stringify({ default: [{ type: 'sigstoreSigned', keyPath: join(folder, 'gone.pub') }] }));
    // A missing key must not look like a missing policy.
    await assert.rejects(loadTrustPolicy(path, false), /keys\.json: default\[0\]\.keyPath: .*gone\.pub: ENOENT/);
  });

  test('is a regular file of reasonable size', async () => {
    await assert.rejects(loadTrustPolicy('/dev/zero', true), /no regular file/);
    await assert.rejects(loadTrustPolicy(folder, true), /no regular file/);
    const path = join(folder, 'large.json');
    await writeFile(path, ' '.repeat(1024 * 1024 + 1));
    await assert.rejects(loadTrustPolicy(path, true), /larger than the allowed 1048576 bytes/);
  });
});
