/**
 * Registries that lie, flood, stall and lead astray. Whatever they do: the pull ends with a clear error, nothing of it is
 * seen under a name, nothing half is left, and the engine answers others meanwhile.
 */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { busyboxLayer, type CraftedLayer, ociBlobs, sha256 } from '../support/crafted-image.ts';
import { isOracle, seenBy } from '../support/engine.ts';
import { startRegistry } from '../support/registry.ts';
import { engineSuite } from '../support/suite.ts';
import { tarOf } from '../support/tar.ts';
import { eventually } from '../support/wait.ts';
import { withHosts } from './_hosts.ts';
import { hostilePort, startHostileRegistry } from './_hostile-registry.ts';

/** Each attack: what the registry does (see _hostile-registry.ts), and what the pull ends with. */
const attacks: Readonly<Record<string, readonly [string, RegExp]>> = {
  html: [
    `(request, response) => send(response, 'text/html', Buffer.from('<html><body>Please log in</body></html>'))`,
    /the registry sent text\/html instead of a manifest/,
  ],
  nothing: ['(request) => request.socket.end()', /EOF|socket hang up/],
  'empty-manifest': [`(request, response) => response.writeHead(200).end()`, /JSON/],
  'head-without-end': [
    `(request) => {
      request.socket.write('HTTP/1.1 200 OK\\r\\n');
      const line = 'x-more: ' + 'x'.repeat(1000) + '\\r\\n';
      forever(request.socket, line);
    }`,
    /Header overflow|too large|malformed/i,
  ],
  'a-million-headers': [
    `(request) => request.socket.write('HTTP/1.1 200 OK\\r\\n' + 'a: b\\r\\n'.repeat(1e6))`,
    /Header overflow|too large|malformed/i,
  ],
  'notes-without-end': [
    `(request) => forever(request.socket, 'HTTP/1.1 103 Early Hints\\r\\nlink: </a>\\r\\n\\r\\n'.repeat(100))`,
    /more than 16 informational answers/,
  ],
  'chunk-extension-without-end': [
    `(request) => {
      request.socket.write('HTTP/1.1 200 OK\\r\\ntransfer-encoding: chunked\\r\\n\\r\\n1;');
      forever(request.socket, 'x'.repeat(1000));
    }`,
    /overflow|Parse Error|chunk/i,
  ],
  'body-without-end': [
    `(request, response) => { response.writeHead(200, { 'content-type': types.manifest }); forever(response, ' '.repeat(65536)); }`,
    /larger than the allowed 4194304 bytes|more than 4194304/,
  ],
  'error-without-end': [
    `(request, response) => { response.writeHead(403); forever(response, ' '.repeat(65536)); }`,
    /pull access denied/,
  ],
  'tiny-chunks': [
    `(request) => {
      request.socket.write('HTTP/1.1 200 OK\\r\\ncontent-type: ' + types.manifest + '\\r\\ntransfer-encoding: chunked\\r\\n\\r\\n');
      forever(request.socket, '1\\r\\n \\r\\n'.repeat(10000));
    }`,
    /the answer has more framing than content/,
  ],
  'compressed-manifest': [
    `(request, response) => {
      const bomb = zlib.gzipSync(Buffer.alloc(64 << 20, ' '));
      response.writeHead(200, { 'content-type': types.manifest, 'content-encoding': 'gzip' }).end(bomb);
    }`,
    /JSON/,
  ],
  'lying-size': [
    `of(image([{ ...layer('a'), size: 5 }]))`,
    /more than the 5 bytes of its descriptor|verification failed/,
  ],
  'lying-size-large': [`of(image([{ ...layer('a'), size: 4000 }]))`, /filesystem layer verification failed/],
  'other-bytes': [
    `of(image([layer('a')]), { blob: (request, response) => response.end(layer('b').blob) })`,
    /filesystem layer verification failed|the registry sent/,
  ],
  'other-diff-id': [
    `of(image([layer('a')], { diffIds: ['sha256:' + '1'.repeat(64)] }))`,
    /its uncompressed bytes have/,
  ],
  'blob-without-end': [
    `of(image([layer('a')]), { blob: (request, response) => { response.writeHead(200); forever(response, Buffer.alloc(65536)); } })`,
    /filesystem layer verification failed/,
  ],
  'no-gzip': [
    `of((() => { const blob = Buffer.from('this is neither tar nor gzip, whatever the manifest says'); return image([{ blob, diffId: sha(blob) }]); })())`,
    /tar|layer/,
  ],
  'digest-sha512': [
    `of(image([layer('a')], { config: { mediaType: types.config, digest: 'sha512:' + 'a'.repeat(128), size: 5 } }))`,
    /digest/,
  ],
  'digest-unknown': [
    `of(image([layer('a')], { layers: [{ mediaType: types.layer, digest: 'md5:' + 'a'.repeat(32), size: 5 }] }))`,
    /digest/,
  ],
  'digest-path': [
    `of(image([layer('a')], { layers: [{ mediaType: types.layer, digest: 'sha256:../../../../etc/passwd', size: 5 }] }))`,
    /digest/,
  ],
  'size-negative': [
    `of(image([layer('a')], { layers: [{ mediaType: types.layer, digest: 'sha256:' + '1'.repeat(64), size: -5 }] }))`,
    /size/,
  ],
  'index-in-index': [
    `(request, response) => {
      const inner = json({ schemaVersion: 2, mediaType: types.index, manifests: [] });
      const outer = json({ schemaVersion: 2, mediaType: types.index, manifests: [{ ...describe(types.index, inner), platform: { os: 'linux', architecture: 'amd64' } }] });
      send(response, types.index, request.url.includes('sha256:') ? inner : outer);
    }`,
    /no matching manifest|index inside an index/,
  ],
  'type-of-an-index': [
    `(request, response) => send(response, types.index, image([layer('a')]).manifest)`,
    /index|came as/,
  ],
  'many-entries': [
    `(request, response) => {
      const entry = '{"mediaType":"' + types.manifest + '","digest":"sha256:' + '1'.repeat(64) + '","size":1}';
      send(response, types.index, Buffer.from('{"schemaVersion":2,"manifests":[' + Array(25000).fill(entry).join(',') + ']}'));
    }`,
    /manifests|no matching manifest/,
  ],
  'deep-json': [
    `(request, response) => send(response, types.manifest, Buffer.from('['.repeat(2000000)))`,
    /JSON|manifest/,
  ],
  'large-token': [
    `(request, response) => request.url.startsWith('/v2/large-token/token')
      ? (response.writeHead(200), forever(response, 'x'.repeat(65536)))
      : response.writeHead(401, { 'www-authenticate': 'Bearer realm="http://127.0.0.1:${hostilePort}/v2/large-token/token/x"' }).end()`,
    /failed to read token/,
  ],
  'realm-of-a-file': [
    `(request, response) => response.writeHead(401, { 'www-authenticate': 'Bearer realm="file:///etc/passwd"' }).end()`,
    /invalid token realm/,
  ],
  'challenges-without-end': [
    `(request, response) => response.writeHead(401, { 'www-authenticate': 'Bearer a="b",'.repeat(500) }).end()`,
    /invalid token realm/,
  ],
  'realm-of-itself': [
    `(request, response) => response.writeHead(401, { 'www-authenticate': 'Bearer realm="http://127.0.0.1:${hostilePort}' + request.url + '"' }).end()`,
    /failed to fetch anonymous token/,
  ],
  'redirect-to-a-file': [
    `(request, response) => response.writeHead(307, { location: 'file:///etc/passwd' }).end()`,
    /refused a redirect: it leads to file:/,
  ],
  'redirect-loop': [
    `(request, response) => response.writeHead(307, { location: request.url }).end()`,
    /stopped after 5 redirects/,
  ],
  'redirect-to-nowhere': [
    `(request, response) => response.writeHead(307, { location: 'http://[' }).end()`,
    /its location is no URL/,
  ],
};
const program = Object.entries(attacks)
  // No attack finds what another one has left.
  .map(([name, [handler]]) => `'${name}': ${handler.replaceAll("layer('a')", `layer('${name}')`)},`)
  .join('\n');

