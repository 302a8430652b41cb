import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { withBuildx } from '../support/buildx.ts';
import { isOracle } from '../support/engine.ts';
import { must } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { corpus, type CorpusCase } from './_build-corpus.ts';
import { busybox, dockerOf } from './_docker.ts';

/**
 * What Docker's engine makes of each Dockerfile of the corpus, through buildx. Recorded with GANTRY_TEST_ORACLE=dockerd and
 * GANTRY_UPDATE_GOLDEN=1: read the difference before it is committed.
 */
const recordedFile = new URL('build-corpus.json', import.meta.url);
const recorded = JSON.parse(readFileSync(recordedFile, 'utf8')) as Record<string, Shape>;
const isRecording = process.env['GANTRY_UPDATE_GOLDEN'] === '1';
const isLong = process.env['GANTRY_TEST_LONG'] === '1';

/** What can be compared of two images. */
interface Shape {
  readonly config: Record<string, unknown>;
  /** What `docker history` says of the build's own steps, the first one first. */
  readonly history: readonly string[];
  /** The members of each layer above the base, as tar lists them. */
  readonly layers: readonly (readonly string[])[];
}

const contextTime = new Date('2023-05-06T07:08:09Z');
/** Times after this are those of the build. */
const recent = '2026-01-01';
/** Files of this day are the base image's: how large its programs are is the host's matter. */
const baseDate = '2024-01-01';

async function contextOf({ files, modes = {}, links = {} }: CorpusCase): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'gantry-corpus-'));
  for (const [name, content] of Object.entries(files)) {
    const path = join(root, name);
    await mkdir(name.endsWith('/') ? path : dirname(path), { recursive: true });
    if (!name.endsWith('/')) await writeFile(path, content);
  }
  for (const [name, target] of Object.entries(links)) await symlink(target, join(root, name));
  for (const [name, mode] of Object.entries(modes)) await chmod(join(root, name), mode);
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) await utimes(join(entry.parentPath, entry.name), contextTime, contextTime);
  }
  return root;
}

/** `-rw-r--r-- 0/0 12 etc/hostname`, with the time when it is not that of the build. */
function memberLine(line: string): string {
  const [mode = '', owner = '', size = '', date = '', time = '', ...name] = line.split(/ +/);
  const isOld = date < recent && !mode.startsWith('l');
  const path = name.join(' ');
  // What says that a file is gone has no properties of its own.
  if (path.includes('/.wh.') || path.startsWith('.wh.')) return path;
  return [
    mode,
    owner,
    ...(mode.startsWith('-') && date !== baseDate ? [size] : []),
    ...(isOld ? [`${date}T${time}`] : []),
    ...name,
  ].join(' ');
}

/**
 * Directories that are in a layer of Docker's because the builder mounted something below them, and in none of ours, as no
 * command changed them.
 */
const touched = new Set(['drwxr-xr-x 0/0 etc/', 'drwxr-xr-x 0/0 2024-01-01T00:00:00 etc/', 'drwxr-xr-x 0/0 var/']);

async function layersOf(archive: string): Promise<string[][]> {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-corpus-'));
  try {
    await must('tar', ['-xf', archive, '-C', folder]);
    const [manifest] = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as { Layers: string[] }[];
    const lists = (manifest?.Layers ?? []).map(async (layer) => {
      const text = await must('tar', ['--numeric-owner', '--full-time', '-tvf', join(folder, layer)], {
        env: { ...process.env, TZ: 'UTC0' },
      });
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map(memberLine)
        .filter((line) => !touched.has(line))
        .sort();
    });
    // Ours has no layer where nothing was changed.
    return (await Promise.all(lists)).filter((list) => list.length > 0);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

engineSuite('a corpus of Dockerfiles gives what Docker makes of it', { prepare: withBuildx }, (engine) => {
  const docker = dockerOf(engine);
  const archive = join(tmpdir(), `gantry-corpus-${process.pid}.tar`);
  const seen: Record<string, Shape> = {};
  after(async () => {
    await rm(archive, { force: true });
    if (isRecording && isOracle()) writeFileSync(recordedFile, `${JSON.stringify(seen, undefined, 1)}\n`);
  });

  async function shapeOf(image: string): Promise<Shape> {
    const config = JSON.parse(await docker.ok('image', 'inspect', '--format', '{{json .Config}}', image)) as object;
    const steps = await docker.ok('history', '--no-trunc', '--format', '{{.CreatedBy}}', image);
    const base = await docker.ok('history', '--no-trunc', '--format', '{{.CreatedBy}}', busybox);
    const history = steps.split('\n').toReversed();
    const isOnBase = history[0] === base.split('\n').at(-1);
    await docker.ok('save', '-o', archive, image);
    const layers = await layersOf(archive);
    return {
      config: Object.fromEntries(Object.entries(config).filter(([, value]) => value !== null && value !== '')),
      history: isOnBase ? history.slice(base.split('\n').length) : history,
      layers: isOnBase ? layers.slice(1) : layers,
    };
  }

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
      return await shapeOf(image);
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
