import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { createRegistryClient } from '../registry/client/client.ts';
import { mediaTypes } from '../spec/oci/image.ts';
import { describe, json, makeImage, makeIndex, openTestImages, sha256, tar } from './_fixture.ts';

const program = '/usr/bin/docker-registry';
const skip = existsSync(program) ? false : 'needs the package docker-registry';

/** Debian's registry on a free port of loopback. */
async function startRegistry(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'registry-'));
  const port = await freePort();
  const config = join(folder, 'config.json');
  const storage = { filesystem: { rootdirectory: join(folder, 'data') } };
  await writeFile(
    config,
    JSON.stringify({ version: 0.1, log: { level: 'error' }, storage, http: { addr: `127.0.0.1:${port}` } }),
  );
  const child = spawn(program, ['serve', config], { stdio: 'ignore' });
  context.after(async () => {
    await stop(child);
    await rm(folder, { recursive: true });
  });
  const host = `127.0.0.1:${port}`;
  for (let tries = 0; ; tries++) {
    const answer = await fetch(`http://${host}/v2/`).catch(() => undefined);
    if (answer?.ok === true) return host;
    if (tries > 200 || child.exitCode !== null) throw new Error('docker-registry does not answer');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function stop(child: ChildProcess): Promise<unknown> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  return ended;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

async function pushBlob(repository: string, bytes: Uint8Array): Promise<void> {
  const start = await fetch(`${repository}/blobs/uploads/`, { method: 'POST' });
  const url = new URL(start.headers.get('location') ?? '');
  url.searchParams.set('digest', sha256(bytes));
  const put = await fetch(url, { method: 'PUT', body: Buffer.from(bytes) });
  assert.equal(put.status, 201, await put.text());
}

async function pushManifest(repository: string, tag: string, mediaType: string, bytes: Uint8Array): Promise<void> {
  const headers = { 'content-type': mediaType };
  const put = await fetch(`${repository}/manifests/${tag}`, { method: 'PUT', body: Buffer.from(bytes), headers });
  assert.equal(put.status, 201, await put.text());
}

test('pull from a real registry: by tag, by digest, out of an index, and what is missing', {
  skip,
}, async (context) => {
  const host = await startRegistry(context);
  const t = await openTestImages(context, createRegistryClient({ userAgent: 'test', retryDelayMs: 1 }));
  const repository = `http://${host}/v2/some/app`;
  const layer = await tar([{ name: 'data', content: new Uint8Array(3_000_000).fill(65) }]);
  const compressed = gzipSync(layer);
  const config = json({
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['/x'] },
    rootfs: { type: 'layers', diff_ids: [sha256(layer)] },
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: describe(mediaTypes.ociConfig, config),
    layers: [describe(mediaTypes.ociLayerGzip, compressed)],
  });
  for (const bytes of [compressed, config]) await pushBlob(repository, bytes);
  await pushManifest(repository, 'v1', mediaTypes.ociManifest, manifest);
  const [arm] = [await makeImage(['a'], { architecture: 'arm64' })];
  for (const bytes of [...arm.layers, arm.config]) await pushBlob(repository, bytes);
  await pushManifest(repository, arm.target.digest, mediaTypes.ociManifest, arm.manifest);
  const amd = { ...arm, target: describe(mediaTypes.ociManifest, manifest) };
  const index = makeIndex([
    { image: arm, architecture: 'arm64' },
    { image: amd, architecture: 'amd64' },
  ]);
  await pushManifest(repository, 'multi', mediaTypes.ociIndex, index.bytes);

  const messages = await t.pull(`${host}/some/app:v1`);
  assert.equal(messages.at(-1)?.status, `Status: Downloaded newer image for ${host}/some/app:v1`);
  assert.deepEqual((await t.images.resolve(`${host}/some/app:v1`)).layers, [sha256(layer)]);
  await t.pull(`${host}/some/app@${sha256(manifest)}`);
  await t.pull(`${host}/some/app:multi`);
  assert.equal((await t.images.resolve(`${host}/some/app:multi`)).manifest.digest, sha256(manifest));

  await assert.rejects(t.pull(`${host}/some/app:none`), {
    code: 'not-found',
    message: `manifest for ${host}/some/app:none not found: manifest unknown: manifest unknown`,
  });
  await assert.rejects(t.pull(`${host}/other/app`), { code: 'not-found' });
});
