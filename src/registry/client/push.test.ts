import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { digestOfHex } from '../../base/ids.ts';
import { type Descriptor, mediaTypes } from '../../spec/oci/image.ts';
import { parseReference } from '../../spec/reference/reference.ts';
import { createRegistryClient, type PushTarget, type UploadNote } from './client.ts';

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

/**
 * Answers of a registry that keeps what arrived: `cuts` bodies are broken after some 20 kB, of each chunk at most `takes`
 * bytes are taken. The number in the upload's place counts the chunks.
 */
function keeping({ cuts = 0, takes = content.length }): {
  kept: Buffer[];
  handlers: Readonly<Record<string, Handler>>;
} {
  const kept: Buffer[] = [];
  let [broken, state] = [0, 1];
  const length = (): number => kept.reduce((sum, { length: bytes }) => sum + bytes, 0);
  const where = () => ({ location: `/up?state=${state}`, range: `0-${length() - 1}` });
  const take = async (request: IncomingMessage): Promise<boolean> => {
    if (broken === cuts) {
      kept.push((await bodyOf(request)).subarray(0, takes));
      return true;
    }
    broken++;
    const { promise, resolve } = Promise.withResolvers<void>();
    let got = 0;
    request.on('data', (chunk: Buffer) => {
      if (got < 20_000) kept.push(chunk);
      got += chunk.length;
      if (got < 20_000) return;
      request.removeAllListeners('data').destroy();
      resolve();
    });
    await promise;
    return false;
  };
  const handlers: Record<string, Handler> = {
    GET: (request, response) =>
      void (request.url?.startsWith('/up') === true ? response.writeHead(204, where()) : response.writeHead(404)).end(),
    PATCH: async (request, response) => {
      const { 'content-range': range = '' } = request.headers;
      if (!range.startsWith(`${length()}-`)) return void response.writeHead(416).end();
      const isWhole = await take(request);
      state++;
      if (isWhole) response.writeHead(202, where()).end();
    },
    PUT: async (request, response) => {
      if (request.headers['content-length'] === '0') return void response.writeHead(201).end();
      if (await take(request)) response.writeHead(201).end();
    },
  };
  return { kept, handlers };
}

const bodyOf = async (request: IncomingMessage): Promise<Buffer> =>
  Buffer.concat((await request.toArray()) as Uint8Array[]);

