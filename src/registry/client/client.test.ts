import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { digestOfHex } from '../../base/ids.ts';
import { readAll } from '../../base/stream.ts';
import type { Descriptor } from '../../spec/oci/image.ts';
import { mediaTypes } from '../../spec/oci/image.ts';
import { parseReference } from '../../spec/reference/reference.ts';
import { createRegistryClient } from './client.ts';
import { parseChallenges } from './challenge.ts';
import { createTransport } from './transport.ts';

const content = Buffer.alloc(300_000, 'layer ');
const blob: Descriptor = {
  mediaType: mediaTypes.ociLayer,
  digest: digestOfHex(hash('sha256', content, 'hex')),
  size: content.length,
};

interface Served {
  readonly name: string;
  readonly requests: IncomingMessage[];
  [Symbol.asyncDispose](): Promise<void>;
}

/** A registry on loopback that answers with `handler`. */
async function serve(
  handler: (request: IncomingMessage, response: ServerResponse, count: number) => void,
): Promise<Served> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    if (request.url === '/v2/') return response.end();
    requests.push(request);
    return handler(request, response, requests.length);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    name: `127.0.0.1:${(server.address() as AddressInfo).port}/app:x`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const options = { userAgent: 'test', retryDelayMs: 1, retries: () => 3 };
const client = createRegistryClient(options);
const impatient = createRegistryClient({ ...options, timeouts: { stallMs: 100 } });
const fetchBlob = async (name: string, from = 0, by = client): Promise<Uint8Array> =>
  readAll(by.repository(parseReference(name)).blob(blob, { from }), 1e9);

const rangeOf = (request: IncomingMessage): number =>
  Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
function sendFrom(response: ServerResponse, from: number, until = content.length): void {
  const partial = from > 0 ? { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` } : {};
  response.writeHead(from > 0 ? 206 : 200, { 'content-length': content.length - from, ...partial });
  response.write(content.subarray(from, until));
  if (until === content.length) response.end();
}

describe('blobs', () => {
  test('a connection that is cut goes on where it ended', async () => {
    await using registry = await serve((request, response) => {
      const from = rangeOf(request);
      sendFrom(response, from, Math.min(content.length, from + 50_000));
      if (from + 50_000 < content.length) setImmediate(() => response.destroy());
    });
    assert.ok(content.equals(await fetchBlob(registry.name)));
    assert.ok(registry.requests.length >= 6);
  });

  test('a connection that stalls is given up and taken up again', async () => {
    await using registry = await serve((request, response, count) =>
      sendFrom(response, rangeOf(request), count === 1 ? 1000 : content.length),
    );
    assert.ok(content.equals(await fetchBlob(registry.name, 0, impatient)));
    assert.equal(registry.requests.length, 2);
  });

  test('a slow reader is no stall', async () => {
    await using registry = await serve((_, response) => sendFrom(response, 0));
    let length = 0;
    for await (const chunk of impatient.repository(parseReference(registry.name)).blob(blob, {})) {
      if (length === 0) await new Promise((resolve) => setTimeout(resolve, 250));
      length += chunk.length;
    }
    assert.equal(length, content.length);
    assert.equal(registry.requests.length, 1);
  });

  test('starts at an offset, also when the registry ignores ranges', async () => {
    await using ranged = await serve((request, response) => sendFrom(response, rangeOf(request)));
    await using whole = await serve((_, response) => sendFrom(response, 0));
    for (const { name } of [ranged, whole]) {
      assert.ok(content.subarray(123_456).equals(await fetchBlob(name, 123_456)));
    }
  });

  test('more bytes than the descriptor says are refused at once', async () => {
    await using registry = await serve((_, response) => {
      response.writeHead(200);
      const more = () => {
        while (response.write(content)) if (response.destroyed) return;
        response.once('drain', more);
      };
      more();
    });
    await assert.rejects(fetchBlob(registry.name), { code: 'corrupt', message: /more than the 300000 bytes/ });
  });

  test('a missing blob is told at once, a busy registry is asked again', async () => {
    await using missing = await serve((_, response) => response.writeHead(404).end('{}'));
    await assert.rejects(fetchBlob(missing.name), { code: 'not-found' });
    assert.equal(missing.requests.length, 1);
    await using busy = await serve((request, response, count) =>
      count < 3 ? response.writeHead(503).end() : sendFrom(response, rangeOf(request)),
    );
    assert.equal((await fetchBlob(busy.name)).length, content.length);
    await using dead = await serve((_, response) => response.writeHead(500).end());
    await assert.rejects(fetchBlob(dead.name), { code: 'unavailable' });
    assert.equal(dead.requests.length, 4);
  });

  test('cancelling ends the transfer', async () => {
    await using registry = await serve((_, response) => sendFrom(response, 0, 1000));
    const abort = new AbortController();
    const reading = (async () => {
      for await (const _ of client.repository(parseReference(registry.name)).blob(blob, { signal: abort.signal }))
        abort.abort();
    })();
    await assert.rejects(reading, { code: 'cancelled' });
  });
});

describe('manifests', () => {
  const manifest = Buffer.from('{"schemaVersion":2}');
  const digest = digestOfHex(hash('sha256', manifest, 'hex'));
  const get = (name: string) => client.repository(parseReference(name)).manifest(parseReference(name));

  test('by tag: the accepted types are said, the digest is that of the bytes', async () => {
    await using registry = await serve((_, response) => {
      response.setHeader('content-type', `${mediaTypes.ociManifest}; charset=utf-8`);
      response.end(manifest);
    });
    const { descriptor } = await get(registry.name);
    assert.deepEqual(descriptor, { mediaType: mediaTypes.ociManifest, digest, size: manifest.length });
    assert.match(registry.requests[0]?.headers.accept ?? '', /manifest\.list\.v2/);
    assert.equal(registry.requests[0]?.url, '/v2/app/manifests/x');
  });

  test('by digest: other bytes are refused', async () => {
    await using registry = await serve((_, response) => response.end('{"schemaVersion":2 }'));
    const pinned = registry.name.replace(':x', `@${digest}`);
    await assert.rejects(get(pinned), { code: 'corrupt', message: /manifest verification failed for digest sha256/ });
  });

  const problems: [status: number, body: string, code: string, message: RegExp][] = [
    [
      404,
      '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}',
      'not-found',
      /^manifest for \S+\/app:x not found: manifest unknown: manifest unknown$/,
    ],
    [
      404,
      '{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known"}]}',
      'not-found',
      /^repository \S+\/app not found: name unknown/,
    ],
    [
      401,
      '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}',
      'not-found',
      /^pull access denied for \S+\/app, repository does not exist or may require 'docker login': unauthorized: authentication required$/,
    ],
    [403, 'Forbidden', 'not-found', /'docker login': denied: requested access to the resource is denied$/],
    [404, '<html>', 'not-found', /not found: manifest unknown$/],
    [418, 'x', 'unavailable', /unexpected HTTP status: 418/],
    [400, '{"errors":[{"code":"X\\u001b[2J","message":"a\\u001bb"}]}', 'unavailable', /a b$/],
  ];
  for (const [status, body, code, message] of problems) {
    test(`${status} ${body.slice(0, 40)}`, async () => {
      await using registry = await serve((_, response) => response.writeHead(status).end(body));
      await assert.rejects(get(registry.name), { code, message });
    });
  }

  test('nobody there: in the words users know', async () => {
    const registry = await serve(() => undefined);
    await registry[Symbol.asyncDispose]();
    await assert.rejects(get(registry.name), {
      code: 'unavailable',
      message: /^Get "http:\/\/127\.0\.0\.1:\d+\/v2\/": dial tcp 127\.0\.0\.1:\d+: connect: connection refused$/,
    });
  });

  test('an endless manifest is cut off', async () => {
    await using registry = await serve((_, response) => response.end(Buffer.alloc(5 * 1024 * 1024, ' ')));
    await assert.rejects(get(registry.name), { code: 'invalid', message: /larger than the allowed/ });
  });
});

test('without permission the transport reaches no address of this host, by number or by name', async () => {
  await using registry = await serve((_, response) => response.end());
  const transport = createTransport({ headMs: 1000, stallMs: 1000, answerMs: 1000 });
  const port = registry.name.split(':')[1]?.split('/')[0];
  const get = (host: string, ownNetwork: boolean) =>
    transport({ url: new URL(`http://${host}:${port}/x`), headers: {}, trust: { insecure: true, ownNetwork } });
  for (const host of ['127.0.0.1', 'localhost', '127.1', '0.0.0.0', '[::1]', '[::ffff:127.0.0.1]', '169.254.169.254']) {
    await assert.rejects(get(host, false), /belongs to this host/, host);
  }
  assert.equal(registry.requests.length, 0);
  (await get('127.0.0.1', true)).discard();
  (await get('localhost', true)).discard();
  assert.equal(registry.requests.length, 2);
});

