import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { readAll } from '../base/stream.ts';
import { download } from './download.ts';

type Answer = (response: ServerResponse, authorization: string) => unknown;

const redirect =
  (location: string): Answer =>
  (response) =>
    response.writeHead(302, { location }).end();

async function serve(context: TestContext, answers: Readonly<Record<string, Answer>>): Promise<number> {
  const server = createServer((request, response) =>
    answers[request.url ?? '']?.(response, request.headers.authorization ?? ''),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

const fetched = async (source: string): Promise<string> => {
  const { name, length, body } = await download(source, AbortSignal.timeout(10_000));
  return `${name} ${length} ${String(Buffer.from(await readAll(body, 1000)))}`;
};

test('what is there, under an address with and without a scheme, with a login, through redirects', async (context) => {
  const port = await serve(context, {
    '/x.tar': (response) => response.writeHead(200, { 'content-length': 3 }).end('tar'),
    '/moved': redirect('/x.tar'),
    '/login': (response, authorization) => response.end(authorization),
  });
  const host = `127.0.0.1:${port}`;
  assert.equal(await fetched(`http://${host}/x.tar`), `http://${host}/x.tar 3 tar`);
  assert.equal(await fetched(`${host}/moved`), `http://${host}/moved 3 tar`);
  const login = `Basic ${Buffer.from('me:p@ss').toString('base64')}`;
  assert.equal(await fetched(`http://me:p%40ss@${host}/login`), `http://${host}/login ${login.length} ${login}`);
});

test('refusals', async (context) => {
  const port = await serve(context, {
    '/gone': (response) => response.writeHead(404).end('secret of the server'),
    '/denied': (response) => response.writeHead(403).end(),
    '/broken': (response) => response.writeHead(500).end(),
    '/loop': redirect('/loop'),
    '/file': redirect('file:///etc/passwd'),
    '/short': (response) => response.writeHead(200, { 'content-length': 10 }).end('short', () => response.destroy()),
    '/x.tar': (response) => response.end('tar'),
  });
  const away = await serve(context, {
    '/itself': redirect(`http://127.0.0.1:${port}/x.tar`),
    '/cloud': redirect('http://169.254.169.254/latest/meta-data'),
  });
  const at = (path: string): Promise<string> => fetched(`http://127.0.0.1:${port}${path}`);
  await assert.rejects(at('/gone'), {
    code: 'not-found',
    message: /failed to GET http:\S+ with status 404 Not Found$/,
  });
  await assert.rejects(at('/denied'), { code: 'forbidden' });
  await assert.rejects(at('/broken'), { code: 'internal', message: /500 Internal Server Error$/ });
  await assert.rejects(at('/loop'), { code: 'invalid', message: /stopped after 10 redirects/ });
  await assert.rejects(at('/file'), { code: 'invalid', message: /redirects to "file:/ });
  await assert.rejects(at('/short'), { code: 'unavailable' });
  for (const path of ['/itself', '/cloud']) {
    await assert.rejects(fetched(`http://localhost:${away}${path}`), { code: 'unavailable' });
  }
  for (const source of ['ftp://x/', 'file:///etc/passwd', 'http://', 'http://%zz@x/']) {
    await assert.rejects(fetched(source), { code: 'invalid' }, source);
  }
});