const skip = isOracle() && 'Docker has other words, and waits for much of this';
engineSuite('a hostile registry', { skip }, (engine) => {
  /** Asks for `/_ping` all the while; gives the slowest answer in milliseconds. */
  async function answering(work: () => Promise<unknown>): Promise<number> {
    let [slowest, over] = [0, false];
    const asking = (async () => {
      while (!over) {
        const began = performance.now();
        assert.equal((await engine().api('GET', '/_ping')).status, 200);
        slowest = Math.max(slowest, performance.now() - began);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    })();
    await work().finally(() => (over = true));
    await asking;
    return slowest;
  }
  const ingest = () => readdir(seenBy(engine(), join(engine().paths.dataRoot, 'ingest')));
  const nothingSeen = async (host: string): Promise<void> => {
    assert.equal(await engine().dockerOk(['images', '-aq', '--filter', `reference=${host}/*`]), '');
    assert.deepEqual(await ingest(), []);
  };

  for (const [name, [, says]] of Object.entries(attacks)) {
    test(name, { timeout: 120_000 }, async () => {
      await using registry = await startHostileRegistry(engine().namespaces, program);
      const slowest = await answering(async () => {
        const { code, stderr } = await engine().docker(['pull', `${registry.host}/${name}:x`]);
        assert.equal(code, 1);
        assert.match(stderr, says);
        assert.ok(stderr.length < 2000, `an error of ${stderr.length} characters`);
      });
      // Shared machines stall now and then: this finds what blocks for seconds.
      assert.ok(slowest < 3000, `the engine was silent for ${Math.round(slowest)} ms`);
      await nothingSeen(registry.host);
    });
  }

  test('pages of tags without end, and a hundred thousand tags', async () => {
    const tags = `'pages': (request, response) => response.writeHead(200, { link: '</v2/pages/tags/list?n=1&last=' + Math.random() + '>; rel="next"' }).end('{"tags":["a"]}'),
      'same': (request, response) => response.writeHead(200, { link: '<' + request.url + '>; rel="next"' }).end('{"tags":["a"]}'),
      'many': (request, response) => response.end(json({ tags: Array.from({ length: 150000 }, (_, at) => 't' + at) })),
      'again': (request, response) => response.writeHead(200, { link: '</x?last=' + Math.random() + '>; rel="next"' }).end(json({ tags: Array(50000).fill('t') })),
      'elsewhere': (request, response) => response.writeHead(200, { link: '<http://127.0.0.1:9/?last=1>; rel="next"' }).end('{"tags":["a"]}'),`;
    await using registry = await startHostileRegistry(engine().namespaces, tags);
    for (const name of ['pages', 'same', 'many', 'again', 'elsewhere']) {
      const { code, stderr } = await engine().docker(['pull', '-a', `${registry.host}/${name}`]);
      assert.equal(code, 1, name);
      assert.match(
        stderr,
        /more tags than the allowed 100000|tags must have at most|tags: more than 100000|at most 100000/,
        name,
      );
    }
    assert.ok(registry.asked.every((line) => line.startsWith('GET /v2/')));
    await nothingSeen(registry.host);
  });

  test('one that trickles holds up only its own pulls, also of a layer that others have to give', async () => {
    const { blob } = await busyboxLayer();
    const layers = [{ blob: gzipSync(blob, { level: 1 }), diffId: sha256(blob) }];
    const { manifest, blobs } = ociBlobs({ layers });
    await using honest = await startRegistry(engine().namespaces);
    await honest.put('app', 'one', manifest, blobs.slice(0, -1));
    // The layer is promised under its true digest; a byte of it comes now and then.
    const own = (at: number): string =>
      `'slow${at}': of(image([layer('${at}')]), { blob: (request, response) => response.write('x') }),`;
    const [config] = blobs;
    const documents = [manifest, config].map((bytes) => `Buffer.from('${bytes?.toString('base64')}', 'base64')`);
    const shared = `'shared': of({ manifest: ${documents[0]}, config: ${documents[1]}, blobs: new Map([['sha256:${sha256(config ?? Buffer.alloc(0))}', ${documents[1]}]]) },
      { blob: (request, response) => { const timer = setInterval(() => response.write(Buffer.alloc(1)), 50); response.on('close', () => clearInterval(timer)); } }),`;
    await using registry = await startHostileRegistry(engine().namespaces, [0, 1, 2, 3].map(own).join('') + shared);
    const clients = [0, 1, 2, 3].map((at) =>
      engine().docker(['pull', `${registry.host}/slow${at}:x`], { timeout: 60_000 }),
    );
    clients.push(engine().docker(['pull', `${registry.host}/shared:x`], { timeout: 60_000 }));
    const isAsked = (part: string): boolean => registry.asked.some((line) => line.includes(part));
    await eventually('the places of the registry are taken', () =>
      [0, 1, 2].every((at) => isAsked(`/slow${at}/blobs`)),
    );
    await engine().dockerOk(['pull', `${honest.host}/app:one`], { timeout: 50_000 });
    assert.equal(await engine().dockerOk(['run', '--rm', `${honest.host}/app:one`, 'echo', 'works']), 'works');
    // Its clients give up when it goes away.
    await registry[Symbol.asyncDispose]();
    await Promise.all(clients);
    // What had come is kept for the next attempt, until somebody wants the room.
    assert.notDeepEqual(await ingest(), []);
    await engine().dockerOk(['image', 'prune', '-f']);
    assert.deepEqual(await ingest(), []);
  });

  test('a foreign registry leads nowhere on this host, and takes no credentials elsewhere', async () => {
    // A name that is not this host's own, for the engine; the registry listens on all addresses.
    const foreign = '10.99.0.1';
    const inside = (...command: string[]) => engine().inside(command);
    assert.equal((await inside('ip', 'address', 'add', `${foreign}/32`, 'dev', 'lo')).code, 0);
    try {
      const targets = [
        '127.0.0.1',
        'localhost',
        '[::1]',
        '169.254.169.254',
        '0.0.0.0',
        '[::ffff:127.0.0.1]',
        '2130706433',
      ];
      const realm = (at: number, target: string): string =>
        `'realm${at}': (request, response) => response.writeHead(401, { 'www-authenticate': 'Bearer realm="http://${target}:${hostilePort}/v2/stolen/"' }).end(),`;
      const redirect = (at: number, target: string): string =>
        `'redirect${at}': (request, response) => response.writeHead(307, { location: 'http://${target}:${hostilePort}/v2/stolen/' }).end(),`;
      const lines = targets.flatMap((target, at) => [realm(at, target), redirect(at, target)]);
      const moved = `'moved': (request, response) => request.headers.authorization === undefined
          ? response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
          : response.writeHead(307, { location: 'http://10.99.0.2:${hostilePort}/v2/second/manifests/x' }).end(),
        'second': (request, response) => response.writeHead(404).end('{}'),`;
      await using registry = await startHostileRegistry(engine().namespaces, lines.join('\n') + moved);
      assert.equal((await inside('ip', 'address', 'add', '10.99.0.2/32', 'dev', 'lo')).code, 0);
      const hosts = { 'foreign.invalid/hosts.toml': `server = "http://${foreign}:${hostilePort}"\n` };
      await withHosts(
        engine(),
        { ...hosts, [`${foreign}:${hostilePort}/hosts.toml`]: `server = "http://${foreign}:${hostilePort}"\n` },
        async () => {
          for (const kind of ['realm', 'redirect']) {
            for (const [at, target] of targets.entries()) {
              const { code, stderr } = await engine().docker(['pull', `foreign.invalid/${kind}${at}:x`]);
              assert.equal(code, 1);
              assert.match(stderr, /the address belongs to this host or its own link/, `${kind} ${target}`);
            }
          }
          const auth = Buffer.from(JSON.stringify({ username: 'u', password: 'p' })).toString('base64url');
          const url = `http://localhost/v1.47/images/create?fromImage=${foreign}:${hostilePort}/moved&tag=x`;
          const answer = await inside(
            'curl',
            '-s',
            '-X',
            'POST',
            '-H',
            `X-Registry-Auth: ${auth}`,
            '--unix-socket',
            engine().paths.socket,
            url,
          );
          assert.match(answer.stdout, /not found/);
        },
      );
      assert.ok(registry.asked.some((line) => /moved.* Basic /.test(line)));
      assert.ok(registry.asked.includes('GET /v2/second/manifests/x'), 'the redirect was followed, without a password');
      assert.ok(!registry.asked.some((line) => line.includes('stolen')), registry.asked.join('\n'));
    } finally {
      for (const address of [foreign, '10.99.0.2']) await inside('ip', 'address', 'del', `${address}/32`, 'dev', 'lo');
    }
  });
});

/** Bytes of a compressed tar that claims one file of `size` zeros: members follow one another in gzip as in zstd. */
function bombOf(compress: (bytes: Buffer) => Buffer, size: number): CraftedLayer {
  const piece = 64 << 20;
  const head = tarOf([{ name: 'zeros', size }]).subarray(0, 512);
  const zeros = compress(Buffer.alloc(piece));
  const blob = Buffer.concat([compress(Buffer.from(head)), ...Array<Buffer>(size / piece).fill(zeros)]);
  return { blob, diffId: '1'.repeat(64) };
}

engineSuite('a hostile registry, on a small disk', { skip, dataRootMiB: 300 }, (engine) => {
  test('layers that become 3 GiB: an error, and the room is there again', { timeout: 300_000 }, async () => {
    await using registry = await startRegistry(engine().namespaces);
    for (const [name, compress] of [
      ['gzip', gzipSync],
      ['zstd', zstdCompressSync],
    ] as const) {
      const layer = bombOf((bytes) => compress(bytes), 3 * 2 ** 30);
      assert.ok(layer.blob.length < 10_000_000);
      const { manifest, blobs } = ociBlobs({ layers: [layer] });
      await registry.put(name, 'bomb', manifest, blobs.slice(0, -1));
      const { code, stderr } = await engine().docker(['pull', `${registry.host}/${name}:bomb`]);
      assert.equal(code, 1);
      assert.match(stderr, /no space left on device|its uncompressed bytes have/);
      assert.equal(await engine().dockerOk(['images', '-aq', '--filter', `reference=${registry.host}/*`]), '');
    }
  });
});
