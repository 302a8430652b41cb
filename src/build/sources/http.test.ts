import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { codeOf, EngineError } from '../../base/errors.ts';
import { readAll } from '../../base/stream.ts';
import type { Download } from '../../spec/contract/build.ts';
import { Contexts } from '../context/contexts.ts';
import { readExtents } from '../context/pack.ts';
import { releaseTree } from '../context/tree.ts';
import { shownUrl } from './download.ts';
import { HttpFiles } from './http.ts';

/** As the engine asks, without proxies. */
const asking: Download = ({ url, headers, signal }) =>
  new Promise((resolve, reject) => {
    http
      .get(url, { headers, signal, agent: false })
      .on('error', (cause) =>
        reject(new EngineError(signal.aborted ? 'cancelled' : 'unavailable', 'broken', { cause })),
      )
      .on('response', (response) => {
        const { statusCode: status = 0, headers: given } = response;
        resolve({ status, headers: given, body: bytesOf(response, signal), discard: () => void response.destroy() });
      });
  });

async function* bytesOf(response: http.IncomingMessage, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response) yield chunk as Buffer;
  } catch (cause) {
    throw new EngineError(signal.aborted ? 'cancelled' : 'unavailable', 'broken', { cause });
  }
}

async function served(t: TestContext, answer: http.RequestListener): Promise<{ url: string; files: HttpFiles }> {
  const server = http.createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const folder = await mkdtemp(join(tmpdir(), 'gantry-http-'));
  const contexts = await Contexts.open(join(folder, 'c'));
  t.after(async () => {
    await contexts.clear();
    await rm(folder, { recursive: true, force: true });
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, files: new HttpFiles(contexts, asking) };
}

const plain = (url: string, checksum?: string, secrets: Readonly<Record<string, string>> = {}) => ({
  url,
  secrets: async (id: string) => (Object.hasOwn(secrets, id) ? Buffer.from(secrets[id] ?? '') : undefined),
  filename: 'f',
  ...(checksum === undefined ? {} : { checksum }),
  progress: () => undefined,
  signal: new AbortController().signal,
});

test('a file is fetched once, asked for with what its server said of it, and not at all with its checksum', async (t) => {
  const seen: (string | undefined)[] = [];
  let content = 'first';
  const { url, files } = await served(t, (request, response) => {
    const etag = `"${content}"`;
    seen.push(request.headers['if-none-match']);
    if (request.headers['if-none-match'] === etag) response.writeHead(304).end();
    else response.writeHead(200, { etag }).end(content);
  });
  const fetched = async (checksum?: string): Promise<string> => {
    const tree = await files.fetch(plain(`${url}/f`, checksum));
    const [entry] = tree.entries.values();
    const bytes = await readAll(readExtents(entry?.content?.extents ?? []), 100);
    await releaseTree(tree);
    return Buffer.from(bytes).toString();
  };
  assert.deepEqual([await fetched(), await fetched()], ['first', 'first']);
  content = 'second';
  assert.equal(await fetched(), 'second');
  assert.deepEqual(seen, [undefined, '"first"', '"first"']);
  const sum = `sha256:${createHash('sha256').update('second').digest('hex')}`;
  assert.equal(await fetched(sum), 'second');
  assert.equal(seen.length, 3);
  await assert.rejects(fetched(sum.replace(/.$/, (last) => (last === '0' ? '1' : '0'))), /digest mismatch/);
  for (const algorithm of ['sha384', 'sha512']) {
    const digest = createHash(algorithm).update('second').digest('hex');
    assert.equal(await fetched(`${algorithm}:${digest}`), 'second');
    await assert.rejects(fetched(`${algorithm}:${digest.replaceAll(/./g, '0')}`), /digest mismatch sha/);
  }
  await assert.rejects(fetched('sha512:abc'), /invalid checksum "sha512:abc": expected sha256:, sha384: or sha512:/);
});

for (const [what, answer, code] of [
  ['that is not there', (_request, response) => response.writeHead(404).end(), 'not-found'],
  ['behind a login', (_request, response) => response.writeHead(401).end(), 'unavailable'],
  [
    'of a server that leads in circles',
    (request, response) => response.writeHead(302, { location: request.url ?? '/' }).end(),
    'unavailable',
  ],
  [
    'that is cut off',
    (_request, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('x', () => response.destroy());
    },
    'unavailable',
  ],
  [
    'that leads to another protocol',
    (_request, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    'unavailable',
  ],
] as const satisfies readonly [string, http.RequestListener, string][]) {
  test(`a file ${what} fails the build, and says where it is`, async (t) => {
    const { url, files } = await served(t, answer);
    await assert.rejects(files.fetch(plain(`${url}/path?token=secret`)), (error: unknown) => {
      assert.equal(codeOf(error), code, String(error));
      assert.match(String(error), /127\.0\.0\.1:\d+\/path/);
      assert.ok(!String(error).includes('secret'));
      return true;
    });
  });
}

test('a download is given up with its build', async (t) => {
  const { url, files } = await served(t, (_request, response) => {
    response.writeHead(200);
    response.write('x');
  });
  const abort = new AbortController();
  const fetching = files.fetch({ ...plain(url), signal: abort.signal, progress: () => abort.abort() });
  await assert.rejects(fetching, (error: unknown) => codeOf(error) === 'cancelled');
});

test('addresses are shown without what may be secret', () => {
  assert.equal(shownUrl('https://user:pw@example.com/a/b?token=x#y'), 'https://example.com/a/b');
});

const contentOf = async (files: HttpFiles, request: Parameters<HttpFiles['fetch']>[0]): Promise<string> => {
  const tree = await files.fetch(request);
  const [entry] = tree.entries.values();
  const bytes = await readAll(readExtents(entry?.content?.extents ?? []), 1000);
  await releaseTree(tree);
  return Buffer.from(bytes).toString();
};

test('a compressed transfer is taken apart; a file that is compressed itself is not', async (t) => {
  const { url, files } = await served(t, (request, response) => {
    assert.equal(request.headers['accept-encoding'], 'gzip');
    const headers = request.url === '/plain' ? { 'content-encoding': 'gzip' } : {};
    response.writeHead(200, headers).end(gzipSync('some text'));
  });
  assert.equal(await contentOf(files, plain(`${url}/plain`)), 'some text');
  const archive = await files.fetch(plain(`${url}/a.gz`));
  assert.equal([...archive.entries.values()][0]?.size, gzipSync('some text').length);
  await releaseTree(archive);
});

test('a login goes to the host that it is for, and to no other one', async (t) => {
  const seen: string[] = [];
  const { url, files } = await served(t, (request, response) => {
    seen.push(`${request.headers.host?.split(':')[0]}${request.url} ${request.headers.authorization ?? 'nothing'}`);
    const [, port] = (request.headers.host ?? '').split(':');
    if (request.url === '/here') response.writeHead(307, { location: '/there' }).end();
    else if (request.url === '/away') response.writeHead(302, { location: `http://localhost:${port}/there` }).end();
    else response.writeHead(200).end('x');
  });
  const token = { 'HTTP_AUTH_TOKEN_127.0.0.1': 'tok\n', 'HTTP_AUTH_HEADER_127.0.0.1': 'Basic abc' };
  const header = { 'HTTP_AUTH_HEADER_127.0.0.1': 'Basic abc\r\nx: y' };
  await contentOf(files, plain(`${url}/here`, undefined, token));
  await contentOf(files, plain(`${url}/away`, undefined, header));
  await contentOf(files, plain(url.replace('http://', 'http://us%65r:pw@'), undefined, {}));
  await contentOf(files, plain(`${url}/other`, undefined, { HTTP_AUTH_TOKEN_localhost: 'tok' }));
  const basic = `Basic ${Buffer.from('user:pw').toString('base64')}`;
  assert.deepEqual(seen, [
    '127.0.0.1/here Bearer tok',
    '127.0.0.1/there Bearer tok',
    '127.0.0.1/away Basic abcx: y',
    'localhost/there nothing',
    `127.0.0.1/ ${basic}`,
    '127.0.0.1/other nothing',
  ]);
});