test('parseChallenges', () => {
  const parsed = parseChallenges('Basic realm="a, b", Bearer realm="https://x/\\"y",service=z , Negotiate');
  assert.deepEqual(
    parsed.map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]),
    [
      ['basic', { realm: 'a, b' }],
      ['bearer', { realm: 'https://x/"y', service: 'z' }],
      ['negotiate', {}],
    ],
  );
  assert.deepEqual(parseChallenges('Bearer realm="never ends'), [{ scheme: 'bearer', parameters: new Map() }]);
  assert.deepEqual(parseChallenges(''), []);
});

describe('referrers', () => {
  const subject = digestOfHex('5'.repeat(64));
  const list = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] }));
  const ask = (name: string) => client.repository(parseReference(name)).referrers(subject, 'a/b+json');
  const sendList = (response: ServerResponse) => {
    response.writeHead(200, { 'content-type': mediaTypes.ociIndex });
    response.end(list);
  };

  test('are listed by the registry, of one type', async () => {
    await using registry = await serve((_, response) => sendList(response));
    assert.ok(list.equals((await ask(registry.name)).bytes));
    assert.deepEqual(
      registry.requests.map(({ url }) => url),
      [`/v2/app/referrers/${subject}?artifactType=a%2Fb%2Bjson`],
    );
  });

  test('stand under a tag where the registry lists none; neither is no failure of the network', async () => {
    await using registry = await serve((request, response) => {
      if (request.url === `/v2/app/manifests/sha256-${'5'.repeat(64)}`) return sendList(response);
      response.writeHead(404);
      return response.end();
    });
    assert.ok(list.equals((await ask(registry.name)).bytes));
    await using nothing = await serve((_, response) => {
      response.writeHead(404);
      response.end();
    });
    await assert.rejects(ask(nothing.name), { code: 'not-found' });
    await using broken = await serve((_, response) => {
      response.writeHead(500);
      response.end();
    });
    await assert.rejects(ask(broken.name), { code: 'unavailable' });
  });
});
