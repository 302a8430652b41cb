import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { withBuildx } from '../support/buildx.ts';
import { isOracle } from '../support/engine.ts';
import { startRegistry } from '../support/registry.ts';
import { engineSuite } from '../support/suite.ts';
import { emptyFolder, folder, lines } from './_build-folder.ts';
import { buildxOf } from './_buildx.ts';
import { busybox } from './_docker.ts';

const skip = isOracle() && 'dockerd exports caches only with its containerd image store';

engineSuite('caches of builds that travel', { prepare: withBuildx, skip }, (engine) => {
  const { docker, build, built } = buildxOf(engine);
  const project = (t: TestContext) =>
    folder(t, {
      Dockerfile: lines(
        `FROM ${busybox} AS make`,
        'COPY f /f',
        'RUN cat /f > /made && echo "$(date +%N)" >> /made',
        `FROM ${busybox}`,
        'WORKDIR /w',
        'RUN date +%N > /own',
        'RUN true',
        'COPY --from=make /made /made',
        'COPY --link f /linked',
      ),
      f: 'content\n',
    });
  const cachedIn = (output: string): string[] =>
    [...output.matchAll(/^#(\d+) CACHED$/gm)].map(
      ([, number]) => new RegExp(`^#${number} (\\[.*)$`, 'm').exec(output)?.[1] ?? '',
    );
  /** As if this were another engine. */
  const forget = async (...images: string[]): Promise<void> => {
    await docker.ok('rmi', '-f', ...images);
    await docker.ok('buildx', 'prune', '--all', '--force');
  };
  const idOf = (name: string) => docker.ok('image', 'inspect', '--format', '{{.Id}}', name);

  test('by a folder of the client, all steps or those of the result', async (t) => {
    const context = await project(t);
    const [all, few] = [emptyFolder(t), emptyFolder(t)];
    await built(context, '--tag=cache:1', '--cache-to', `type=local,dest=${all},mode=max`);
    await built(context, '--tag=cache:1', '--cache-to', `type=local,dest=${few}`);
    assert.ok(readdirSync(join(few, 'blobs/sha256')).length < readdirSync(join(all, 'blobs/sha256')).length);
    const id = await idOf('cache:1');
    await forget('cache:1');
    const again = await built(context, '--tag=cache:1', '--cache-from', `type=local,src=${all}`);
    for (const step of ['RUN cat', 'WORKDIR', 'RUN date', 'RUN true', 'COPY --from', 'COPY --link', 'COPY f']) {
      assert.ok(
        cachedIn(again).some((title) => title.includes(step)),
        `${step}: ${again}`,
      );
    }
    assert.equal(await idOf('cache:1'), id);
    await forget('cache:1');
    const partly = cachedIn(await built(context, '--tag=cache:1', '--cache-from', `type=local,src=${few}`));
    assert.ok(partly.some((title) => title.includes('RUN date')));
    assert.ok(!partly.some((title) => title.includes('RUN cat')));
  });

  test('by a registry, beside an image and in it', async (t) => {
    await using registry = await startRegistry(engine().namespaces);
    const context = await project(t);
    const ref = `${registry.host}/team/cache:buildcache`;
    await built(context, '--tag=cache:1', '--cache-to', `type=registry,ref=${ref},mode=max`);
    const id = await idOf('cache:1');
    await forget('cache:1');
    await built(context, '--tag=cache:1', '--cache-from', `type=registry,ref=${ref}`);
    assert.equal(await idOf('cache:1'), id);
    const index = `${registry.host}/team/cache:index`;
    await built(context, '--tag=cache:1', '--cache-to', `type=registry,ref=${index},mode=max,image-manifest=false`);
    await forget('cache:1');
    await built(context, '--tag=cache:1', '--cache-from', index);
    assert.equal(await idOf('cache:1'), id);
    const inline = `${registry.host}/team/app:1`;
    await built(context, '--push', '--tag', inline, '--provenance=false', '--cache-to', 'type=inline');
    await forget('cache:1', inline);
    const again = await built(context, '--tag=cache:1', '--cache-from', `type=registry,ref=${inline}`);
    assert.ok(
      cachedIn(again).some((title) => title.includes('RUN date')),
      again,
    );
  });

  test('one that is not there, or that somebody has broken, is told of, and the build goes on without it', async (t) => {
    const context = await project(t);
    const place = emptyFolder(t);
    await built(context, '--tag=cache:1', '--cache-to', `type=local,dest=${place},mode=max`);
    await forget('cache:1');
    const missing = await built(context, '--tag=cache:1', '--cache-from', '127.0.0.1:1/nothing:here');
    assert.match(missing, /importing cache manifest from 127\.0\.0\.1:1\/nothing:here\n#\d+ ERROR/);
    await forget('cache:1');
    const blobs = join(place, 'blobs/sha256');
    for (const name of readdirSync(blobs)) {
      const bytes = readFileSync(join(blobs, name));
      if (bytes[0] !== 0x1f) continue;
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 0xff;
      writeFileSync(join(blobs, name), bytes);
    }
    const broken = await built(context, '--tag=cache:1', '--cache-from', `type=local,src=${place}`);
    assert.match(broken, /\[cache\] fetch sha256:[0-9a-f]{64}\n#\d+ ERROR/);
    assert.equal(await docker.ok('run', '--rm', 'cache:1', 'head', '-1', '/made'), 'content');
    const wrong = await build(context, '--cache-to', `type=local,dest=${place},mode=most`);
    assert.match(wrong.stderr, /invalid cache export mode "most": expected min or max/);
    const bad = await build(context, '--cache-to', 'type=registry,ref=127.0.0.1:1/nothing:here');
    assert.equal(bad.code, 1);
    await built(context, '--cache-to', 'type=registry,ref=127.0.0.1:1/nothing:here,ignore-error=true');
  });
});
