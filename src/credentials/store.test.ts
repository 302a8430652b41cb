import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { openCredentials } from './store.ts';

const searchPath = process.env['PATH'];
let folder = '';
let config = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-credentials-'));
  config = join(folder, 'made', 'config.json');
  process.env['PATH'] = `${folder}:${searchPath}`;
});
afterEach(() => {
  process.env['PATH'] = searchPath;
  rmSync(folder, { recursive: true });
});

const helper = (script: string): void => {
  const path = join(folder, 'docker-credential-test');
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
};
const parsed = (): Record<string, unknown> => JSON.parse(readFileSync(config, 'utf8')) as Record<string, unknown>;
const start = (document: unknown): void => {
  config = join(folder, 'config.json');
  writeFileSync(config, JSON.stringify(document));
};

test('a login is kept in the file, for its owner alone, and goes again', () => {
  const store = openCredentials(config);
  assert.equal(store.get('r.example'), undefined);
  store.erase('r.example');
  assert.deepEqual(store.store('r.example', { username: 'u', secret: 'a:b' }), { isPlain: true });
  assert.equal(statSync(config).mode & 0o777, 0o600);
  assert.deepEqual(parsed(), { auths: { 'r.example': { auth: btoa('u:a:b') } } });
  assert.deepEqual(store.get('r.example'), { username: 'u', secret: 'a:b' });
  store.erase('r.example');
  assert.equal(store.get('r.example'), undefined);
});

test('other keys, and a link, stay', () => {
  start({ HttpHeaders: { a: 'b' }, auths: { other: { auth: btoa('x:y') } } });
  const link = join(folder, 'link.json');
  symlinkSync(config, link);
  openCredentials(link).store('r.example', { username: 'u', secret: 'T', isToken: true });
  assert.deepEqual(parsed()['HttpHeaders'], { a: 'b' });
  assert.deepEqual(openCredentials(config).get('other'), { username: 'x', secret: 'y' });
  assert.deepEqual(openCredentials(config).get('r.example'), { username: 'u', secret: 'T', isToken: true });
});

test('a file that is no JSON is left alone', () => {
  start({});
  writeFileSync(config, '{');
  assert.throws(() => openCredentials(config).store('r', { username: 'u', secret: 's' }), /config\.json: /);
  assert.equal(readFileSync(config, 'utf8'), '{');
});

test('a helper keeps the secret, the file only that there is one', () => {
  start({ credHelpers: { 'r.example': 'test' } });
  helper(
    `case $1 in store) cat > ${folder}/kept;; get) cat > /dev/null; cat ${folder}/kept;; erase) rm ${folder}/kept;; esac`,
  );
  const store = openCredentials(config);
  assert.deepEqual(store.store('r.example', { username: 'u', secret: 'hidden' }), { isPlain: false });
  assert.ok(!readFileSync(config, 'utf8').includes('hidden'));
  assert.deepEqual(store.get('r.example'), { username: 'u', secret: 'hidden' });
  store.erase('r.example');
  assert.throws(() => store.get('r.example'), /error getting credentials/);
});

test('helpers that know nothing, fail, talk nonsense, or are not there', () => {
  start({ credsStore: 'test' });
  const get = () => openCredentials(config).get('r');
  helper('echo "credentials not found in native keychain"; exit 1');
  assert.equal(get(), undefined);
  helper('echo locked; exit 3');
  assert.throws(get, /error getting credentials - err: exit status 3, out: `locked`/);
  helper('echo nonsense');
  assert.throws(get, /no JSON came/);
  helper('echo "{}"');
  assert.throws(get, /Username or Secret is missing/);
  helper('yes | head -c 3000000');
  assert.throws(get, /too large/);
  start({ credsStore: 'nowhere' });
  assert.throws(get, /executable file not found/);
  start({ credsStore: '../evil' });
  assert.throws(get, /has a slash/);
});
