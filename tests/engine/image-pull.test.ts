import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import {
  busyboxLayer,
  type CraftedImage,
  describeBlob,
  json,
  layerOf,
  mediaTypes,
  ociBlobs,
  sha256,
} from '../support/crafted-image.ts';
import { architecture } from '../support/image-archive.ts';
import { isOracle, type TestEngine } from '../support/engine.ts';
import { type Registry, startRegistry } from '../support/registry.ts';
import { ended, run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { makeCertificates } from './_certificates.ts';
import { withHosts } from './_hosts.ts';

engineSuite('docker pull', {}, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);
  async function withRegistry(work: (registry: Registry) => Promise<void>): Promise<void> {
    await using registry = await startRegistry(engine().namespaces);
    await work(registry);
  }
  const crafted = async (text: string, platform: CraftedImage['platform'] = {}): Promise<CraftedImage> => {
    const layers = [(await busyboxLayer()).blob, layerOf({ name: 'greeting', body: text }).blob];
    return { layers: layers.map((blob) => ({ blob: gzipSync(blob, { level: 1 }), diffId: sha256(blob) })), platform };
  };
  const pushImage = async (registry: Registry, image: CraftedImage, name: string, tag: string): Promise<string> => {
    const { manifest, blobs } = ociBlobs(image);
    return registry.put(name, tag, manifest, blobs.slice(0, -1));
  };
  async function refuses(words: readonly string[], says: RegExp): Promise<void> {
    const { code, stderr } = await engine().docker(['pull', ...words]);
    assert.equal(code, 1, words.join(' '));
    assert.match(stderr, says);
    assert.equal(await docker('images', '-aq', '--filter', 'reference=127.0.0.1:5000/*'), '');
  }

  test('by tag, and again: what is said', () =>
    withRegistry(async (registry) => {
      const digest = await pushImage(registry, await crafted('first'), 'app', 'one');
      const name = `${registry.host}/app:one`;
      const said = (await docker('pull', name)).split('\n');
      assert.equal(said[0], 'one: Pulling from app');
      assert.equal(said.filter((line) => /^[0-9a-f]{12}: Pull complete$/.test(line)).length, 2);
      assert.deepEqual(said.slice(-3), [`Digest: ${digest}`, `Status: Downloaded newer image for ${name}`, name]);
      const again = (await docker('pull', name)).split('\n');
      assert.deepEqual(again, [
        'one: Pulling from app',
        `Digest: ${digest}`,
        `Status: Image is up to date for ${name}`,
        name,
      ]);
      const pinned = `${registry.host}/app@${digest}`;
      assert.deepEqual((await docker('pull', pinned)).split('\n'), [
        `${pinned}: Pulling from app`,
        `Digest: ${digest}`,
        `Status: Image is up to date for ${pinned}`,
        pinned,
      ]);
      assert.equal(await docker('pull', '-q', name), name);
      assert.equal(
        await docker('image', 'inspect', '--format', '{{join .RepoDigests " "}}', name),
        `${registry.host}/app@${digest}`,
      );
      assert.equal(await docker('run', '--rm', name, 'cat', '/greeting'), 'first');
    }));

  test('a tag that moved', () =>
    withRegistry(async (registry) => {
      const name = `${registry.host}/app:moving`;
      const first = await pushImage(registry, await crafted('first'), 'app', 'moving');
      await docker('pull', name);
      await pushImage(registry, await crafted('second'), 'app', 'moving');
      assert.match(
        await docker('pull', name),
        /: Already exists\n[^]*: Pull complete\n[^]*Status: Downloaded newer image for/,
      );
      assert.equal(await docker('run', '--rm', name, 'cat', '/greeting'), 'second');
      assert.equal(await docker('run', '--rm', `${registry.host}/app@${first}`, 'cat', '/greeting'), 'first');
    }));

  test('by digest', () =>
    withRegistry(async (registry) => {
      const digest = await pushImage(registry, await crafted('pinned'), 'app', 'one');
      const name = `${registry.host}/app@${digest}`;
      assert.match(await docker('pull', name), new RegExp(`Status: Downloaded newer image for ${name}`));
      assert.equal(await docker('run', '--rm', name, 'cat', '/greeting'), 'pinned');
      assert.equal(
        await docker('images', '--digests', '--format', '{{.Repository}} {{.Tag}} {{.Digest}}', `${registry.host}/app`),
        `${registry.host}/app <none> ${digest}`,
      );
      const unknown = `${registry.host}/app@sha256:${'0'.repeat(64)}`;
      assert.equal((await engine().docker(['pull', unknown])).code, 1);
      await docker('rmi', name);
    }));

  test('out of an index: the own platform, a wished one, none that fits', () =>
    withRegistry(async (registry) => {
      const own = await crafted('own', { architecture });
      const other = await crafted('other', { architecture: 's390x' });
      const manifests = [];
      const blobs: Buffer[] = [];
      for (const image of [other, own]) {
        const { manifest, blobs: parts } = ociBlobs(image);
        await pushImage(registry, image, 'multi', `part-${manifests.length}`);
        blobs.push(...parts);
        manifests.push({
          ...describeBlob(mediaTypes.manifest, manifest),
          platform: { os: 'linux', ...image.platform },
        });
      }
      const index = json({ schemaVersion: 2, mediaType: mediaTypes.index, manifests });
      const digest = await registry.put('multi', 'all', index, [], mediaTypes.index);
      const name = `${registry.host}/multi:all`;
      assert.match(await docker('pull', name), new RegExp(`Digest: ${digest}`));
      assert.equal(await docker('run', '--rm', name, 'cat', '/greeting'), 'own');
      await docker('rmi', name);
      await docker('pull', '--platform', 'linux/s390x', name);
      assert.equal(await docker('image', 'inspect', '--format', '{{.Architecture}}', name), 's390x');
      await docker('rmi', name);
      await refuses(
        ['--platform', 'linux/riscv64', name],
        /no matching manifest for linux\/riscv64 in the manifest list entries/,
      );
      await refuses(
        ['--platform', 'nonsense/of/four/parts', name],
        /"nonsense\/of\/four\/parts": cannot parse platform specifier: /,
      );
      await refuses(
        ['--platform', 'nonsense', name],
        /"nonsense": unknown operating system or architecture: invalid argument/,
      );
      const single = `${registry.host}/multi:part-1`;
      // Docker 28 gives another platform than the wanted one here.
      if (isOracle()) return;
      await refuses(
        ['--platform', 'linux/arm/v7', single],
        /does not match the specified platform|no match for platform/,
      );
    }));

  test('what the registry has not got, or is no registry', () =>
    withRegistry(async (registry) => {
      await pushImage(registry, await crafted('one'), 'app', 'one');
      await refuses(
        [`${registry.host}/app:two`],
        /manifest for 127\.0\.0\.1:5000\/app:two not found: manifest unknown|not found/,
      );
      await refuses([`${registry.host}/nothing`], /not found|repository does not exist/);
      await refuses(['127.0.0.1:1/app'], /connection refused/);
      await refuses(['127.0.0.1:5000/UPPER'], /invalid reference format|must be lowercase/);
    }));

  test('all tags', () =>
    withRegistry(async (registry) => {
      for (const tag of ['one', 'two']) await pushImage(registry, await crafted(tag), 'many', tag);
      const said = await docker('pull', '--all-tags', `${registry.host}/many`);
      for (const tag of ['one', 'two']) assert.match(said, new RegExp(`^${tag}: Pulling from many$`, 'm'));
      assert.match(
        said,
        new RegExp(`Status: Downloaded newer image for ${registry.host}/many\n${registry.host}/many$`),
      );
      const listed = await docker('images', '--format', '{{.Tag}}', `${registry.host}/many`);
      assert.deepEqual(listed.split('\n').sort(), ['one', 'two']);
      const again = await docker('pull', '-a', `${registry.host}/many`);
      assert.match(again, /Status: Image is up to date for 127\.0\.0\.1:5000\/many/);
    }));

  test('all tags, past those that are no images', { skip: isOracle() && 'fails there' }, () =>
    withRegistry(async (registry) => {
      const digest = await pushImage(registry, await crafted('signed'), 'signed', 'one');
      const tag = digest.replace(':', '-');
      const payload = Buffer.from('{"critical":{}}');
      const others = {
        // As cosign writes them: the configuration says that it is an image.
        sig: ['application/vnd.oci.image.config.v1+json', 'application/vnd.dev.cosign.simplesigning.v1+json'],
        att: ['application/vnd.oci.image.config.v1+json', 'application/vnd.dsse.envelope.v1+json'],
        sbom: ['application/vnd.example.config+json', 'text/spdx+json'],
      } as const;
      const config = json({ architecture: '', os: '', rootfs: { type: 'layers', diff_ids: [] }, config: {} });
      const putOthers = async (repository: string): Promise<string[]> => {
        const pushed: string[] = [];
        for (const [kind, [configType, layerType]] of Object.entries(others)) {
          const parts = { config: describeBlob(configType, config), layers: [describeBlob(layerType, payload)] };
          const manifest = json({ schemaVersion: 2, mediaType: mediaTypes.manifest, ...parts });
          await registry.put(repository, `${tag}.${kind}`, manifest, [config, payload]);
          pushed.push(`${tag}.${kind}`);
        }
        return pushed;
      };
      const passed = await putOthers('signed');
      const said = await docker('pull', '-a', `${registry.host}/signed`);
      for (const one of passed) assert.match(said, new RegExp(`^${one}: Skipped: it is no image \\(`, 'm'));
      assert.match(said, /Status: Downloaded newer image for 127\.0\.0\.1:5000\/signed/);
      assert.equal(await docker('images', '--format', '{{.Tag}}', `${registry.host}/signed`), 'one');
      assert.match(await docker('pull', '-a', `${registry.host}/signed`), /Status: Image is up to date/);
      await docker('rmi', `${registry.host}/signed:one`);
      // Alone they are refused, and so is a repository of nothing else.
      for (const one of passed)
        await refuses([`${registry.host}/signed:${one}`], /it is no container image|unsupported/);
      await putOthers('only');
      await refuses(['-a', `${registry.host}/only`], /none of the tags of 127\.0\.0\.1:5000\/only is an image/);
    }),
  );

  test('a look at what the registry has, without pulling it', () =>
    withRegistry(async (registry) => {
      const image = await crafted('looked at', { architecture: 's390x' });
      const digest = await pushImage(registry, image, 'seen', 'one');
      const { manifest } = ociBlobs(image);
      const look = async (name: string) => {
        const url = `http://localhost/v1.47/distribution/${registry.host}/${name}/json`;
        const answer = await run('curl', ['-s', '--unix-socket', engine().paths.socket, url]);
        return JSON.parse(answer.stdout) as { Descriptor: object; Platforms: object[]; message?: string };
      };
      const seen = await look('seen:one');
      assert.deepEqual(seen.Descriptor, describeBlob(mediaTypes.manifest, manifest));
      assert.equal(digest, describeBlob(mediaTypes.manifest, manifest).digest);
      // Docker names none for a single manifest of OCI.
      assert.deepEqual(seen.Platforms, isOracle() ? null : [{ architecture: 's390x', os: 'linux' }]);
      assert.match((await look('seen:none')).message ?? '', /manifest unknown/);
      assert.equal(await docker('images', '-q', `${registry.host}/seen`), '');
    }));

  test('lying blobs: nothing is kept, nothing is named', () =>
    withRegistry(async (registry) => {
      const image = await crafted('honest');
      const lying = {
        ...image,
        layers: [
          ...image.layers.slice(0, 1),
          { blob: image.layers[1]?.blob ?? Buffer.alloc(0), diffId: '1'.repeat(64) },
        ],
      };
      await pushImage(registry, lying, 'lying', 'diff');
      await refuses(
        [`${registry.host}/lying:diff`],
        /layer sha256:1+: its uncompressed bytes have the digest|layers from manifest don't match image configuration/,
      );
    }));

  test('run pulls what is missing, and not with --pull never', () =>
    withRegistry(async (registry) => {
      await pushImage(registry, await crafted('on demand'), 'app', 'one');
      const name = `${registry.host}/app:one`;
      const never = await engine().docker(['run', '--rm', '--pull', 'never', name, 'true']);
      assert.equal(never.code, 125);
      assert.match(never.stderr, /No such image: 127\.0\.0\.1:5000\/app:one/);
      const { stdout, stderr } = await engine().docker(['run', '--rm', name, 'cat', '/greeting']);
      assert.equal(stdout, 'on demand');
      assert.match(stderr, /Unable to find image '127\.0\.0\.1:5000\/app:one' locally/);
    }));

  test('several pulls at once of images that share a layer', () =>
    withRegistry(async (registry) => {
      const names = await Promise.all(
        ['a', 'b', 'c'].map(async (tag) => {
          await pushImage(registry, await crafted(tag), 'shared', tag);
          return `${registry.host}/shared:${tag}`;
        }),
      );
      await Promise.all([...names, ...names].map((name) => docker('pull', '-q', name)));
      for (const name of names) assert.equal(await docker('run', '--rm', name, 'cat', '/greeting'), name.slice(-1));
    }));
});

