/** What is pushed comes out whole with other tools, and what they push comes in; over TLS, with certificates and a login. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import {
  busyboxLayer,
  type CraftedLayer,
  dockerArchive,
  layerOf,
  ociLayout,
  sha256,
} from '../support/crafted-image.ts';
import { dockerdProgram, isOracle, startEngine } from '../support/engine.ts';
import { startPodman } from '../support/podman.ts';
import { startRegistry } from '../support/registry.ts';
import { must } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { makeCertificates } from './_certificates.ts';
import { withHosts } from './_hosts.ts';

const packed = ({ blob }: CraftedLayer): CraftedLayer => ({ blob: gzipSync(blob), diffId: sha256(blob) });
const greeting = layerOf({ name: 'greeting', body: 'from afar' });

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

engineSuite('pushed images', { skip: isOracle() && 'about digests of the store of containerd' }, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);
  const field = (name: string, template: string) => docker('image', 'inspect', '--format', template, name);
  const idOf = (name: string) => field(name, '{{.Id}}');
  const diffIds = (name: string) => field(name, '{{json .RootFS.Layers}}');
  const loaded = async (name: string): Promise<void> => {
    const layers = [packed(await busyboxLayer()), packed(greeting)];
    await engine().dockerOk(['load', '-q'], { input: ociLayout({ names: [name], layers }) });
  };
  const inFolder = async (work: (folder: string) => Promise<void>): Promise<void> => {
    const folder = await mkdtemp(join(engine().folder, 'tools-'));
    try {
      await work(folder);
    } finally {
      await rm(folder, { recursive: true });
    }
  };
  const skopeo = (...words: string[]): Promise<string> => {
    const [program, ...rest] = engine().namespaces.enter(['skopeo', '--insecure-policy', ...words]);
    return must(program, rest);
  };
  const manifestOf = async (reference: string): Promise<Manifest> =>
    JSON.parse(await skopeo('inspect', '--raw', '--tls-verify=false', `docker://${reference}`)) as Manifest;

  test('skopeo copies them out of the registry and back with every digest as it was', async () => {
    await using registry = await startRegistry(engine().namespaces);
    const name = `${registry.host}/tools:one`;
    await loaded(name);
    const [id, layers] = [await idOf(name), await diffIds(name)];
    await docker('push', '-q', name);
    const insecure = ['--src-tls-verify=false', '--dest-tls-verify=false', '--quiet'];
    const socket = `unix://${engine().paths.socket}`;
    const copy = `${registry.host}/copied:one`;
    await skopeo('copy', ...insecure, '--preserve-digests', `docker://${name}`, `docker://${copy}`);
    await docker('pull', '-q', copy);
    assert.equal(await idOf(copy), id);
    // Through the engine's socket only what an image consists of stays: skopeo writes its own manifest.
    const through = `${registry.host}/through:one`;
    await skopeo('copy', ...insecure, '--src-daemon-host', socket, `docker-daemon:${name}`, `docker://${through}`);
    assert.equal((await manifestOf(through)).config.digest, (await manifestOf(name)).config.digest);
    await docker('pull', '-q', through);
    assert.equal(await diffIds(through), layers);
    await skopeo('copy', ...insecure, '--dest-daemon-host', socket, `docker://${name}`, 'docker-daemon:tools:back');
    assert.equal(await diffIds('tools:back'), layers);
    for (const each of [copy, through, 'tools:back']) {
      assert.equal(await docker('run', '--rm', '--network=none', each, 'cat', '/greeting'), 'from afar');
    }
  });

  test('podman pulls them, pushes them on, and what it pushed runs here', { timeout: 300_000 }, async () => {
    await using registry = await startRegistry(engine().namespaces);
    const name = `${registry.host}/tools:one`;
    const on = `${registry.host}/podman:one`;
    await loaded(name);
    const layers = await diffIds(name);
    await docker('push', '-q', name);
    await using podman = await startPodman(engine());
    await podman.ok('pull', '-q', '--tls-verify=false', name);
    assert.equal(await podman.ok('image', 'inspect', '--format', '{{json .RootFS.Layers}}', name), layers);
    assert.equal(await podman.fileOf(name, '/greeting'), 'from afar');
    await podman.ok('push', '-q', '--tls-verify=false', name, on);
    await docker('pull', '-q', on);
    assert.equal(await diffIds(on), layers);
    assert.equal(await docker('run', '--rm', '--network=none', on, 'cat', '/greeting'), 'from afar');
    assert.equal((await manifestOf(on)).config.digest, (await manifestOf(name)).config.digest);
  });

  test('dockerd pulls them, pushes them on, and what it pushed runs here', { timeout: 300_000 }, async () => {
    await inFolder(async (data) => {
      const name = '127.0.0.1:5000/tools:one';
      const on = '127.0.0.1:5000/dockerd:one';
      await loaded(name);
      const layers = await diffIds(name);
      {
        await using _registry = await startRegistry(engine().namespaces, undefined, { data });
        await docker('push', '-q', name);
      }
      {
        await using other = await startEngine({ program: dockerdProgram(), isOther: true });
        await using _registry = await startRegistry(other.namespaces, undefined, { data });
        await other.dockerOk(['pull', '-q', name]);
        assert.equal(await other.dockerOk(['run', '--rm', '--network=none', name, 'cat', '/greeting']), 'from afar');
        await other.dockerOk(['tag', name, on]);
        await other.dockerOk(['push', '-q', on]);
      }
      await using _registry = await startRegistry(engine().namespaces, undefined, { data });
      await docker('pull', '-q', on);
      assert.equal(await diffIds(on), layers);
      assert.equal(await docker('run', '--rm', '--network=none', on, 'cat', '/greeting'), 'from afar');
    });
  });
});

// Not a loopback address: registries there need no certificate.
const address = '10.213.0.1';

engineSuite('docker push over TLS', {}, (engine) => {
  const docker = (...words: string[]) => engine().docker(words);
  const inside = async (...command: string[]): Promise<void> => {
    const { code, stderr } = await engine().inside(command);
    assert.equal(code, 0, stderr);
  };

  test('with an own CA, a client certificate and a login; not without any of them', async () => {
    const folder = await mkdtemp(join(engine().folder, 'tls-'));
    await makeCertificates(folder, `IP:${address},IP:127.0.0.1`);
    const read = (name: string) => readFile(join(folder, name), 'utf8');
    await inside('ip', 'address', 'add', `${address}/32`, 'dev', 'lo');
    try {
      const password = 'not-to-be-found-again';
      const crypted = await must('perl', ['-e', `print crypt('${password}', '$2y$05$abcdefghijklmnopqrstuu')`]);
      await using _registry = await startRegistry(engine().namespaces, `tester:${crypted}`, { tls: folder });
      const host = `${address}:5000`;
      const name = `${host}/secret/app:one`;
      await engine().dockerOk(['load', '-q'], { input: dockerArchive({ names: [name], layers: [greeting] }) });
      const refused = async (why: RegExp): Promise<void> => {
        const { code, stderr } = await docker('push', name);
        assert.equal(code, 1);
        assert.match(stderr, why);
      };
      const login = ['login', '--username=tester', '--password-stdin', host];
      await refused(/x509: certificate signed by unknown authority/);
      await withHosts(engine(), { [`${host}/ca.crt`]: await read('ca.pem') }, () =>
        refused(/tls: |certificate required/),
      );
      const files = {
        [`${host}/ca.crt`]: await read('ca.pem'),
        [`${host}/client.cert`]: await read('client.pem'),
        [`${host}/client.key`]: await read('client-key.pem'),
      };
      await withHosts(engine(), files, async () => {
        await refused(isOracle() ? /no basic auth credentials/ : /push access denied for .*: unauthorized/);
        const { code, stderr } = await engine().docker(login, { input: password });
        assert.equal(code, 0, stderr);
        assert.match(await engine().dockerOk(['push', name]), /^one: digest: sha256:[0-9a-f]{64} size: [0-9]+$/m);
        await engine().dockerOk(['rmi', name]);
        await engine().dockerOk(['pull', '-q', name]);
        await engine().dockerOk(['logout', host]);
      });
      await engine().dockerOk(['rmi', name]);
      assert.doesNotMatch(await engine().logText(), new RegExp(password));
    } finally {
      await inside('ip', 'address', 'delete', `${address}/32`, 'dev', 'lo');
      await rm(folder, { recursive: true });
    }
  });
});
