/** `imagetools` beside buildx's. No engine has a part in it. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import {
  type CraftedImage,
  describeBlob,
  json,
  layerOf,
  mediaTypes,
  ociBlobs,
  sha256,
} from '../support/crafted-image.ts';
import { unpackPackages } from '../support/docker-client.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { makeNamespaces, type Namespaces } from '../support/namespaces.ts';
import { type Registry, startRegistry } from '../support/registry.ts';
import { must, run, type RunResult } from '../support/run.ts';
import { needsRoot } from '../support/skip.ts';

type Command = (...words: string[]) => Promise<RunResult>;

/** Debian's buildx as a program of its own; undefined where it cannot be had. */
function findBuildx(): string | undefined {
  try {
    return join(
      unpackPackages('sid', 'docker-buildx', ['docker-buildx']),
      'usr/libexec/docker/cli-plugins/docker-buildx',
    );
  } catch {
    return undefined;
  }
}

const command =
  (namespaces: Namespaces, program: readonly string[], config: string): Command =>
  (...words) => {
    const [path, ...args] = namespaces.enter([...program, 'imagetools', ...words]);
    return run(path, args, { env: { DOCKER_CONFIG: config, DOCKER_HOST: 'unix:///nonexistent' } });
  };

const imageOf = (text: string, more: Partial<CraftedImage> = {}): CraftedImage => {
  const { blob } = layerOf({ name: 'which', body: text });
  return { layers: [{ blob: gzipSync(blob), diffId: sha256(blob) }], config: { Cmd: ['<b>'] }, ...more };
};

const provenance = 'https://slsa.dev/provenance/v1';
const spdx = 'https://spdx.dev/Document';

/** `a:amd`, `a:arm`, and `a:multi` of both with an attestation; gives their digests. */
async function fill(registry: Registry): Promise<{ amd: string; multi: string }> {
  const amd = ociBlobs(imageOf('amd', { platform: { architecture: 'amd64' } }));
  const arm = ociBlobs(imageOf('arm', { platform: { architecture: 'arm', variant: 'v7' } }));
  await registry.put('a', 'amd', amd.manifest, amd.blobs.slice(0, -1));
  await registry.put('a', 'arm', arm.manifest, arm.blobs.slice(0, -1));
  const statements = [provenance, spdx].map((predicateType) =>
    json({ predicateType, predicate: { of: predicateType } }),
  );
  const config = json({ architecture: 'unknown', os: 'unknown', rootfs: { type: 'layers', diff_ids: [] } });
  const attestation = json({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: describeBlob(mediaTypes.config, config),
    layers: statements.map((statement, at) => ({
      ...describeBlob('application/vnd.in-toto+json', statement),
      annotations: { 'in-toto.io/predicate-type': at === 0 ? provenance : spdx },
    })),
  });
  await registry.put('a', 'attestation', attestation, [...statements, config]);
  const of = (manifest: Buffer, platform: object) => ({ ...describeBlob(mediaTypes.manifest, manifest), platform });
  const index = json({
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: [
      of(amd.manifest, { architecture: 'amd64', os: 'linux' }),
      of(arm.manifest, { architecture: 'arm', os: 'linux', variant: 'v7' }),
      {
        ...of(attestation, { architecture: 'unknown', os: 'unknown' }),
        annotations: { 'vnd.docker.reference.digest': `sha256:${sha256(amd.manifest)}` },
      },
    ],
  });
  const multi = await registry.put('a', 'multi', index, [], mediaTypes.index);
  return { amd: `sha256:${sha256(amd.manifest)}`, multi };
}

async function withCommands(
  work: (parts: { gantry: Command; buildx: Command | undefined; registry: Registry; config: string }) => Promise<void>,
  htpasswd?: string,
): Promise<void> {
  await using namespaces = await makeNamespaces();
  await using registry = await startRegistry(namespaces, htpasswd);
  const config = await mkdtemp(join(tmpdir(), 'gantry-imagetools-'));
  const program = findBuildx();
  const buildx = program === undefined ? undefined : command(namespaces, [program], join(config, 'buildx'));
  try {
    await work({ gantry: command(namespaces, gantryProgram, config), buildx, registry, config });
  } finally {
    await rm(config, { recursive: true });
  }
}

