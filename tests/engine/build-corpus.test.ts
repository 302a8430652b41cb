import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { withBuildx } from '../support/buildx.ts';
import { isOracle } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { corpus, type CorpusCase } from './_build-corpus.ts';
import { busybox, dockerOf } from './_docker.ts';
import { dateContext, type Shape, shapeOf } from './_image-shape.ts';

/**
 * What Docker's engine makes of each Dockerfile of the corpus, through buildx. Recorded with GANTRY_TEST_ORACLE=dockerd and
 * GANTRY_UPDATE_GOLDEN=1: read the difference before it is committed.
 */
const recordedFile = new URL('build-corpus.json', import.meta.url);
const recorded = JSON.parse(readFileSync(recordedFile, 'utf8')) as Record<string, Shape>;
const isRecording = process.env['GANTRY_UPDATE_GOLDEN'] === '1';
const isLong = process.env['GANTRY_TEST_LONG'] === '1';

async function contextOf({ files, modes = {}, links = {} }: CorpusCase): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'gantry-corpus-'));
  for (const [name, content] of Object.entries(files)) {
    const path = join(root, name);
    await mkdir(name.endsWith('/') ? path : dirname(path), { recursive: true });
    if (!name.endsWith('/')) await writeFile(path, content);
  }
  for (const [name, target] of Object.entries(links)) await symlink(target, join(root, name));
  for (const [name, mode] of Object.entries(modes)) await chmod(join(root, name), mode);
  await dateContext(root);
  return root;
}

/**
 * Directories that are in a layer of Docker's because the builder mounted something below them, and in none of ours, as no
 * command changed them.
 */
const touched = new Set(['drwxr-xr-x 0/0 etc/', 'drwxr-xr-x 0/0 2024-01-01T00:00:00 etc/', 'drwxr-xr-x 0/0 var/']);

engineSuite('a corpus of Dockerfiles gives what Docker makes of it', { prepare: withBuildx }, (engine) => {
  const docker = dockerOf(engine);
  const seen: Record<string, Shape> = {};
  after(() => {
    if (isRecording && isOracle()) writeFileSync(recordedFile, `${JSON.stringify(seen, undefined, 1)}\n`);
  });

  async function built(name: string, one: CorpusCase, door: 'buildx' | 'classic'): Promise<Shape> {
    const root = await contextOf(one);
    try {
      const image = `corpus:${name.replaceAll(/[^a-z]+/g, '-')}`;
      const named = (one.options ?? []).map((option) => option.replace('CONTEXT', root));
      const context = one.options?.some((option) => option.includes('/main/')) === true ? join(root, 'main') : root;
      const command = door === 'buildx' ? ['buildx', 'build', '--progress=plain', '--provenance=false'] : ['build'];
      const { code, stderr, stdout } = await engine().docker([...command, '-t', image, ...named, context], {
        env: { DOCKER_BUILDKIT: door === 'buildx' ? '1' : '0' },
        timeout: 60_000,
      });
      assert.equal(code, 0, `${stdout}${stderr}`);
      return await shapeOf(docker, image, busybox, (line) => touched.has(line));
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  }

  for (const [at, [name, one]] of Object.entries(corpus).entries()) {
    // Each door costs a second a case: in the short run they take turns.
    const doors =
      isOracle() || one.isBuildxOnly === true
        ? ['buildx']
        : isLong
          ? ['buildx', 'classic']
          : [at % 2 ? 'classic' : 'buildx'];
    for (const door of doors as ('buildx' | 'classic')[]) {
      test(`${name}, by ${door}`, async () => {
        const shape = await built(name, one, door);
        seen[name] = shape;
        if (!isRecording) assert.deepEqual(shape, recorded[name]);
      });
    }
  }
});
