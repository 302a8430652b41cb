import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { readConfig, resolveTarget } from './config.ts';
import type { GlobalFlags } from './config.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-config-'));
test.after(() => rmSync(folder, { recursive: true }));
const meta = join(folder, 'contexts/meta', createHash('sha256').update('far').digest('hex'));
mkdirSync(meta, { recursive: true });
writeFileSync(join(meta, 'meta.json'), JSON.stringify({ Name: 'far', Endpoints: { docker: { Host: 'tcp://far:1' } } }));

const flags: GlobalFlags = {
  config: folder,
  context: '',
  hosts: [],
  tls: false,
  tlsverify: false,
  tlscacert: '',
  tlscert: '',
  tlskey: '',
};
const target = (env: Record<string, string>, more: Partial<GlobalFlags> = {}, currentContext = '') =>
  resolveTarget({ ...flags, ...more }, env, { currentContext });

test('the nearest word about the engine wins', () => {
  const far = { endpoint: { kind: 'tcp', host: 'far', port: 1 }, contextName: 'far' };
  assert.deepEqual(target({}).endpoint, { kind: 'unix', path: '/run/gantry/gantry.sock' });
  assert.deepEqual(target({}, {}, 'far'), far);
  assert.deepEqual(target({ DOCKER_CONTEXT: 'far' }), far);
  assert.deepEqual(target({ DOCKER_HOST: 'unix:///d', DOCKER_CONTEXT: 'far' }).endpoint, { kind: 'unix', path: '/d' });
  assert.deepEqual(target({ DOCKER_HOST: 'unix:///d', GANTRY_HOST: 'unix:///g' }).endpoint, {
    kind: 'unix',
    path: '/g',
  });
  assert.deepEqual(target({ GANTRY_HOST: 'unix:///g' }, { context: 'far' }), far);
  assert.deepEqual(target({ GANTRY_HOST: 'unix:///g' }, { hosts: ['unix:///h'] }).endpoint, {
    kind: 'unix',
    path: '/h',
  });
});

test('contradictions and unknown contexts are told', () => {
  assert.throws(() => target({}, { context: 'far', hosts: ['unix:///h'] }), /cannot specify both --host and --context/);
  assert.throws(
    () => target({}, { context: 'nope' }),
    /unable to resolve docker endpoint: context "nope": context not found/,
  );
});

test('a config file that is no JSON is told, a missing one is empty', async () => {
  assert.deepEqual(await readConfig('/nonexistent'), {});
  writeFileSync(join(folder, 'config.json'), '{');
  await assert.rejects(readConfig(folder), /^CliError: Error loading config file/);
});
