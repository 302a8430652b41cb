/** Options of exporters, one by one. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { withBuildx } from '../support/buildx.ts';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { startRegistry } from '../support/registry.ts';
import { run, type RunResult } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { emptyFolder, folder, lines } from './_build-folder.ts';
import { buildxOf } from './_buildx.ts';
import { busybox } from './_docker.ts';

interface Manifest {
  readonly artifactType?: string;
  readonly subject?: { readonly digest: string };
  readonly config: { readonly mediaType: string; readonly data?: string };
  readonly layers: readonly { readonly mediaType: string; readonly digest: string; readonly size: number }[];
  readonly manifests?: readonly { readonly digest: string; readonly annotations?: Readonly<Record<string, string>> }[];
}

const skip = isOracle() && 'dockerd refuses them without its containerd image store';

engineSuite('options of exporters', { prepare: withBuildx, skip }, (engine) => {
  const { docker, build, built } = buildxOf(engine);
  const [program, ...first] = gantryProgram;
  const gantry = (args: readonly string[], cwd?: string): Promise<RunResult> =>
    run(program, [...first, 'build', '--progress=plain', ...args], {
      env: engine().clientEnv(),
      timeout: 60_000,
      ...(cwd === undefined ? {} : { cwd }),
    });
  const names = async (): Promise<string> =>
    docker.ok('image', 'ls', '--digests', '--format', '{{.Repository}}:{{.Tag}}@{{.Digest}}');

  // buildx itself refuses push-by-digest for the engine of a context.
  test('an image is pushed by its digest, or not kept here at all', async (t) => {
    await using registry = await startRegistry(engine().namespaces);
    const context = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'RUN echo pushed > /x') });
    const metadata = join(context, 'metadata.json');
    const told = (): Record<string, string> => JSON.parse(readFileSync(metadata, 'utf8')) as Record<string, string>;
    const app = `${registry.host}/team/app`;
    // What a build on many machines does before it puts the parts together.
    const byDigest = `type=image,name=${app},push-by-digest=true,name-canonical=true,push=true`;
    const pushed = await gantry(['-o', byDigest, `--metadata-file=${metadata}`, context]);
    assert.equal(pushed.code, 0, pushed.stderr);
    const digest = told()['containerimage.digest'] ?? '';
    assert.match(pushed.stderr, new RegExp(`pushing ${app}@${digest}`));
    assert.equal(told()['image.name'], app);
    assert.match(await names(), new RegExp(`${app}:<none>@${digest}`));
    assert.doesNotMatch(await names(), new RegExp(`${app}:latest`));
    await docker.ok('image', 'rm', '-f', digest);
    assert.match((await docker('pull', app)).stderr, /not found|manifest unknown/);
    await docker.ok('pull', '-q', `${app}@${digest}`);
    assert.equal(await docker.ok('run', '--rm', `${app}@${digest}`, 'cat', '/x'), 'pushed');
    await docker.ok('image', 'rm', '-f', digest);
    const tagged = await gantry(['-o', `type=image,name=${app}:1,push-by-digest=true,push=true`, context]);
    assert.match(tagged.stderr, /can't push tagged ref .*team\/app:1 by digest/);

    // Pushed with its statements, and nothing of it stays.
    const before = await names();
    const gone = `type=image,name=${app}:2,store=false,push=true`;
    await built(context, '-o', gone, '--provenance=mode=max', `--metadata-file=${metadata}`);
    assert.equal(await names(), before);
    await docker.ok('pull', '-q', `${app}:2`);
    assert.equal(
      await docker.ok('image', 'inspect', '--format', '{{.Id}}', `${app}:2`),
      told()['containerimage.digest'],
    );
    await docker.ok('image', 'rm', '-f', `${app}:2`);
    await built(context, '-o', 'type=image,name=local:1,store=false');
    assert.equal(await names(), before);
  });

  test('an image has names with its digest', async (t) => {
    const context = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'RUN echo named > /x') });
    await built(context, '-o', 'type=image,name=named:1,name-canonical=true,unpack=true');
    const id = await docker.ok('image', 'inspect', '--format', '{{.Id}}', 'named:1');
    assert.deepEqual(
      JSON.parse(await docker.ok('image', 'inspect', '--format', '{{json .RepoDigests}}', `named@${id}`)),
      [`named@${id}`],
    );
    await docker.ok('image', 'rm', '-f', id);
    await built(context, '-o', 'type=image,dangling-name-prefix=loose');
    assert.equal(await docker.ok('image', 'inspect', '--format', '{{.Id}}', `loose@${id}`), id);
    await docker.ok('image', 'rm', '-f', id);
    await built(context, '-o', 'type=image,name=named:1,dangling-name-prefix=loose,danging-name-empty-only=true');
    assert.equal((await docker('image', 'inspect', `loose@${id}`)).code, 1);
    for (const [option, reason] of [
      ['store=perhaps', /non-bool value specified for store/],
      ['push-by-digest=2', /non-bool value specified for push-by-digest/],
      ['oci-artifact=true,oci-mediatypes=false', /"oci-artifact=true" conflicts with "oci-mediatypes=false"/],
      ['unpack=true,rewrite-timestamp=true', /"rewrite-timestamp" conflicts with "unpack"/],
      ['compression=estargz', /estargz/],
    ] as const) {
      const refused = await build(context, '-o', `type=image,name=named:2,${option}`);
      assert.equal(refused.code, 1, option);
      assert.match(refused.stderr, reason);
    }
  });

  test('statements are artifacts about the image, of either version of SLSA, or in images that stay', async (t) => {
    const context = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'RUN echo told > /x') });
    const archive = join(emptyFolder(t), 'image.tar');
    const read = (path: string): unknown => JSON.parse(String(execFileSync('tar', ['-xOf', archive, path])));
    const blob = (digest: string): unknown => read(`blobs/sha256/${digest.slice(7)}`);
    const statement = async (output: string, provenance: string) => {
      await built(context, '-o', `type=oci,dest=${archive}${output}`, `--provenance=${provenance}`);
      const index = blob((read('index.json') as Manifest).manifests?.[0]?.digest ?? '') as Manifest;
      const attestation = blob(index.manifests?.[1]?.digest ?? '') as Manifest;
      const said = blob(attestation.layers[0]?.digest ?? '') as { predicateType: string; predicate: never };
      return { image: index.manifests?.[0]?.digest, attestation, said };
    };
    const artifact = await statement(',oci-artifact=true', 'mode=min');
    assert.equal(artifact.attestation.artifactType, 'application/vnd.docker.attestation.manifest.v1+json');
    assert.equal(artifact.attestation.subject?.digest, artifact.image);
    assert.equal(artifact.attestation.config.mediaType, 'application/vnd.oci.empty.v1+json');
    assert.equal(artifact.attestation.config.data, 'e30=');
    // An engine takes it as an image with statements.
    await docker.ok('load', '-i', archive);
    const old = await statement('', 'mode=max,version=v0.2');
    assert.equal(old.attestation.artifactType, undefined);
    assert.equal(old.said.predicateType, 'https://slsa.dev/provenance/v0.2');
    const predicate = old.said.predicate as {
      readonly buildType: string;
      readonly materials: readonly { readonly uri: string }[];
      readonly invocation: { readonly configSource: { readonly entryPoint: string }; readonly environment: object };
      readonly metadata: { readonly completeness: object; readonly buildInvocationID: string };
    };
    assert.equal(predicate.buildType, 'https://mobyproject.org/buildkit@v1');
    assert.match(predicate.materials[0]?.uri ?? '', /^pkg:docker\/gantry-test\/busybox@1/);
    assert.equal(predicate.invocation.configSource.entryPoint, 'Dockerfile');
    assert.deepEqual(predicate.metadata.completeness, { parameters: true, environment: true, materials: false });
    assert.match((await build(context, '--provenance=version=v7')).stderr, /provenance version "?v7"?/);

    await built(context, '-o', 'type=image,name=inline:1,attestation-inline=true');
    await built(context, '-o', 'type=image,name=plain:1');
    const kinds = async (name: string): Promise<string> =>
      docker.ok('image', 'inspect', '--format', '{{.Descriptor.mediaType}}', name);
    assert.match(await kinds('inline:1'), /index/);
    assert.match(await kinds('plain:1'), /manifest\.v1/);
  });

  test('a folder is emptied of what the result has not', async (t) => {
    const context = await folder(t, {
      Dockerfile: lines('FROM scratch', 'COPY files /'),
      'files/one': '1',
      'files/sub/two': '2',
    });
    const work = emptyFolder(t);
    const out = join(work, 'out');
    mkdirSync(join(out, 'sub/old/deep'), { recursive: true });
    for (const name of ['stale', 'sub/stale', 'sub/old/deep/x', 'h\u00e4']) writeFileSync(join(out, name), 'old');
    writeFileSync(join(work, 'beside'), 'stays');
    symlinkSync(work, join(out, 'link'));
    const plain = await gantry(['-o', `type=local,dest=${out}`, context], work);
    assert.equal(plain.code, 0, plain.stderr);
    assert.ok(existsSync(join(out, 'stale')));
    const emptied = await gantry(['-o', 'type=local,dest=out,mode=delete', context], work);
    assert.equal(emptied.code, 0, emptied.stderr);
    assert.deepEqual(readdirSync(out).sort(), ['one', 'sub']);
    assert.deepEqual(readdirSync(join(out, 'sub')), ['two']);
    assert.deepEqual(readdirSync(work).sort(), ['beside', 'out']);
    for (const dest of ['.', work, '..', emptyFolder(t)]) {
      const refused = await gantry(['-o', `type=local,dest=${dest},mode=delete`, context], work);
      assert.equal(refused.code, 1, dest);
      assert.match(refused.stderr, /mode=delete for destination .* requires --allow=buildx\.local\.delete/);
    }
    const elsewhere = emptyFolder(t);
    writeFileSync(join(elsewhere, 'stale'), 'old');
    const allowed = ['-o', `type=local,dest=${elsewhere},mode=delete`, '--allow=buildx.local.delete', context];
    const { code, stderr } = await gantry(allowed, work);
    assert.equal(code, 0, stderr);
    assert.deepEqual(readdirSync(elsewhere).sort(), ['one', 'sub']);
    const unknown = await gantry(['-o', `type=local,dest=out,mode=mirror`, context], work);
    assert.match(unknown.stderr, /unsupported mode "mirror": expected copy or delete/);
  });
});