const push = (target: PushTarget, mountFrom?: string, note?: UploadNote) =>
  target.blob(blob, {
    async *open(from) {
      for (let at = from; at < content.length; at += 65536) yield content.subarray(at, at + 65536);
    },
    mountFrom,
    note,
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

  test('goes on where the registry says that it has arrived, however often it breaks', async () => {
    const { kept, handlers } = keeping({ cuts: 12 });
    await using registry = await serve(handlers);
    assert.equal(await push(registry.target), 'pushed');
    assert.ok(Buffer.concat(kept).equals(content));
    assert.deepEqual(registry.log.slice(2, 5), ['PUT /up?state=1&digest=D', 'GET /up?state=1', 'PATCH /up?state=1']);
    assert.equal(registry.log.filter((line) => line.startsWith('PATCH')).length, 12);
    assert.equal(registry.log.at(-1), 'PUT /up?state=13&digest=D');
  });

  test('is begun anew where the registry does not go on', async () => {
    for (const status of [416, 404, 405, 501]) {
      const { kept, handlers } = keeping({ cuts: 1 });
      const anew: Buffer[] = [];
      await using registry = await serve({
        ...handlers,
        PATCH: (request, response) => void request.resume().once('end', () => response.writeHead(status).end()),
        PUT: async (request, response, count) => {
          if (count === 1) return handlers.PUT?.(request, response, count);
          anew.push(await bodyOf(request));
          response.writeHead(201).end();
        },
      });
      assert.equal(await push(registry.target), 'pushed', String(status));
      assert.ok(kept.length > 0 && Buffer.concat(anew).equals(content), String(status));
      assert.equal(registry.log.filter((line) => line.startsWith('POST')).length, 2);
    }
  });

  test('is not given to a second upload by a registry that refuses the first for want of rights', async () => {
    const { handlers } = keeping({ cuts: 1 });
    await using registry = await serve({
      ...handlers,
      PATCH: (request, response) => void request.resume().once('end', () => response.writeHead(403).end()),
    });
    await assert.rejects(push(registry.target), { code: 'unauthorized' });
  });

  test('goes in chunks where the registry wants them, the last one as small as it is', async () => {
    const ranges: (string | undefined)[] = [];
    const { kept, handlers } = keeping({});
    await using registry = await serve({
      ...handlers,
      POST: (_, response) =>
        void response.writeHead(202, { location: '/up?state=1', 'oci-chunk-min-length': '1000' }).end(),
      PATCH: (request, response, count) => {
        ranges.push(request.headers['content-range']);
        handlers.PATCH?.(request, response, count);
      },
    });
    assert.equal(await push(registry.target), 'pushed');
    assert.ok(Buffer.concat(kept).equals(content));
    assert.deepEqual(ranges, ['0-999999']);
    assert.deepEqual(registry.log.slice(1), [
      'POST /v2/app/blobs/uploads/',
      'PATCH /up?state=1',
      'PUT /up?state=2&digest=D',
    ]);
  });

  test('of which the registry took less than was sent goes on there; of which it took hardly any is an error', async () => {
    const { kept, handlers } = keeping({ takes: 300_000 });
    const chunked: Handler = (_, response) =>
      void response.writeHead(202, { location: '/up?state=1', 'oci-chunk-min-length': '1' }).end();
    await using registry = await serve({ ...handlers, POST: chunked });
    assert.equal(await push(registry.target), 'pushed');
    assert.ok(Buffer.concat(kept).equals(content));
    assert.equal(registry.log.filter((line) => line.startsWith('PATCH')).length, 4);
    await using none = await serve({ ...keeping({ takes: 1 }).handlers, POST: chunked });
    await assert.rejects(push(none.target), { code: 'unavailable', message: /took bytes up to 1 of 0 to 1000000/ });
  });

  test('goes on in an upload of an earlier process, unless that is over', async () => {
    const { kept, handlers } = keeping({});
    kept.push(content.subarray(0, 400_000));
    await using registry = await serve(handlers);
    const told: (string | undefined)[] = [];
    const note = (path: string): UploadNote => ({
      location: `http://${registry.host}${path}`,
      keep: async (location) => void told.push(location?.replace(registry.host, 'H')),
    });
    assert.equal(await push(registry.target, undefined, note('/up?state=7')), 'pushed');
    assert.deepEqual(registry.log, [
      'HEAD /v2/app/blobs/D',
      'GET /up?state=7',
      'PATCH /up?state=1',
      'PUT /up?state=2&digest=D',
    ]);
    assert.deepEqual(told, ['http://H/up?state=1', 'http://H/up?state=2', undefined]);
    assert.ok(Buffer.concat(kept).equals(content));
    registry.log.splice(0);
    told.splice(0);
    assert.equal(await push(registry.target, undefined, note('/gone')), 'pushed');
    assert.deepEqual(registry.log.slice(1), ['GET /gone', 'POST /v2/app/blobs/uploads/', 'PUT /up?state=1&digest=D']);
    assert.deepEqual(told, [undefined, 'http://H/up?state=1', undefined]);
  });

  test('that failed for good leaves its place for the next push', async () => {
    const told: (string | undefined)[] = [];
    await using registry = await serve({
      PUT: (request, response) => {
        request.resume();
        response.writeHead(400).end();
      },
    });
    const note: UploadNote = { location: undefined, keep: async (location) => void told.push(location) };
    await assert.rejects(push(registry.target, undefined, note), { code: 'invalid' });
    assert.deepEqual(told, [`http://${registry.host}/up?state=1`]);
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
