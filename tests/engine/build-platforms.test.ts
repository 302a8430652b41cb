/** Builds for several platforms, and for one that is not the host's. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { withBuildx } from '../support/buildx.ts';
import { hasContainerdStore, isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { architecture } from '../support/image-archive.ts';
import { startRegistry } from '../support/registry.ts';
import { run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { emptyFolder, folder, lines } from './_build-folder.ts';
import { buildxOf } from './_buildx.ts';
import { busybox } from './_docker.ts';

/** Neither of these machines that tests run on, nor run by one of them. */
const foreign = 's390x';
const own = `linux/${architecture}`;
const both = `--platform=${own},linux/${foreign}`;

interface ImageView {
  readonly Kind: string;
  readonly Descriptor: { readonly digest: string };
  readonly ImageData?: { readonly Platform: { readonly architecture: string } };
  readonly AttestationData?: { readonly For: string };
}

interface Index {
  readonly mediaType: string;
  readonly annotations?: Record<string, string>;
  readonly manifests: readonly {
    readonly digest: string;
    readonly platform: { readonly os: string; readonly architecture: string };
    readonly annotations?: Record<string, string>;
  }[];
}

const noPrograms386 = architecture !== 'amd64' && 'this machine has no programs of 386';

const refusing = { skip: isOracle() && 'dockerd runs the command, and says what the kernel says' };