describe('gantry imagetools', { skip: needsRoot() }, () => {
  test('shows and makes what buildx does', () =>
    withCommands(async ({ gantry, buildx, registry }) => {
      const { amd, multi } = await fill(registry);
      const at = (name: string) => `${registry.host}/${name}`;
      const format = (template: string, name: string) => ['inspect', '--format', template, at(name)];
      const steps: string[][] = [
        ['inspect', at('a:multi')],
        ['inspect', at('a:amd')],
        ['inspect', '--raw', at('a:multi')],
        format('{{json .Image}}', 'a:amd'),
        format('{{json .Image}}', 'a:multi'),
        format('{{json .Manifest}}', 'a:multi'),
        format('{{json .Manifest}}', 'a:amd'),
        format('{{json .}}', 'a:amd'),
        format('{{.Name}} {{range .Manifest.Manifests}}{{.Platform.OS}}/{{.Platform.Architecture}} {{end}}', 'a:multi'),
        format('{{.Image.Config.Cmd}} {{.Image.Architecture}}', 'a:amd'),
        format('{{json .Provenance}}{{json .SBOM}}', 'a:multi'),
        format('{{.Nope}}', 'a:amd'),
        format('{{.Manifest}}', 'a:amd'),
        ['inspect', '--raw', '--format', 'x', at('a:amd')],
        ['inspect', at('nothing:1')],
        ['create', '--dry-run', at('a:amd'), at('a:arm')],
        ['create', '--dry-run', at('a:multi')],
        ['create', '--dry-run', '--prefer-index=false', at('a:amd')],
        ['create', '--dry-run', at('a:amd')],
        [
          'create',
          '--dry-run',
          '--annotation',
          'index:k=v',
          '--annotation',
          'manifest-descriptor[linux/amd64]:a=b',
          at('a:multi'),
        ],
        ['create', '--dry-run', '--platform', 'linux/amd64', at('a:multi')],
        ['create', '--dry-run', '--append', '-t', at('a:amd'), at('a:arm')],
        ['create', '--dry-run', `{"digest":"${amd}","annotations":{"z":"1","b":"2"}}`, '-t', at('a:x')],
        ['create', '--dry-run', amd],
        ['create', at('a:amd')],
        ['create'],
      ];
      for (const words of steps) {
        const [ours, theirs] = await Promise.all([gantry(...words), buildx?.(...words)]);
        if (theirs === undefined) continue;
        assert.equal(ours.stdout, theirs.stdout, words.join(' '));
        assert.equal(ours.code, theirs.code, words.join(' '));
      }
      const made = await gantry('create', '-t', at('b/c:new'), '-t', at('a:new'), at('a:multi'));
      assert.equal(made.code, 0, made.stderr);
      for (const name of ['b/c:new', 'a:new']) {
        const { stdout } = await gantry('inspect', '--raw', at(name));
        assert.equal(`sha256:${sha256(Buffer.from(stdout))}`, multi);
      }
    }));

  test('logs in with what config.json has, and tells bad wishes', async () => {
    const crypted = await must('perl', ['-e', "print crypt('secret', '$2y$05$abcdefghijklmnopqrstuu')"]);
    await withCommands(async ({ gantry, registry, config }) => {
      const name = `${registry.host}/a:amd`;
      const refused = await gantry('inspect', name);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /unauthorized|authentication required/);
      await mkdir(config, { recursive: true });
      const auth = Buffer.from('user:secret').toString('base64');
      await writeFile(join(config, 'config.json'), JSON.stringify({ auths: { [registry.host]: { auth } } }));
      const missing = await gantry('inspect', name);
      assert.match(missing.stderr, /not found/);
      for (const [words, says] of [
        [['create', '-t', `${name}@sha256:${'0'.repeat(64)}`, name], /is no tag/],
        [['create', '--dry-run', '--annotation', 'manifest:k=v', name], /annotations are not supported|not found/],
        [['create', '--dry-run', 'UPPER'], /failed to parse source "UPPER"/],
        [['create', '--dry-run', '{"digest":1}'], /failed to parse source/],
      ] as const) {
        const { code, stderr } = await gantry(...words);
        assert.equal(code, 1, words.join(' '));
        assert.match(stderr, says);
      }
    }, `user:${crypted}`);
  });
});
