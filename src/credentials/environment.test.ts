import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withEnvironment } from './environment.ts';
import type { CredentialStore } from './store.ts';

const file: CredentialStore = {
  get: (server) =>
    server === 'file.example' || server === 'both.example' ? { username: 'file', secret: 'f' } : undefined,
  servers: () => ['both.example', 'file.example'],
  store: () => ({ isPlain: true }),
  erase: () => undefined,
};
const auth = Buffer.from('env:p:w').toString('base64');

test('logins of the environment count first, those of the file after them', () => {
  const text = JSON.stringify({ auths: { 'both.example': { auth }, 'https://index.docker.io/v1/': { auth } } });
  const store = withEnvironment(file, text, (reason) => assert.fail(reason));
  assert.deepEqual(store.get('both.example'), { username: 'env', secret: 'p:w' });
  assert.deepEqual(store.get('https://index.docker.io/v1/'), { username: 'env', secret: 'p:w' });
  assert.deepEqual(store.get('file.example'), { username: 'file', secret: 'f' });
  assert.equal(store.get('none.example'), undefined);
  assert.deepEqual(store.servers(), ['both.example', 'https://index.docker.io/v1/', 'file.example']);
  assert.equal(
    withEnvironment(file, '', () => assert.fail()),
    file,
  );
  assert.equal(
    withEnvironment(file, undefined, () => assert.fail()),
    file,
  );
});

for (const [text, says] of [
  ['nonsense', /JSON/],
  ['[]', /expected a JSON object/],
  ['{"auths":[]}', /auths: expected an object/],
  ['{"credsStore":"x"}', /unknown field "credsStore"/],
  ['{"auths":{"a":{"identitytoken":"x"}}}', /unknown field "identitytoken"/],
  ['{"auths":{"a":{}}}', /missing key `auth` for a/],
  ['{"auths":{"a":{"auth":"bm8="}}}', /invalid auth configuration for a/],
] as const) {
  test(`what cannot be read is told, and passed over: ${text}`, () => {
    const reasons: string[] = [];
    assert.equal(
      withEnvironment(file, text, (reason) => reasons.push(reason)),
      file,
    );
    assert.match(reasons.join(), says);
  });
}