/** How many steps that make something came out of a cache. */
const cachedSteps = (output: string): number => {
  const made = output.matchAll(/^#(\d+) \[[^\]]* \d+\/\d+\] (?:COPY|RUN|WORKDIR) /gm);
  const numbers = [...new Set([...made].map(([, number]) => number))];
  return numbers.filter((number) => new RegExp(`^#${number} CACHED$`, 'm').test(output)).length;
};

/** A program for 386 (ELF, one segment): `write(1, text)`, then `exit(0)`. */
function program386(text: string): Uint8Array {
  const [address, head] = [0x10000, 84];
  const code = Buffer.from('b804000000bb01000000b900000000ba00000000cd80b80100000031dbcd80', 'hex');
  code.writeUInt32LE(address + head + code.length, 11);
  code.writeUInt32LE(text.length, 16);
  const size = head + code.length + text.length;
  const bytes = Buffer.alloc(head);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  bytes.writeUInt16LE(2, 16);
  bytes.writeUInt16LE(3, 18);
  for (const [at, word] of [1, address + head, 52].entries()) bytes.writeUInt32LE(word, 20 + 4 * at);
  for (const [at, half] of [52, 32, 1].entries()) bytes.writeUInt16LE(half, 40 + 2 * at);
  const segment = [1, 0, address, address, size, size, 5, 0x1000];
  for (const [at, word] of segment.entries()) bytes.writeUInt32LE(word, 52 + 4 * at);
  return Buffer.concat([bytes, code, Buffer.from(text)]);
}

const skip =
  isOracle() && !hasContainerdStore() && 'dockerd has lists of platforms only with its containerd image store';

engineSuite('builds for several platforms', { prepare: withBuildx, skip }, (engine) => {
  const { docker, build, built } = buildxOf(engine);
  const gantry = (...words: readonly string[]) => {
    const [program, ...first] = gantryProgram;
    return run(program, [...first, ...words], { env: engine().clientEnv(), timeout: 60_000 });
  };
  const viewOf = async (name: string): Promise<readonly ImageView[]> => {
    const { text } = await engine().api('GET', `/v1.48/images/${name}/json?manifests=1`);
    return (JSON.parse(text) as { Manifests: ImageView[] }).Manifests;
  };
  const platformsOf = async (name: string): Promise<(string | undefined)[]> =>
    (await viewOf(name)).flatMap(({ ImageData }) => ImageData?.Platform.architecture ?? []);
  const idOf = (name: string) => docker.ok('image', 'inspect', '--format', '{{.Id}}', name);
  /** A file for each platform, and nothing to run. */
  const plain = (t: TestContext, ...more: readonly string[]) =>
    folder(t, {
      Dockerfile: lines('FROM scratch', 'ARG TARGETARCH', `COPY $TARGETARCH /arch`, 'WORKDIR /w', ...more),
      [architecture]: `for ${architecture}\n`,
      [foreign]: `for ${foreign}\n`,
      Dockerfile2: lines('FROM lists:base', 'ENV A=b', 'COPY more /more'),
      more: 'more\n',
    });
  /** The file of a platform in a folder that a build has written. */
  const archIn = (out: string, name: string): string => readFileSync(join(out, `linux_${name}`, 'arch'), 'utf8');

  test('what needs no command is built for all of them, on bases that are lists', async (t) => {
    const context = await plain(t);
    const said = await built(context, both, '--tag=lists:base', '--provenance=false');
    for (const name of [architecture, foreign]) {
      assert.match(said, new RegExp(`^#\\d+ \\[linux/${name} 1/2\\] COPY ${name} /arch$`, 'm'), said);
    }
    assert.deepEqual(await platformsOf('lists:base'), [architecture, foreign]);
    const more = await built(context, both, '--tag=lists:top', '-f', join(context, 'Dockerfile2'));
    assert.match(
      more,
      new RegExp(`^#\\d+ \\[linux/${foreign} internal\\] load metadata for docker.io/library/lists:base$`, 'm'),
    );
    assert.match(more, new RegExp(`^#\\d+ \\[linux/${foreign} 2/2\\] COPY more /more$`, 'm'));
    const inspected = await docker.ok(
      'image',
      'inspect',
      `--platform=linux/${foreign}`,
      '--format',
      '{{.Architecture}} {{.Config.Env}}',
      'lists:top',
    );
    assert.match(inspected, new RegExp(`^${foreign} \\[PATH=.* A=b\\]$`));
    const out = emptyFolder(t);
    const sent = await built(context, both, '-f', join(context, 'Dockerfile2'), '-o', out);
    assert.match(sent, new RegExp(`^#\\d+ copying files linux/${foreign} [^\n]*done$`, 'm'));
    assert.deepEqual(readdirSync(out).sort(), [`linux_${architecture}`, `linux_${foreign}`].sort());
    for (const name of [architecture, foreign]) {
      assert.equal(archIn(out, name), `for ${name}\n`);
      assert.deepEqual(readdirSync(join(out, `linux_${name}`)).sort(), ['arch', 'more', 'w']);
    }
    // The same once more is the same image.
    const id = await idOf('lists:base');
    await built(context, both, '--tag=lists:base', '--provenance=false', '--load');
    assert.equal(await idOf('lists:base'), id);
    await docker.ok('rmi', 'lists:top', 'lists:base');
  });

  test('stages that run where the build runs are made once for all', async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(
        `FROM --platform=$BUILDPLATFORM ${busybox} AS make`,
        'RUN date +%N > /common',
        'ARG TARGETPLATFORM TARGETARCH BUILDPLATFORM',
        'RUN echo "$BUILDPLATFORM makes $TARGETPLATFORM" > /arch',
        'FROM scratch',
        'COPY --from=make /common /arch /',
      ),
    });
    const out = emptyFolder(t);
    const said = await built(context, both, '-o', out);
    assert.equal(said.match(/\] RUN date/g)?.length, 1, said);
    assert.match(said, new RegExp(`^#\\d+ \\[${own}->${foreign} make 3/3\\] RUN echo`, 'm'));
    assert.match(said, new RegExp(`^#\\d+ \\[${own} make 3/3\\] RUN echo`, 'm'));
    const read = (name: string, file: string): string => readFileSync(join(out, `linux_${name}`, file), 'utf8');
    assert.equal(read(foreign, 'arch'), `${own} makes linux/${foreign}\n`);
    assert.equal(read(architecture, 'arch'), `${own} makes ${own}\n`);
    assert.equal(read(foreign, 'common'), read(architecture, 'common'));
    // It is the same step as in a build for one.
    assert.match(await built(context, '-o', emptyFolder(t)), /^#\d+ \[make 2\/3\] RUN date[^\n]*\n#\d+ CACHED/m);
  });

  test('a command for another platform is refused before anything is made', refusing, async (t) => {
    const context = await folder(t, {
      Dockerfile: lines('FROM scratch', 'COPY Dockerfile /', 'RUN ["/x"]'),
    });
    for (const platforms of [both, `--platform=linux/${foreign}`]) {
      const { code, stderr } = await build(context, platforms);
      assert.equal(code, 1);
      assert.match(
        stderr,
        new RegExp(`RUN for linux/${foreign} is not possible: programs for linux/${foreign} do not run`),
      );
      assert.match(stderr, /no interpreter for them is registered.*qemu-user-static/);
      assert.match(stderr, /Dockerfile:3\n/);
      assert.doesNotMatch(stderr, /COPY Dockerfile \/\n#\d+ DONE/);
    }
    const classic = await engine().docker(['build', `--platform=linux/${foreign}`, context], {
      env: { DOCKER_BUILDKIT: '0' },
    });
    assert.match(classic.stderr, /RUN for linux\/s390x is not possible/);
  });

  test("one platform that is not the host's, by buildx, POST /build and gantry build", async (t) => {
    const context = await plain(t);
    const options = [`--platform=linux/${foreign}`, '-t', 'lists:one'];
    const format = '{{.Os}}/{{.Architecture}}';
    const platform = () => docker.ok('image', 'inspect', '--format', format, 'lists:one');
    await built(context, ...options);
    assert.equal(await platform(), `linux/${foreign}`);
    await docker.ok('rmi', 'lists:one');
    // dockerd's own builder cannot do it with this store.
    if (!isOracle()) {
      const classic = await engine().docker(['build', ...options, context], { env: { DOCKER_BUILDKIT: '0' } });
      assert.equal(classic.code, 0, classic.stderr);
      assert.equal(await platform(), `linux/${foreign}`);
      await docker.ok('rmi', 'lists:one');
    }
    const direct = await gantry('build', ...options, context);
    assert.equal(direct.code, 0, direct.stderr);
    assert.equal(await platform(), `linux/${foreign}`);
    const wrong = await build(context, '--platform=linux/what/is/this');
    assert.match(wrong.stderr, /cannot parse platform specifier|invalid/);
    await docker.ok('rmi', 'lists:one');
  });

  test('programs of 32 bits run where the processor has them', { skip: noPrograms386 }, async (t) => {
    const context = await folder(t, {
      Dockerfile: lines('FROM scratch', 'COPY --chmod=755 program /', 'RUN ["/program"]', 'CMD ["/program"]'),
      program: program386('said by 32 bits\n'),
    });
    const platforms = `--platform=${own},linux/386`;
    const said = await built(context, platforms, '--tag=lists:386', '--no-cache');
    assert.equal(said.match(/^#\d+ \d+\.\d+ said by 32 bits$/gm)?.length, 2, said);
    assert.equal(await docker.ok('run', '--rm', '--platform=linux/386', 'lists:386'), 'said by 32 bits');
    // dockerd runs them, too, without saying so.
    if (!isOracle()) assert.match(await docker.ok('buildx', 'inspect'), /^Platforms: .*linux\/386/m);
    await docker.ok('rmi', 'lists:386');
  });

  test('gantry build makes the same list', async (t) => {
    const context = await plain(t);
    await built(context, both, '--tag=lists:buildx', '--provenance=false');
    const [metadata, iid] = ['metadata', 'iid'].map((name) => join(context, `${name}.out`));
    const flags = ['--metadata-file', metadata as string, '--iidfile', iid as string];
    const made = await gantry('build', '--progress=plain', both, '-t', 'lists:gantry', ...flags, context);
    assert.equal(made.code, 0, made.stderr);
    const id = await idOf('lists:buildx');
    assert.equal(await idOf('lists:gantry'), id);
    assert.equal(readFileSync(iid as string, 'utf8').trim(), id);
    const told = JSON.parse(readFileSync(metadata as string, 'utf8')) as Record<string, unknown>;
    assert.equal(told['containerimage.digest'], id);
    const descriptor = told['containerimage.descriptor'] as { mediaType: string; platform?: unknown };
    assert.match(
      descriptor.mediaType,
      /^application\/vnd\.(?:oci\.image\.index\.v1|docker\.distribution\.manifest\.list\.v2)\+json$/,
    );
    assert.equal(descriptor.platform, undefined);
    const quiet = await gantry('build', '-q', both, context);
    assert.equal(quiet.stdout.trim(), id);
    const out = emptyFolder(t);
    const files = await gantry('build', both, '-o', out, context);
    assert.equal(files.code, 0, files.stderr);
    assert.equal(archIn(out, foreign), `for ${foreign}\n`);
    await docker.ok('rmi', 'lists:buildx', 'lists:gantry');
  });

  test('folders and archives', async (t) => {
    const context = await plain(t);
    const out = emptyFolder(t);
    await built(context, both, '-o', `type=tar,dest=${join(out, 'all.tar')}`);
    const listed = String(execFileSync('tar', ['-tf', join(out, 'all.tar')]))
      .trim()
      .split('\n');
    const names = [architecture, foreign].flatMap((name) => ['', 'arch', 'w/'].map((one) => `linux_${name}/${one}`));
    assert.deepEqual(listed, names.sort());
    const clash = await build(context, both, '-o', `type=local,dest=${join(out, 'one')},platform-split=false`);
    assert.match(clash.stderr, /cannot overwrite arch from linux\/\w+ with linux\/\w+ when split option is disabled/);
    const apart = await folder(t, {
      Dockerfile: lines('FROM scratch', 'ARG TARGETARCH', 'COPY f /$TARGETARCH'),
      f: 'f',
    });
    await built(apart, both, '-o', `type=local,dest=${join(out, 'apart')},platform-split=false`);
    assert.deepEqual(readdirSync(join(out, 'apart')).sort(), [architecture, foreign].sort());
    await built(apart, '-o', `type=local,dest=${join(out, 'split')},platform-split=true`);
    assert.deepEqual(readdirSync(join(out, 'split')), [`linux_${architecture}`]);
    const refused = await build(context, both, '-o', `type=docker,dest=${join(out, 'docker.tar')}`);
    assert.match(refused.stderr, /docker exporter does not (currently )?support exporting manifest lists/);
    const ours = await gantry('build', both, '-o', `type=docker,dest=${join(out, 'docker.tar')}`, context);
    assert.match(ours.stderr, /docker exporter does not currently support exporting manifest lists/);
  });

  test('an OCI archive has the index, with notes and with statements about each image', async (t) => {
    const context = await plain(t);
    const out = emptyFolder(t);
    const notes = [
      'manifest:a=all',
      `manifest[linux/${foreign}]:a=own`,
      'index:b=index',
      `manifest-descriptor[${own}]:c=d`,
    ];
    const annotations = notes.map((note) => `--annotation=${note}`);
    const archive = join(out, 'oci.tar');
    const said = await built(context, both, '--provenance=mode=min', ...annotations, '-o', `type=oci,dest=${archive}`);
    assert.equal(said.match(/exporting attestation manifest sha256:[0-9a-f]{64} .*done$/gm)?.length, 2, said);
    const member = (name: string) => JSON.parse(String(execFileSync('tar', ['-xOf', archive, name]))) as Index;
    const blob = (digest = '') => member(`blobs/sha256/${digest.slice(7)}`);
    const [top, ...others] = member('index.json').manifests;
    assert.deepEqual(others, []);
    const index = blob(top?.digest);
    assert.deepEqual(index.annotations, { b: 'index' });
    assert.deepEqual(
      index.manifests.map(({ platform }) => platform.architecture),
      [architecture, foreign, 'unknown', 'unknown'],
    );
    const [first, second, ...statements] = index.manifests;
    assert.deepEqual(first?.annotations, { c: 'd' });
    assert.deepEqual([blob(first?.digest).annotations, blob(second?.digest).annotations], [{ a: 'all' }, { a: 'own' }]);
    assert.deepEqual(
      statements.map((one) => one.annotations?.['vnd.docker.reference.digest']),
      [first?.digest, second?.digest],
    );
    await docker.ok('load', '-i', archive);
    const none = `type=oci,dest=${join(out, 'none.tar')}`;
    const wrong = await build(context, both, '--annotation=manifest[linux/mips]:a=b', '-o', none);
    assert.match(wrong.stderr, /invalid annotation: no platform linux\/mips found in source/);
  });

  test('a generator lists what the image of each platform consists of', async (t) => {
    const generator = await folder(t, {
      Dockerfile: lines(`FROM ${busybox}`, 'COPY --chmod=755 scan /scan', 'ENTRYPOINT ["/scan"]'),
      scan: lines(
        '#!/bin/sh',
        'set -e',
        'for_arch=$(cat "$BUILDKIT_SCAN_SOURCE/arch")',
        String.raw`printf '{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","predicate":{"found":"%s"}}' "$for_arch" > "$BUILDKIT_SCAN_DESTINATION/sbom.spdx.json"`,
      ),
    });
    await built(generator, '--tag=lists:generator');
    const context = await plain(t);
    const out = emptyFolder(t);
    const sbom = ['--attest=type=sbom,generator=lists:generator', '--provenance=mode=max'];
    const said = await built(context, both, ...sbom, '-o', out);
    for (const name of [architecture, foreign]) {
      assert.match(
        said,
        new RegExp(`^#\\d+ \\[linux/${name}\\] generating sbom using (?:docker.io/library/)?lists:generator$`, 'm'),
      );
      const below = join(out, `linux_${name}`);
      assert.deepEqual(readdirSync(below).sort(), ['arch', 'provenance.json', 'sbom.spdx.json', 'w']);
      const statement = JSON.parse(readFileSync(join(below, 'sbom.spdx.json'), 'utf8')) as { predicate: unknown };
      assert.deepEqual(statement.predicate, { found: `for ${name}` });
    }
    const apart = await folder(t, {
      Dockerfile: lines('FROM scratch', 'ARG TARGETARCH', 'COPY f /$TARGETARCH'),
      f: 'f',
    });
    const flat = emptyFolder(t);
    await built(apart, both, '--provenance=mode=min', '-o', `type=local,dest=${flat},platform-split=false`);
    const names = [architecture, foreign].flatMap((name) => [name, `provenance.linux_${name}.json`]);
    assert.deepEqual(readdirSync(flat).sort(), names.sort());
    await docker.ok('rmi', 'lists:generator');
  });

  test('a push has the whole list, which is pulled for each platform', async (t) => {
    await using registry = await startRegistry(engine().namespaces);
    const context = await plain(t);
    const name = `${registry.host}/team/lists:1`;
    await built(context, both, '--push', '--tag', name, '--provenance=false', '--cache-to=type=inline');
    const id = await idOf(name);
    const { text } = await engine().api('GET', `/distribution/${name}/json`);
    const { Platforms } = JSON.parse(text) as { Platforms: { architecture: string }[] };
    assert.deepEqual(
      Platforms.map((platform) => platform.architecture),
      [architecture, foreign],
    );
    await docker.ok('rmi', '-f', name);
    await docker.ok('buildx', 'prune', '--all', '--force');
    // The inline caches of both are found by the list.
    const cached = await built(context, both, `--cache-from=type=registry,ref=${name}`);
    assert.equal(cachedSteps(cached), 4, cached);
    const onIt = await folder(t, { Dockerfile: lines(`FROM ${name}`, 'COPY Dockerfile /added') });
    const out = emptyFolder(t);
    await built(onIt, both, '-o', out);
    assert.equal(archIn(out, foreign), `for ${foreign}\n`);
    assert.equal(archIn(out, architecture), `for ${architecture}\n`);
    // What dockerd has pulled for a build is no image of its.
    if (isOracle()) return;
    assert.equal(await idOf(name), id);
    await docker.ok('rmi', '-f', name);
  });

  test('caches of all platforms travel', async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(
        `FROM --platform=$BUILDPLATFORM ${busybox} AS make`,
        'ARG TARGETARCH',
        'RUN date +%N > /$TARGETARCH',
        'FROM scratch',
        'ARG TARGETARCH',
        'COPY --from=make /$TARGETARCH /arch',
      ),
    });
    const [cache, first, second] = [emptyFolder(t), emptyFolder(t), emptyFolder(t)];
    await built(context, both, '--cache-to', `type=local,dest=${cache},mode=max`, '-o', first);
    await docker.ok('buildx', 'prune', '--all', '--force');
    const again = await built(context, both, '--cache-from', `type=local,src=${cache}`, '-o', second);
    assert.equal(cachedSteps(again), 4, again);
    for (const name of [architecture, foreign]) assert.equal(archIn(first, name), archIn(second, name));
  });

  test('with SOURCE_DATE_EPOCH lists are equal to the digest, made in two folders', async (t) => {
    const digests: (string | undefined)[] = [];
    for (const name of ['a', 'b']) {
      const context = await plain(t);
      const archive = join(context, `${name}.tar`);
      const epoch = '--build-arg=SOURCE_DATE_EPOCH=1700000000';
      const output = `type=oci,dest=${archive},rewrite-timestamp=true`;
      await built(context, both, '--no-cache', '--provenance=false', epoch, '-o', output);
      const { manifests } = JSON.parse(String(execFileSync('tar', ['-xOf', archive, 'index.json']))) as Index;
      digests.push(manifests[0]?.digest);
    }
    assert.match(digests[0] ?? '', /^sha256:/);
    assert.equal(digests[0], digests[1]);
  });

  test('bake: targets for several platforms that stand on each other', async (t) => {
    const context = await folder(t, {
      'docker-bake.hcl': lines(
        `target "base" {`,
        '  context = "base"',
        `  platforms = ["${own}", "linux/${foreign}"]`,
        '}',
        'target "default" {',
        '  context = "top"',
        '  contexts = { base = "target:base" }',
        `  platforms = ["${own}", "linux/${foreign}"]`,
        '  tags = ["lists:bake"]',
        '}',
      ),
      'base/Dockerfile': lines(
        'FROM scratch',
        'ARG TARGETARCH',
        'COPY Dockerfile /for-$TARGETARCH',
        'ENV A=$TARGETARCH',
      ),
      'top/Dockerfile': lines('FROM base', 'COPY Dockerfile /top'),
    });
    const { code, stderr } = await engine().docker(['buildx', 'bake', '--progress=plain'], {
      cwd: context,
      timeout: 60_000,
    });
    assert.equal(code, 0, stderr);
    for (const name of [architecture, foreign]) {
      const format = ['--format', '{{.Config.Env}}', 'lists:bake'];
      assert.match(
        await docker.ok('image', 'inspect', `--platform=linux/${name}`, ...format),
        new RegExp(` A=${name}\\]`),
      );
    }
    await docker.ok('rmi', 'lists:bake');
  });

  test('compose: the platforms of a service', async (t) => {
    const context = await folder(t, {
      'compose.yaml': lines(
        'name: lists',
        'services:',
        '  app:',
        '    image: lists:compose',
        '    build:',
        '      context: .',
        `      platforms: ["${own}", "linux/${foreign}"]`,
      ),
      Dockerfile: lines('FROM scratch', 'ARG TARGETARCH', 'COPY Dockerfile /for-$TARGETARCH'),
    });
    for (const isByBake of ['true', 'false']) {
      const { code, stderr } = await engine().docker(['compose', '--project-directory', context, 'build'], {
        env: { COMPOSE_BAKE: isByBake },
        timeout: 60_000,
      });
      assert.equal(code, 0, stderr);
      assert.deepEqual(await platformsOf('lists:compose'), [architecture, foreign], isByBake);
      await docker.ok('rmi', 'lists:compose');
    }
  });

  test('the builder says what it runs, and answers questions for any platform', async (t) => {
    assert.match(await docker.ok('buildx', 'inspect'), new RegExp(`^Platforms: +${own}(?:,|$)`, 'm'));
    const context = await plain(t);
    for (const call of ['outline', 'targets', 'check']) {
      const { code, stderr } = await build(context, both, `--call=${call}`);
      assert.equal(code, 0, stderr);
    }
  });
});
