import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { digestOfHex } from '../../base/ids.ts';
import { type Descriptor, mediaTypes } from '../../spec/oci/image.ts';
import { parseReference } from '../../spec/reference/reference.ts';
import { createRegistryClient, type PushTarget } from './client.ts';

const content = Buffer.alloc(1_000_000, 'layer ');
const blob: Descriptor = {
  mediaType: mediaTypes.ociLayer,
  digest: digestOfHex(hash('sha256', content, 'hex')),
  size: content.length,
};
const client = createRegistryClient({ userAgent: 'test', retryDelayMs: 1, retries: () => 3 });

type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => void;

/** A registry that answers to each kind of request as told; HEAD with 404, POST with an upload at /up. */
async function serve(handlers: Readonly<Record<string, Handler>>) {
  const log: string[] = [];
  const counts = new Map<string, number>();
  const server = createServer((request, response) => {
    if (request.url === '/v2/') return void response.end();
    const { method = '' } = request;
    log.push(`${method} ${request.url?.replace(blob.digest, 'D').replace(encodeURIComponent(blob.digest), 'D')}`);
    const count = (counts.get(method) ?? 0) + 1;
    counts.set(method, count);
    const handler = handlers[method];
    if (handler !== undefined) handler(request, response, count);
    else if (method === 'POST') response.writeHead(202, { location: '/up?state=1' }).end();
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const target = client.pushTarget(parseReference(`${host}/app`), { username: 'u', password: 'secret' });
  return {
    log,
    host,
    target,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const bodyOf = async (request: IncomingMessage): Promise<Buffer> =>
  Buffer.concat((await request.toArray()) as Uint8Array[]);

const push = (target: PushTarget, mountFrom?: string) =>
  target.blob(blob, {
    async *open(from) {
      for (let at = from; at < content.length; at += 65536) yield content.subarray(at, at + 65536);
    },
    mountFrom,
    signal: new AbortController().signal,
  });

describe('a blob', () => {
  test('that the registry has is not sent', async () => {
    await using registry = await serve({ HEAD: (_, response) => void response.end() });
    assert.equal(await push(registry.target), 'exists');
    assert.deepEqual(registry.log, ['HEAD /v2/app/blobs/D']);
  });

  test('is sent whole, to where the registry says', async () => {
    let got: Buffer = Buffer.alloc(0);
    await using registry = await serve({
      PUT: async (request, response) => {
        got = await bodyOf(request);
        response.writeHead(201, { 'docker-content-digest': blob.digest }).end();
      },
    });
    assert.equal(await push(registry.target), 'pushed');
    assert.ok(got.equals(content));
    assert.deepEqual(registry.log, ['HEAD /v2/app/blobs/D', 'POST /v2/app/blobs/uploads/', 'PUT /up?state=1&digest=D']);
  });

  test('is mounted from another repository, else sent in the upload that was begun instead', async () => {
    await using mounts = await serve({ POST: (_, response) => void response.writeHead(201).end() });
    assert.equal(await push(mounts.target, 'other/repo'), 'mounted');
    assert.equal(mounts.log.at(-1), 'POST /v2/app/blobs/uploads/?mount=D&from=other%2Frepo');
    await using sends = await serve({
      PUT: async (request, response) => {
        await bodyOf(request);
        response.writeHead(201).end();
      },
    });
    assert.equal(await push(sends.target, 'other/repo'), 'pushed');
    assert.equal(sends.log.length, 3);
  });

  test('goes on where the registry says that it has arrived', async () => {
    let kept: Buffer = Buffer.alloc(0);
    await using registry = await serve({
      PUT: async (request, response, count) => {
        if (count > 1) {
          assert.equal(request.headers['content-range'], `${kept.length}-${content.length - 1}`);
          kept = Buffer.concat([kept, await bodyOf(request)]);
          response.writeHead(201).end();
          return;
        }
        request.once('data', (chunk: Buffer) => {
          kept = chunk;
          request.destroy();
        });
      },
      GET: (_, response) =>
        void response.writeHead(204, { location: '/up?state=2', range: `0-${kept.length - 1}` }).end(),
    });
    assert.equal(await push(registry.target), 'pushed');
    assert.ok(kept.equals(content));
    assert.deepEqual(registry.log.slice(2), [
      'PUT /up?state=1&digest=D',
      'GET /up?state=1',
      'PUT /up?state=2&digest=D',
    ]);
  });

  test('is begun anew where the upload is lost, and given up after some attempts', async () => {
    await using registry = await serve({
      PUT: (request, response) => {
        request.resume();
        response.writeHead(503).end();
      },
    });
    await assert.rejects(push(registry.target), { code: 'unavailable', message: /503/ });
    assert.equal(registry.log.filter((line) => line.startsWith('POST')).length, 4);
  });

  test('stored as something else is an error', async () => {
    await using registry = await serve({
      PUT: async (request, response) => {
        await bodyOf(request);
        response.writeHead(201, { 'docker-content-digest': `sha256:${'0'.repeat(64)}` }).end();
      },
    });
    await assert.rejects(push(registry.target), { code: 'corrupt', message: /stored sha256:0+ instead of/ });
  });

  test('sent to another host takes no credentials along', async () => {
    const seen: (string | undefined)[] = [];
    await using elsewhere = await serve({
      PUT: async (request, response) => {
        seen.push(request.headers.authorization);
        await bodyOf(request);
        response.writeHead(201).end();
      },
    });
    await using registry = await serve({
      HEAD: (request, response) =>
        void response
          .writeHead(request.headers.authorization === undefined ? 401 : 404, { 'www-authenticate': 'Basic realm="r"' })
          .end(),
      POST: (_, response) => void response.writeHead(202, { location: `http://${elsewhere.host}/up` }).end(),
    });
    assert.equal(await push(registry.target), 'pushed');
    assert.deepEqual(seen, [undefined]);
  });

  const refusals: [status: number, body: string, code: string, message: RegExp][] = [
    [
      403,
      '{"errors":[{"code":"DENIED","message":"no"}]}',
      'unauthorized',
      /^push access denied for \S+: denied: no$|authorization: denied: no$/,
    ],
    [413, '<html>too large</html>', 'invalid', /unexpected HTTP status: 413/],
    [404, '{"errors":[{"code":"NAME_UNKNOWN","message":"unknown"}]}', 'not-found', /name unknown: unknown/],
    [202, '', 'unavailable', /began an upload without saying where/],
  ];
  for (const [status, body, code, message] of refusals) {
    test(`an upload answered with ${status} ends in words`, async () => {
      await using registry = await serve({ POST: (_, response) => void response.writeHead(status).end(body) });
      await assert.rejects(push(registry.target), { code, message });
    });
  }
});

test('manifests: under a tag always, under a digest only when it is not there', async () => {
  const bytes = Buffer.from('{"schemaVersion":2}');
  const descriptor: Descriptor = {
    mediaType: mediaTypes.ociManifest,
    digest: digestOfHex(hash('sha256', bytes, 'hex')),
    size: bytes.length,
  };
  const types: (string | undefined)[] = [];
  await using registry = await serve({
    PUT: async (request, response) => {
      types.push(request.headers['content-type']);
      await bodyOf(request);
      response.writeHead(201, { 'docker-content-digest': descriptor.digest }).end();
    },
  });
  const { signal } = new AbortController();
  await registry.target.manifest(descriptor, { bytes, signal });
  await registry.target.manifest(descriptor, { bytes, tag: 'x', signal });
  assert.deepEqual(types, [mediaTypes.ociManifest, mediaTypes.ociManifest]);
  assert.deepEqual(registry.log, [
    `HEAD /v2/app/manifests/${descriptor.digest}`,
    `PUT /v2/app/manifests/${descriptor.digest}`,
    'PUT /v2/app/manifests/x',
  ]);
});
