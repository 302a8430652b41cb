import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { busyboxLayer, ociBlobs, sha256 } from '../support/crafted-image.ts';
import type { Namespaces } from '../support/namespaces.ts';
import { startRegistry } from '../support/registry.ts';
import { ended } from '../support/run.ts';
import { isOracle } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { tarOf } from '../support/tar.ts';
import { postBuild, textOf } from './_classic-build.ts';

/**
 * A proxy beside the engine for whom every host is the registry on port 5000. It tells a line of each request: absolute
 * URLs, and tunnels, which all end where nobody speaks TLS.
 */
const program = `
const http = require('node:http');
const say = (request) => console.log(request.method + ' ' + request.url.split('?')[0] + ' ' + request.headers['proxy-authorization']);
http.createServer((request, response) => {
  say(request);
  const { pathname, search } = new URL(request.url);
  http.get({ host: '127.0.0.1', port: 5000, path: pathname + search, headers: request.headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
}).on('connect', (request, socket) => {
  say(request);
  socket.end('HTTP/1.1 502 No TLS here\\r\\n\\r\\n');
}).listen(3128, '127.0.0.1', () => console.log('ready'));
`;

async function startProxy(namespaces: Namespaces): Promise<AsyncDisposable & { readonly lines: readonly string[] }> {
  const [command, ...args] = namespaces.enter([process.execPath, '-e', program]);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const end = ended(child);
  const lines: string[] = [];
  const reader = createInterface(child.stdout);
  await once(reader, 'line');
  reader.on('line', (line) => lines.push(line));
  return {
    lines,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await end;
    },
  };
}

const proxy = 'http://user:not-to-be-seen@127.0.0.1:3128';
const authorization = `Basic ${Buffer.from('user:not-to-be-seen').toString('base64')}`;
const flags = [
  `--http-proxy=${proxy}`,
  `--https-proxy=${proxy}`,
  '--no-proxy=direct.invalid,10.0.0.0/8',
  '--insecure-registry=registry.invalid',
];

/** An image of one layer that is any file. */
function asImage(blob: Buffer): [manifest: Buffer, blobs: readonly Buffer[]] {
  const { manifest, blobs } = ociBlobs({ layers: [{ blob }] });
  return [manifest, blobs.slice(0, -1)];
}

/** What dockerd asks for is the same; in which order it tries TLS and plain HTTP is its own. */
engineSuite('registries behind a proxy', { flags }, (engine) => {
  test('a pull goes through it, and loopback and exceptions do not', async () => {
    await using registry = await startRegistry(engine().namespaces);
    await using proxied = await startProxy(engine().namespaces);
    const { blob } = await busyboxLayer();
    const { manifest, blobs } = ociBlobs({ layers: [{ blob: gzipSync(blob, { level: 1 }), diffId: sha256(blob) }] });
    const digest = await registry.put('app', 'one', manifest, blobs.slice(0, -1));
    assert.match(await engine().dockerOk(['pull', 'registry.invalid/app:one']), new RegExp(digest));
    assert.equal(await engine().dockerOk(['run', '--rm', 'registry.invalid/app:one', 'echo', 'works']), 'works');
    const asked = [...proxied.lines];
    assert.ok(
      asked.every((line) => line.endsWith(authorization)),
      asked.join('\n'),
    );
    for (const request of ['CONNECT registry.invalid:443', 'GET http://registry.invalid/v2/']) {
      assert.ok(
        asked.some((line) => line.startsWith(request)),
        `${request}:\n${asked.join('\n')}`,
      );
    }
    await engine().dockerOk(['pull', `${registry.host}/app:one`]);
    const direct = await engine().docker(['pull', 'direct.invalid/app:one']);
    assert.match(direct.stderr, /lookup direct\.invalid/);
    assert.deepEqual(proxied.lines, asked);
    const other = await engine().docker(['pull', 'other.invalid/app:one']);
    assert.match(other.stderr, /No TLS here/);
  });

  test('files and repositories of builds come through it', async () => {
    await using registry = await startRegistry(engine().namespaces);
    await using proxied = await startProxy(engine().namespaces);
    const blob = Buffer.from('a blob');
    await registry.put('app', 'two', ...asImage(blob));
    const add = (source: string): Buffer => tarOf([{ name: 'Dockerfile', body: `FROM scratch\nADD ${source} /f\n` }]);
    const file = `http://registry.invalid/v2/app/blobs/sha256:${sha256(blob)}`;
    assert.match(textOf(await postBuild(engine(), {}, add(file))), /Successfully built/);
    assert.match(proxied.lines.join('\n'), /^GET http:\/\/registry\.invalid\/v2\/app\/blobs\/sha256:/m);
    if (isOracle()) return;
    assert.match(textOf(await postBuild(engine(), {}, add('http://registry.invalid/x.git'))), /failed to fetch remote/);
    assert.match(proxied.lines.join('\n'), /^GET http:\/\/registry\.invalid\/x\.git\/info\/refs/m);
    const direct = textOf(await postBuild(engine(), {}, add('http://direct.invalid/f')));
    assert.match(direct, /direct\.invalid/);
    assert.ok(!proxied.lines.some((line) => line.includes('direct.invalid')));
  });

  test('its password is shown to nobody', async () => {
    const shown = await engine().dockerOk(['info', '--format', '{{.HTTPProxy}} {{.HTTPSProxy}} {{.NoProxy}}']);
    const masked = 'http://xxxxx:xxxxx@127.0.0.1:3128';
    assert.equal(shown, `${masked} ${masked} direct.invalid,10.0.0.0/8`);
    const gone = await engine().docker(['pull', 'registry.invalid/app:one']);
    assert.match(gone.stderr, /proxyconnect tcp: dial tcp 127\.0\.0\.1:3128: connect: connection refused/);
    assert.doesNotMatch(gone.stderr + (await engine().logText()), /not-to-be-seen/);
  });
});
