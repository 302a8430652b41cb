import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { withBuildx } from '../support/buildx.ts';
import { isOracle } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { emptyFolder, folder, lines } from './_build-folder.ts';
import { buildxOf } from './_buildx.ts';
import { busybox } from './_docker.ts';

interface Statement {
  readonly predicateType: string;
  readonly subject: readonly { readonly name: string; readonly digest: { readonly sha256: string } }[];
  readonly predicate: {
    readonly buildDefinition: {
      readonly externalParameters: { readonly request: { readonly args: Record<string, string>; secrets?: unknown } };
      readonly resolvedDependencies: readonly { readonly uri: string; readonly digest: { readonly sha256: string } }[];
    };
    readonly runDetails: {
      readonly metadata: { readonly startedOn: string; readonly buildkit_metadata: { readonly source?: unknown } };
    };
  };
}

const skip = isOracle() && 'dockerd has attestations only with its containerd image store';

engineSuite('attestations of builds', { prepare: withBuildx, skip }, (engine) => {
  const { docker, build, built } = buildxOf(engine);
  const statementsOf = async (name: string): Promise<readonly Statement[]> => {
    const answer = await engine().api('GET', `/images/${name}/attestations?statement=1`);
    assert.equal(answer.status, 200);
    return answer.json<{ Statement: Statement }[]>().map(({ Statement }) => Statement);
  };
  const idOf = (name: string) => docker.ok('image', 'inspect', '--format', '{{.Id}}', name);

  test('provenance says what an image is made of, as much as is wished', async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(`FROM ${busybox}`, 'ARG TOKEN=none', 'RUN --mount=type=secret,id=key echo x > /x'),
    });
    await built(context, '--tag=attested:1', '--provenance=mode=max', '--build-arg=TOKEN=visible', '--label=a=b');
    const [max] = await statementsOf('attested:1');
    assert.ok(max);
    assert.equal(max.predicateType, 'https://slsa.dev/provenance/v1');
    assert.match(max.subject[0]?.name ?? '', /^pkg:docker\/attested@1\?platform=linux%2F(amd64|arm64)$/);
    const { externalParameters, resolvedDependencies } = max.predicate.buildDefinition;
    assert.equal(externalParameters.request.args['build-arg:TOKEN'], 'visible');
    assert.deepEqual(externalParameters.request.secrets, [{ id: 'key', optional: true }]);
    assert.match(resolvedDependencies[0]?.uri ?? '', /^pkg:docker\/gantry-test\/busybox@1\?platform=/);
    assert.equal(`sha256:${resolvedDependencies[0]?.digest.sha256}`, await idOf(busybox));
    assert.ok(max.predicate.runDetails.metadata.buildkit_metadata.source !== undefined);
    assert.equal(await docker.ok('run', '--rm', 'attested:1', 'cat', '/x'), 'x');
    await built(context, '--tag=attested:2', '--provenance=mode=min', '--build-arg=TOKEN=visible', '--label=a=b');
    const [min] = await statementsOf('attested:2');
    assert.doesNotMatch(JSON.stringify(min), /visible|"key"|label:a/);
    const wrong = await build(context, '--provenance=mode=most');
    assert.match(wrong.stderr, /invalid provenance mode "most": expected min or max/);
  });

  test('an image that is built again and stays is the same image: what nobody asked for is not in it', async (t) => {
    const context = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'RUN echo x > /x') });
    await built(context, '--tag=same:1');
    const id = await idOf('same:1');
    assert.deepEqual(await statementsOf('same:1'), []);
    await built(context, '--tag=same:1');
    assert.equal(await idOf('same:1'), id);
  });

  test('a generator lists what the result consists of, for images and for folders', async (t) => {
    const generator = await folder(t, {
      Dockerfile: lines(`FROM ${busybox}`, 'COPY --chmod=755 scan /scan', 'ENTRYPOINT ["/scan"]'),
      scan: lines(
        '#!/bin/sh',
        'set -e',
        '[ "$BUILDKIT_SCAN_EXTRA" = more ]',
        'if touch "$BUILDKIT_SCAN_SOURCE/x" 2>/dev/null; then exit 9; fi',
        'names=$(cd "$BUILDKIT_SCAN_SOURCE" && find . -name "planted*")',
        String.raw`printf '{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","predicate":{"found":"%s"}}' "$names" > "$BUILDKIT_SCAN_DESTINATION/sbom.spdx.json"`,
      ),
    });
    await built(generator, '--tag=generator:1');
    const context = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'RUN echo x > /planted') });
    const options = ['--attest=type=sbom,generator=generator:1,EXTRA=more', '--provenance=mode=min'];
    await built(context, '--tag=listed:1', ...options);
    const found = await statementsOf('listed:1');
    assert.deepEqual(found.map(({ predicateType }) => predicateType).sort(), [
      'https://slsa.dev/provenance/v1',
      'https://spdx.dev/Document',
    ]);
    const list = found.find(({ predicateType }) => predicateType === 'https://spdx.dev/Document');
    assert.deepEqual(list?.predicate, { found: './planted' });
    const out = emptyFolder(t);
    const small = await folder(t, {
      Dockerfile: lines('FROM scratch', 'COPY planted.txt z /'),
      'planted.txt': 'p',
      z: '',
    });
    await built(small, ...options, '-o', out);
    assert.deepEqual(readdirSync(out).sort(), ['planted.txt', 'provenance.json', 'sbom.spdx.json', 'z']);
    const said = JSON.parse(readFileSync(join(out, 'sbom.spdx.json'), 'utf8')) as Statement;
    assert.deepEqual(said.subject[0], {
      name: 'planted.txt',
      digest: { sha256: '148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940' },
    });
    const failing = await build(context, '--attest=type=sbom,generator=generator:1');
    assert.match(failing.stderr, /the SBOM generator generator:1 failed: exit code: 1/);
  });
});
