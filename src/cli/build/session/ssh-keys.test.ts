import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { bcryptKey } from './bcrypt-key.ts';
import { agentAnswers, type AgentKey, LockedKey, readAgentKey } from './ssh-keys.ts';

const run = promisify(execFile);

/** What OpenSSH makes; it is asked whether what comes out is right, too. */
const kinds: readonly [name: string, ...flags: string[]][] = [
  ['ed25519', '-t', 'ed25519'],
  ['rsa', '-t', 'rsa', '-b', '2048'],
  ['rsa-pem', '-t', 'rsa', '-b', '2048', '-m', 'PEM'],
  ['p256', '-t', 'ecdsa', '-b', '256'],
  ['p384', '-t', 'ecdsa', '-b', '384'],
  ['p521', '-t', 'ecdsa', '-b', '521'],
  ['p256-pem', '-t', 'ecdsa', '-b', '256', '-m', 'PKCS8'],
];

const hasOpenSsh = (() => {
  try {
    execFileSync('sh', ['-c', 'command -v ssh-keygen ssh-add'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

test('ssh-add lists the keys of files, and can sign with each', {
  skip: !hasOpenSsh && 'no OpenSSH here',
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-ssh-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const keys: AgentKey[] = [];
  for (const [name, ...flags] of kinds) {
    const path = join(folder, name);
    await run('ssh-keygen', ['-q', '-N', '', '-C', name, ...flags, '-f', path]);
    keys.push(readAgentKey(readFileSync(path, 'utf8'), name));
  }
  const socket = join(folder, 'agent');
  const server = net.createServer((connection) => {
    void (async () => {
      for await (const answer of agentAnswers(keys, connection as AsyncIterable<Uint8Array>)) connection.write(answer);
      connection.end();
    })();
  });
  server.listen(socket);
  await once(server, 'listening');
  t.after(() => server.close());
  const env = { ...process.env, SSH_AUTH_SOCK: socket };
  const publicKeys = kinds.map(([name]) => join(folder, `${name}.pub`));
  const { stdout } = await run('ssh-add', ['-L'], { env });
  const bare = (line: string): string => line.split(' ').slice(0, 2).join(' ');
  assert.deepEqual(
    stdout.trim().split('\n').map(bare),
    publicKeys.map((path) => bare(readFileSync(path, 'utf8').trim())),
  );
  // Signs something and verifies it.
  await run('ssh-add', ['-T', ...publicKeys], { env });
});

/** Ways in which OpenSSH and OpenSSL lock keys; few rounds, which are what takes time. */
const locks: readonly (readonly string[])[] = [
  ['-t', 'ed25519', '-a', '2'],
  ['-t', 'ecdsa', '-a', '1', '-Z', 'aes128-cbc'],
  ['-t', 'ed25519', '-a', '1', '-Z', 'aes256-gcm@openssh.com'],
  ['-t', 'rsa', '-b', '2048', '-m', 'PEM'],
  ['-t', 'ecdsa', '-m', 'PKCS8'],
];

test('keys with passphrases are unlocked by them, and by nothing else', {
  skip: !hasOpenSsh && 'no OpenSSH here',
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-ssh-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [at, flags] of locks.entries()) {
    const path = join(folder, String(at));
    await run('ssh-keygen', ['-q', '-N', 'pass wörd', ...flags, '-f', path]);
    const text = readFileSync(path, 'utf8');
    assert.throws(() => readAgentKey(text, ''), LockedKey);
    assert.throws(() => readAgentKey(text, '', 'other'), /^Error: wrong passphrase$/);
    const { publicBlob } = readAgentKey(text, '', 'pass wörd');
    assert.equal(publicBlob.toString('base64'), readFileSync(`${path}.pub`, 'utf8').split(' ')[1]);
  }
  const path = join(folder, 'chacha');
  await run('ssh-keygen', [
    '-q',
    '-N',
    'x',
    '-a',
    '1',
    '-Z',
    'chacha20-poly1305@openssh.com',
    '-t',
    'ed25519',
    '-f',
    path,
  ]);
  assert.throws(() => readAgentKey(readFileSync(path, 'utf8'), '', 'x'), /locked by chacha20-poly1305@openssh.com/);
});

test('bcrypt_pbkdf gives what OpenBSD’s gives', () => {
  const key = bcryptKey('password', Buffer.from('salt'), 4, 32).toString('hex');
  assert.equal(key, '5bbf0cc293587f1c3635555c27796598d47e579071bf427e9d8fbe842aba34d9');
});

test('what is no message is a failure, and what is no key is refused', async () => {
  const answers: Buffer[] = [];
  const requests = [Buffer.of(0, 0, 0, 1), Buffer.of(99, 0, 0, 0, 3, 13, 0), Buffer.of(0), Buffer.of(0, 0, 0, 1, 11)];
  for await (const answer of agentAnswers(
    [],
    (async function* () {
      yield* requests;
    })(),
  )) {
    answers.push(answer);
  }
  assert.deepEqual(
    answers.map((answer) => answer.toString('hex')),
    ['0000000105', '0000000105', '000000050c00000000'],
  );
  await assert.rejects(async () => {
    for await (const _ of agentAnswers(
      [],
      (async function* () {
        yield Buffer.of(0xff, 0xff, 0xff, 0xff);
      })(),
    ));
  }, /too long/);
  for (const text of ['', 'nothing', '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----']) {
    assert.throws(() => readAgentKey(text, ''));
  }
});
