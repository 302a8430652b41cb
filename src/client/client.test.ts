import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { TestContext } from 'node:test';
import { EngineClient, readText } from './client.ts';
import { compareVersions, pathPart, queryText } from './target.ts';
import { ApiError, ConnectionError } from './errors.ts';

async function serve(t: TestContext, listener: RequestListener): Promise<{ client: EngineClient; server: Server }> {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-client-'));
  const server = createServer((request, response) => {
    if (request.url === '/_ping') response.setHeader('Api-Version', '1.41').end();
    else listener(request, response);
  });
  const path = join(folder, 'socket');
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const client = new EngineClient({ endpoint: { kind: 'unix', path } });
  t.after(async () => {
    client.close();
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });
  return { client, server };
}

test('the older of both versions is spoken, and the connection is used again', async (t) => {
  const urls: string[] = [];
  const { client, server } = await serve(t, (request, response) => {
    urls.push(request.url ?? '');
    response.setHeader('Content-Type', 'application/json').end('{"a":[1]}');
  });
  let connections = 0;
  server.on('connection', () => connections++);
  assert.deepEqual(await client.json('GET', '/x', { query: { b: 'c d', all: true, no: false } }), { a: [1] });
  assert.deepEqual(await client.json('GET', '/y'), { a: [1] });
  assert.deepEqual(urls, ['/v1.41/x?all=1&b=c%20d', '/v1.41/y']);
  assert.equal(connections, 1);
});

test("the engine's words and status come back as an error", async (t) => {
  const { client } = await serve(t, (_, response) => {
    response.writeHead(409, { 'Content-Type': 'application/json' }).end('{"message":"it is in use"}');
  });
  await assert.rejects(client.json('DELETE', '/x'), (error) => {
    assert.ok(error instanceof ApiError);
    assert.equal(error.status, 409);
    assert.equal(error.message, 'Error response from daemon: it is in use');
    return true;
  });
});

test('a body is streamed, and an answer that comes before its end is taken', async (t) => {
  const { client } = await serve(t, (request, response) => {
    if (request.url?.endsWith('early') === true) {
      response.writeHead(400, { 'Content-Type': 'application/json' }).end('{"message":"no"}');
      return;
    }
    let size = 0;
    request.on('data', (chunk: Buffer) => (size += chunk.length));
    request.on('end', () => response.end(String(size)));
  });
  async function* body() {
    for (let at = 0; at < 50; at++) yield new Uint8Array(65_536);
  }
  assert.equal(await client.text('POST', '/load', { body: body() }), String(50 * 65_536));
  await assert.rejects(client.text('POST', '/early', { body: body() }), /no$/);
});

test('a body that cannot be read ends the request, though the engine waits for the rest', async (t) => {
  const { client } = await serve(t, (request) => void request.on('error', () => undefined).resume());
  async function* body() {
    yield new TextEncoder().encode('some');
    throw new Error('the disk is gone');
  }
  await assert.rejects(client.request('POST', '/x', { body: body() }), /the disk is gone/);
});

test('a connection that the engine closed while it was idle is replaced', async (t) => {
  const { client, server } = await serve(t, (_, response) => void response.end('ok'));
  assert.equal(await client.text('GET', '/x'), 'ok');
  server.closeIdleConnections();
  assert.equal(await client.text('POST', '/x', { body: { a: 1 } }), 'ok');
});

test('aborting ends a stream that goes on', async (t) => {
  const { client } = await serve(t, (_, response) => void response.write('first'));
  const abort = new AbortController();
  const response = await client.request('GET', '/events', { signal: abort.signal });
  const text = readText(response.body);
  abort.abort();
  await assert.rejects(text);
});

test('a hijacked connection carries bytes both ways after a half-close', async (t) => {
  const { client, server } = await serve(t, () => undefined);
  server.on('upgrade', (_, socket) => {
    socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('end', () => socket.end(text.toUpperCase()));
  });
  const connection = await client.hijack('/attach');
  await connection.write(new TextEncoder().encode('typed'));
  connection.end();
  assert.equal(await readText(connection.output), 'TYPED');
  connection.destroy();
});

test('nobody at the socket is told from other failures', async () => {
  const client = new EngineClient({ endpoint: { kind: 'unix', path: '/nonexistent/socket' } });
  await assert.rejects(client.ping(), (error) => {
    assert.ok(error instanceof ConnectionError);
    assert.match(error.message, /^Cannot connect to the Gantry daemon at unix:\/\/\/nonexistent\/socket\./);
    return true;
  });
});

test('names keep slashes, colons and at-signs, and nothing else that means something', () => {
  assert.equal(pathPart('reg:5000/a/b@sha256:1'), 'reg:5000/a/b@sha256:1');
  assert.equal(pathPart('a?b#c d%'), 'a%3Fb%23c%20d%25');
  assert.equal(queryText({ list: ['a', 'b&'] }), '?list=a&list=b%26');
  assert.ok(compareVersions('1.9', '1.41') < 0);
});
