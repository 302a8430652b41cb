import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { readAll } from '../../base/stream.ts';
import { digestOfHex } from '../../base/ids.ts';
import { type Method, unary } from '../grpc/server.ts';
import { clientOf } from '../grpc/test-client.ts';
import { GrpcError, statusCodes } from '../grpc/status.ts';
import { decode } from '../wire/decode.ts';
import { encode } from '../wire/encode.ts';
import {
  authorityRequest,
  authorityResponse,
  bytesMessage,
  checkAgentRequest,
  credentialsRequest,
  credentialsResponse,
  nothing,
  readContentRequest,
  readContentResponse,
  tokenRequest,
  tokenResponse,
  writeActions,
  writeContentRequest,
} from '../wire/session.ts';
import { clientStore } from './content-store.ts';
import { loginOf } from './logins.ts';
import type { Session } from './session.ts';
import { agentSocket, hasAgent } from './ssh.ts';

const signal = AbortSignal.timeout(20_000);

/** A session whose client serves these methods. */
async function sessionWith(t: TestContext, methods: Readonly<Record<string, Method>>): Promise<Session> {
  const client = await clientOf(t, methods);
  return { id: 's', sharedKey: '', methods: new Set(Object.keys(methods)), client };
}

const auth = '/moby.filesync.v1.Auth';
const refusing =
  (status: number): Method =>
  async () => {
    throw new GrpcError(status, 'no');
  };
const credentials = (hosts: string[]): Method =>
  unary(credentialsRequest, credentialsResponse, async ({ host }) => {
    hosts.push(host);
    return { username: 'u', secret: 'p' };
  });

test('a client that gets tokens keeps its password; one that does not is asked for it', async (t) => {
  const hosts: string[] = [];
  const keeping = await sessionWith(t, {
    [`${auth}/GetTokenAuthority`]: unary(authorityRequest, authorityResponse, async ({ salt }) => ({
      publicKey: Buffer.alloc(salt.length, 1),
    })),
    [`${auth}/FetchToken`]: unary(tokenRequest, tokenResponse, async ({ host, realm, service, scopes }) => ({
      token: [host, realm, service, ...scopes].join(' '),
      expiresIn: 5,
    })),
    [`${auth}/Credentials`]: credentials(hosts),
  });
  const login = await loginOf(keeping, 'docker.io', signal);
  assert.deepEqual([login?.password, hosts], [undefined, []]);
  const wish = { realm: 'https://r/t', service: 's', scope: 'repository:a:pull repository:b:push' };
  const given = await login?.tokens?.(wish, signal);
  assert.equal(given?.token, 'registry-1.docker.io https://r/t s repository:a:pull repository:b:push');
  assert.deepEqual(await login?.basic?.(signal), { username: 'u', password: 'p' });
  assert.deepEqual(hosts, ['registry-1.docker.io']);
  for (const status of [statusCodes.unimplemented, statusCodes.unavailable]) {
    const giving = await sessionWith(t, {
      [`${auth}/GetTokenAuthority`]: refusing(status),
      [`${auth}/FetchToken`]: refusing(statusCodes.unknown),
      [`${auth}/Credentials`]: credentials(hosts),
    });
    assert.deepEqual(await loginOf(giving, 'r.example', signal), { username: 'u', password: 'p' });
  }
  const broken = await sessionWith(t, {
    [`${auth}/GetTokenAuthority`]: refusing(statusCodes.unknown),
    [`${auth}/FetchToken`]: refusing(statusCodes.unknown),
  });
  await assert.rejects(loginOf(broken, 'r.example', signal), /no/);
  assert.equal(await loginOf(await sessionWith(t, {}), 'r.example', signal), undefined);
});

const ssh = '/moby.sshforward.v1.SSH';

test('a socket leads to the agent of the client, and goes with its last user', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-ssh-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const session = await sessionWith(t, {
    [`${ssh}/CheckAgent`]: unary(checkAgentRequest, nothing, async ({ id }) => {
      if (id !== 'mine') throw new GrpcError(statusCodes.unknown, `unset ssh forward key ${id}`);
      return {};
    }),
    [`${ssh}/ForwardAgent`]: async (call) => {
      assert.equal(call.metadata['buildkit.ssh.id'], 'mine');
      for await (const message of call.messages) {
        const { data } = decode(bytesMessage, message);
        await call.send(encode(bytesMessage, { data: Buffer.from(Buffer.from(data).toString().toUpperCase()) }));
      }
    },
  });
  assert.equal(await hasAgent(session, 'other', signal), false);
  assert.equal(await hasAgent(session, 'mine', signal), true);
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, mode: 0o640 };
  const open = await agentSocket(session, 'mine', { directory, owner, signal });
  assert.equal((await stat(open.path)).mode & 0o777, 0o640);
  const answers = await Promise.all(
    ['a'.repeat(1_000_000), 'b'].map(async (text) => {
      const socket = net.connect(open.path);
      socket.end(text);
      let answer = '';
      for await (const chunk of socket) answer += String(chunk);
      return answer;
    }),
  );
  assert.deepEqual(
    answers.map((answer) => [answer.length, answer.slice(0, 1)]),
    [
      [1_000_000, 'A'],
      [1, 'B'],
    ],
  );
  const left = net.connect(open.path);
  left.on('error', () => undefined);
  await once(left, 'connect');
  await open.close();
  if (!left.destroyed) await once(left, 'close');
  assert.deepEqual(await readdir(directory), []);
});

const content = '/containerd.services.content.v1.Content';

test('blobs go into a folder of the client in pieces, and come back', async (t) => {
  const digest = digestOfHex('a'.repeat(64));
  const got: { offset: number; action: number; size: number }[] = [];
  const session = await sessionWith(t, {
    [`${content}/Read`]: async (call) => {
      for await (const message of call.messages) assert.equal(decode(readContentRequest, message).digest, digest);
      assert.equal(call.metadata['buildkit-attachable-store-id'], 'local:x');
      for (const data of ['one ', 'two']) await call.send(encode(readContentResponse, { data: Buffer.from(data) }));
    },
    [`${content}/Write`]: async (call) => {
      for await (const message of call.messages) {
        const { offset, action, data, expected } = decode(writeContentRequest, message);
        assert.equal(expected, digest);
        got.push({ offset, action, size: data.length });
      }
    },
  });
  const store = clientStore(session, 'local:x', digest);
  const blob = { mediaType: 'x', digest, size: 7 };
  assert.equal(Buffer.from(await store.manifest(undefined, signal)).toString(), 'one two');
  assert.equal(Buffer.from(await readAll(store.blob(blob, signal), 100)).toString(), 'one two');
  await store.put({ ...blob, size: 3_000_000 }, () => [Buffer.alloc(3_000_000)], signal);
  assert.deepEqual(
    got.map(({ offset }) => offset),
    [0, 1 << 20, 2 << 20, 3_000_000],
  );
  assert.equal(got.at(-1)?.action, writeActions.commit);
  const full = await sessionWith(t, {
    [`${content}/Read`]: refusing(statusCodes.notFound),
    [`${content}/Write`]: refusing(statusCodes.exists),
  });
  const other = clientStore(full, 'local:x', undefined);
  await other.put(blob, () => [Buffer.from('one two')], signal);
  await assert.rejects(readAll(other.blob(blob, signal), 100), /no/);
  await assert.rejects(other.manifest(undefined, signal), /nothing says which manifest/);
  assert.throws(() => clientStore({ ...full, methods: new Set() }, 'local:x', undefined), /has no folder/);
});