// A mirror that answers, behind one where nobody does; the default registry cannot be reached from here at all.
const mirrors = ['--registry-mirror=http://127.0.0.1:1', '--registry-mirror=http://127.0.0.1:5000'];
engineSuite('docker pull through a mirror', { flags: mirrors }, (engine) => {
  test('an image of the default registry comes from the first mirror that has it', async () => {
    await using registry = await startRegistry(engine().namespaces);
    const { blob } = await busyboxLayer();
    const layers = [{ blob: gzipSync(blob, { level: 1 }), diffId: sha256(blob) }];
    const { manifest, blobs } = ociBlobs({ layers });
    const digest = await registry.put('library/mirrored', 'latest', manifest, blobs.slice(0, -1));
    const said = await engine().dockerOk(['pull', 'mirrored']);
    assert.match(said, /latest: Pulling from library\/mirrored\n/);
    assert.match(said, new RegExp(`Digest: ${digest}\nStatus: Downloaded newer image for mirrored:latest\n`));
    assert.equal(await engine().dockerOk(['run', '--rm', 'mirrored', 'echo', 'works']), 'works');
    assert.match(await engine().dockerOk(['info', '--format', '{{.RegistryConfig.Mirrors}}']), /127\.0\.0\.1:5000/);
  });
});

/** Takes TLS off what comes to port 5443, with the certificate of the engine's folder, and hands it to the registry. */
function startTlsFront({ folder, namespaces }: TestEngine): { ready: Promise<unknown>; end: () => Promise<unknown> } {
  const program = `
    const [folder] = process.argv.slice(1);
    const read = (name) => require('node:fs').readFileSync(folder + '/' + name);
    require('node:tls').createServer({ key: read('server-key.pem'), cert: read('server.pem') }, (socket) => {
      const inner = require('node:net').connect(5000, '127.0.0.1');
      socket.on('error', () => inner.destroy());
      inner.on('error', () => socket.destroy());
      socket.pipe(inner).pipe(socket);
    }).on('tlsClientError', () => undefined).listen(5443, () => console.log('ready'));`;
  const [command, ...args] = namespaces.enter([process.execPath, '-e', program, folder]);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ending = ended(child);
  return {
    ready: once(child.stdout, 'data'),
    end: () => {
      child.kill('SIGKILL');
      return ending;
    },
  };
}

