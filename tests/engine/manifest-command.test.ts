/** `manifest` beside docker's, word by word, and both on the same files. No engine has a part in it. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type CraftedImage, json, layerOf, ociBlobs, sha256 } from '../support/crafted-image.ts';
import { dockerClient } from '../support/docker-client.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { makeNamespaces, type Namespaces } from '../support/namespaces.ts';
import { type Registry, startRegistry } from '../support/registry.ts';
import { run, type RunResult } from '../support/run.ts';
import { needsRoot } from '../support/skip.ts';

type Command = (...words: string[]) => Promise<RunResult>;

/** A command with a `config.json` folder of its own. */
async function withCommands(
  work: (commands: { docker: Command; gantry: Command; registry: Registry; folder: string }) => Promise<void>,
): Promise<void> {
  await using namespaces = await makeNamespaces();
  await using registry = await startRegistry(namespaces);
  const folder = await mkdtemp(join(tmpdir(), 'gantry-manifest-'));
  try {
    const docker = command(namespaces, [dockerClient()], join(folder, 'docker'));
    const gantry = command(namespaces, gantryProgram, join(folder, 'gantry'));
    await work({ docker, gantry, registry, folder });
  } finally {
    await rm(folder, { recursive: true });
  }
}

const command =
  (namespaces: Namespaces, program: readonly string[], config: string): Command =>
  (...words) => {
    const [path, ...args] = namespaces.enter([...program, ...words]);
    return run(path, args, { env: { DOCKER_CONFIG: config, DOCKER_HOST: 'unix:///nonexistent' } });
  };

const imageOf = (text: string, more: Partial<CraftedImage> = {}): CraftedImage => {
  const { blob } = layerOf({ name: 'which', body: text });
  return { layers: [{ blob: gzipSync(blob), diffId: sha256(blob) }], ...more };
};

/** The same image in the media types of Docker. */
function dockerTyped({ manifest, blobs }: { manifest: Buffer; blobs: readonly Buffer[] }) {
  const parsed = JSON.parse(manifest.toString()) as { config: object; layers: object[] };
  const mediaType = 'application/vnd.docker.distribution.manifest.v2+json';
  const config = { ...parsed.config, mediaType: 'application/vnd.docker.container.image.v1+json' };
  const layers = parsed.layers.map((one) => ({
    ...one,
    mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  }));
  return { mediaType, blobs, manifest: json({ schemaVersion: 2, mediaType, config, layers }) };
}

/** `a:amd` and `b/c:arm` in the types of OCI, `docker/amd:1` and `docker/arm:1` in Docker's. */
async function fill(registry: Registry): Promise<void> {
  const [amd, arm] = [ociBlobs(imageOf('amd')), ociBlobs(imageOf('arm', { platform: { architecture: 'arm64' } }))];
  await registry.put('a', 'amd', amd.manifest, amd.blobs.slice(0, -1));
  await registry.put('b/c', 'arm', arm.manifest, arm.blobs.slice(0, -1));
  for (const [name, image] of [['amd', amd] as const, ['arm', arm] as const]) {
    const { manifest, blobs, mediaType } = dockerTyped(image);
    await registry.put(`docker/${name}`, '1', manifest, blobs.slice(0, -1), mediaType);
  }
}

const renamed = (text: string): string => text.replaceAll('docker ', 'gantry ').replaceAll('docker: ', 'gantry: ');

describe('gantry manifest', { skip: needsRoot() }, () => {
  for (const [types, first, second] of [
    ['OCI', 'a:amd', 'b/c:arm'],
    ['Docker', 'docker/amd:1', 'docker/arm:1'],
  ] as const) {
    test(`says and does what docker manifest does (types of ${types})`, () =>
      withCommands(async ({ docker, gantry, registry }) => {
        await fill(registry);
        const at = (name: string) => `${registry.host}/${name}`;
        const [list, one, two] = [at('list:1'), at(first), at(second)];
        const steps: string[][] = [
          ['inspect', '--insecure', list],
          ['inspect', '--insecure', one],
          ['inspect', '--insecure', '-v', one],
          ['create', '--insecure', list, one, two],
          ['create', '--insecure', list, one],
          ['create', '--insecure', '--amend', list, one],
          ['annotate', list, two, '--arch', 'arm64', '--variant', 'v8', '--os-features', 'x,y', '--os-version', '1'],
          ['annotate', list, two, '--arch', 'pdp11'],
          ['annotate', list, at('nothing:1'), '--os', 'linux'],
          ['inspect', '--insecure', list],
          ['inspect', '--insecure', '--verbose', list],
          ['inspect', '--insecure', list, two],
          ['inspect', '--insecure', list, at('nothing:1')],
          ['push', '--insecure', list],
          ['rm', list],
          ['inspect', '--insecure', list],
          ['inspect', '--insecure', '-v', list],
          ['create', '--insecure', at('other:1'), list],
          ['create', '--insecure', at('other:1'), at('nothing:1')],
          ['push', '--insecure', at('other:1')],
          ['rm', list, at('other:1')],
        ];
        for (const words of steps) {
          const [theirs, ours] = await Promise.all([docker('manifest', ...words), gantry('manifest', ...words)]);
          const shown = words.join(' ');
          assert.equal(ours.stdout, theirs.stdout, shown);
          assert.equal(ours.stderr, renamed(theirs.stderr), shown);
          assert.equal(ours.code, theirs.code, shown);
        }
      }));
  }

  test('either command goes on with what the other one began', () =>
    withCommands(async ({ docker, gantry, registry, folder }) => {
      await fill(registry);
      const [list, one, two] = ['list:2', 'a:amd', 'b/c:arm'].map((name) => `${registry.host}/${name}`) as [
        string,
        string,
        string,
      ];
      const ok = async (command: Command, ...words: string[]): Promise<string> => {
        const { code, stdout, stderr } = await command('--config', join(folder, 'shared'), 'manifest', ...words);
        assert.equal(code, 0, stderr);
        return stdout;
      };
      await ok(docker, 'create', '--insecure', list, one, two);
      await ok(gantry, 'annotate', list, two, '--variant', 'v8');
      const shown = await ok(docker, 'inspect', '--insecure', list);
      assert.match(shown, /"variant": "v8"/);
      assert.equal(await ok(gantry, 'inspect', '--insecure', list), shown);
      await ok(gantry, 'create', '--insecure', '--amend', list, `${registry.host}/docker/amd:1`);
      const digest = await ok(docker, 'push', '--insecure', '--purge', list);
      assert.match(digest, /\nsha256:[0-9a-f]{64}\n$/);
      assert.deepEqual(await readdir(join(folder, 'shared', 'manifests')), []);
      assert.match(await ok(gantry, 'inspect', '--insecure', list), /"variant": "v8"/);
    }));
});