// Docker reads such files from version 29 on, with the store of containerd.
const noHosts = isOracle() && 'this version of Docker knows no hosts.toml';
engineSuite('docker pull by hosts.toml', { skip: noHosts }, (engine) => {
  const image = async (): Promise<{ manifest: Buffer; blobs: readonly Buffer[] }> => {
    const { blob } = await busyboxLayer();
    const { manifest, blobs } = ociBlobs({ layers: [{ blob: gzipSync(blob, { level: 1 }), diffId: sha256(blob) }] });
    return { manifest, blobs: blobs.slice(0, -1) };
  };

  test('docker pull alpine, and an image of another registry, are answered by a mirror on loopback', async () => {
    await using registry = await startRegistry(engine().namespaces);
    const { manifest, blobs } = await image();
    const digest = await registry.put('library/alpine', 'latest', manifest, blobs);
    await registry.put('team/app', 'one', manifest, blobs);
    const mirror = `[host."http://127.0.0.1:1"]\n[host."http://${registry.host}"]\n  capabilities = ["pull", "resolve"]\n`;
    const files = { 'docker.io/hosts.toml': mirror, 'registry.invalid/hosts.toml': mirror };
    await withHosts(engine(), files, async () => {
      const said = await engine().dockerOk(['pull', 'alpine']);
      assert.match(said, new RegExp(`Digest: ${digest}\nStatus: Downloaded newer image for alpine:latest\n`));
      assert.equal(await engine().dockerOk(['run', '--rm', 'alpine', 'echo', 'works']), 'works');
      assert.match(await engine().dockerOk(['pull', 'registry.invalid/team/app:one']), new RegExp(digest));
      const other = await engine().docker(['pull', 'other.invalid/team/app:one']);
      assert.match(other.stderr, /no such host|name resolution/);
    });
  });

  test('TLS with an authority of its own: trusted where the operator says so, by certs.d as by hosts.toml', async () => {
    await using registry = await startRegistry(engine().namespaces);
    const { manifest, blobs } = await image();
    const digest = await registry.put('app', 'one', manifest, blobs);
    await makeCertificates(engine().folder, 'IP:10.99.0.1');
    // An address that is not loopback: registries there are trusted without certificates.
    const address = '10.99.0.1';
    const ip = (verb: string) => engine().inside(['ip', 'address', verb, `${address}/32`, 'dev', 'lo']);
    assert.equal((await ip('add')).code, 0);
    const front = startTlsFront(engine());
    try {
      await front.ready;
      const name = `${address}:5443/app:one`;
      const unknown = await engine().docker(['pull', name]);
      assert.match(unknown.stderr, /tls: failed to verify certificate: x509: certificate signed by unknown authority/);
      const ca = await readFile(join(engine().folder, 'ca.pem'), 'utf8');
      await withHosts(engine(), { [`${address}:5443/ca.crt`]: ca }, async () => {
        assert.match(await engine().dockerOk(['pull', name]), new RegExp(digest));
      });
      await engine().dockerOk(['rmi', name]);
      const file = `server = "https://${address}:5443"\nca = "own.pem"\n`;
      await withHosts(
        engine(),
        { [`${address}_5443_/hosts.toml`]: file, [`${address}_5443_/own.pem`]: ca },
        async () => {
          assert.match(await engine().dockerOk(['pull', name]), new RegExp(digest));
        },
      );
    } finally {
      await front.end();
      await ip('del');
    }
  });

  test('a wrong file ends the pull, and says where it is wrong', () =>
    withHosts(engine(), { '_default/hosts.toml': 'server = "https://a.invalid"\n\nskip_verfy = true\n' }, async () => {
      const { code, stderr } = await engine().docker(['pull', 'registry.invalid/app']);
      assert.equal(code, 1);
      assert.match(
        stderr,
        /\/etc\/docker\/certs\.d\/_default\/hosts\.toml:3: skip_verfy: unknown key; known are server/,
      );
    }));
});
