import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { describe as group, test, type TestContext } from 'node:test';
import { readTar } from '../archive/tar/read.ts';
import { defaultTarLimits } from '../archive/tar/entry.ts';
import { hexOf } from '../base/ids.ts';
import { type ByteStream, readAll } from '../base/stream.ts';
import {
  asStream,
  describe,
  layoutOf,
  makeImage,
  makeIndex,
  openTestImages,
  sha256,
  tar,
  type TestImages,
} from './_fixture.ts';

const decoder = new TextDecoder();

interface SavedMember {
  readonly name: string;
  readonly mode: number;
  readonly mtime: number;
  readonly bytes: Uint8Array;
}

/** What `docker save` writes, whole, and its members in their order. */
async function save(
  { images }: TestImages,
  names: readonly string[],
  platforms: readonly string[] = [],
): Promise<{ bytes: Uint8Array; members: SavedMember[] }> {
  const archive = await images.save(names, { platforms, signal: AbortSignal.timeout(60_000) });
  try {
    const bytes = await readLent(archive.content);
    const members: SavedMember[] = [];
    for await (const { entry, body } of readTar(asStream([bytes]), defaultTarLimits)) {
      const { name, mode, mtime } = entry;
      members.push({ name, mode, mtime, bytes: await readAll(body, 1 << 30) });
    }
    return { bytes, members };
  } finally {
    await archive.close();
  }
}

/** A piece is lent only until the next one. */
async function readLent(content: ByteStream): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks);
}

const jsonOf = (members: readonly SavedMember[], name: string): unknown =>
  JSON.parse(decoder.decode(members.find((member) => member.name === name)?.bytes));

const named = (target: { digest: string; size: number; mediaType: string }, name: string, tag: string) => ({
  mediaType: target.mediaType,
  digest: target.digest,
  size: target.size,
  annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': tag },
});

const twoPlatforms = async (context: TestContext) => {
  const t = await openTestImages(context);
  const [intel, arm] = [await makeImage(['a', 'i']), await makeImage(['a', 'm'], { architecture: 'arm64' })];
  const index = makeIndex([
    { image: intel, architecture: 'amd64' },
    { image: arm, architecture: 'arm64' },
  ]);
  const blobs = [index.bytes, ...new Map([...intel.blobs, ...arm.blobs]).values()];
  await t.load([await tar(layoutOf([{ target: index.target, name: 'docker.io/library/both:1' }], blobs))]);
  return { t, intel, arm, index };
};

group('what is saved', () => {
  test('a Docker archive and an OCI layout in one, as containerd writes it', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a', 'b']);
    const target = { target: image.target, name: 'docker.io/library/x:1' };
    await t.load([await tar(layoutOf([target], image.blobs.values()))]);
    await t.images.tag('x:1', 'host.example:5000/y', '2');
    const { bytes, members } = await save(t, ['x:1', 'host.example:5000/y:2', 'x:1']);
    const blobs = [...image.blobs.keys()].map((digest) => `blobs/sha256/${hexOf(digest)}`).sort();
    assert.deepEqual(
      members.map(({ name, mode, mtime }) => [name, mode, mtime]),
      [
        ['blobs/', 0o755, 0],
        ['blobs/sha256/', 0o755, 0],
        ...blobs.map((name) => [name, 0o444, 0]),
        ['index.json', 0o644, 0],
        ['manifest.json', 0o644, 0],
        ['oci-layout', 0o444, 0],
      ],
    );
    for (const [digest, content] of image.blobs) {
      const stored = members.find(({ name }) => name.endsWith(hexOf(digest)));
      assert.deepEqual(Buffer.from(stored?.bytes ?? []), Buffer.from(content));
    }
    assert.deepEqual(jsonOf(members, 'index.json'), {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [named(image.target, 'docker.io/library/x:1', '1'), named(image.target, 'host.example:5000/y:2', '2')],
    });
    assert.deepEqual(jsonOf(members, 'manifest.json'), [
      {
        Config: `blobs/sha256/${hexOf(sha256(image.config))}`,
        RepoTags: ['x:1', 'host.example:5000/y:2'],
        Layers: image.layers.map((layer) => `blobs/sha256/${hexOf(sha256(layer))}`),
      },
    ]);
    assert.deepEqual(jsonOf(members, 'oci-layout'), { imageLayoutVersion: '1.0.0' });
    assert.deepEqual(t.events.slice(-1), [`save ${image.target.digest}`]);
    // The same images always give the same bytes.
    assert.deepEqual((await save(t, ['x:1', 'host.example:5000/y:2'])).bytes, bytes);
    const other = await openTestImages(context);
    assert.deepEqual(await other.load([bytes]), ['Loaded image: x:1', 'Loaded image: host.example:5000/y:2']);
    assert.equal((await other.images.resolve('x:1')).id, image.target.digest);
  });

  test('all tags of a repository, an id without a name, several images', async (context) => {
    const t = await openTestImages(context);
    const [first, second] = [await makeImage(['shared', '1']), await makeImage(['shared', '2'])];
    const targets = [
      { target: first.target, name: 'docker.io/library/r:b' },
      { target: second.target, name: 'docker.io/library/r:a' },
      { target: second.target, name: 'docker.io/library/other:1' },
    ];
    const blobs = new Map([...first.blobs, ...second.blobs]);
    await t.load([await tar(layoutOf(targets, blobs.values()))]);
    const all = jsonOf((await save(t, ['r'])).members, 'manifest.json') as { RepoTags: string[] }[];
    assert.deepEqual(
      all.map(({ RepoTags }) => RepoTags),
      [['r:a'], ['r:b']],
    );
    for (const id of [first.target.digest, hexOf(first.target.digest).slice(0, 12), `r@${first.target.digest}`]) {
      const { members } = await save(t, [id]);
      assert.deepEqual(jsonOf(members, 'index.json'), {
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.index.v1+json',
        manifests: [describe(first.target.mediaType, first.manifest)],
      });
      assert.equal((jsonOf(members, 'manifest.json') as { RepoTags: unknown }[])[0]?.RepoTags, null);
    }
    const both = await save(t, ['r:a', 'r:b']);
    assert.equal(both.members.filter(({ name }) => name.startsWith('blobs/sha256/')).length, 1 + blobs.size);
  });

  test('one platform alone, several with their index, all', async (context) => {
    const { t, intel, arm, index } = await twoPlatforms(context);
    const targetOf = async (platforms: readonly string[]) => {
      const { bytes, members } = await save(t, ['both:1'], platforms);
      const { manifests } = jsonOf(members, 'index.json') as { manifests: { digest: string }[] };
      const other = await openTestImages(context);
      await other.load([bytes]);
      return { digest: manifests[0]?.digest, stored: new Set((await other.stored()).blobs) };
    };
    const everything = new Set([index.target.digest, ...intel.blobs.keys(), ...arm.blobs.keys()]);
    assert.deepEqual(await targetOf([]), { digest: index.target.digest, stored: everything });
    assert.deepEqual(await targetOf(['linux/amd64', 'linux/arm64']), {
      digest: index.target.digest,
      stored: everything,
    });
    assert.deepEqual(await targetOf(['linux/arm64']), {
      digest: arm.target.digest,
      stored: new Set(arm.blobs.keys()),
    });
    assert.deepEqual(await targetOf(['linux/arm64', 'linux/s390x']), {
      digest: index.target.digest,
      stored: new Set([index.target.digest, ...arm.blobs.keys()]),
    });
    const { members } = await save(t, ['both:1']);
    const [shown] = jsonOf(members, 'manifest.json') as { Config: string }[];
    assert.equal(shown?.Config, `blobs/sha256/${hexOf(sha256(intel.config))}`);
  });
});

group('what cannot be saved', () => {
  test('names and platforms that are not there, before anything is sent', async (context) => {
    const { t } = await twoPlatforms(context);
    const signal = AbortSignal.timeout(60_000);
    const refused = (names: string[], platforms: string[], expected: object) =>
      assert.rejects(t.images.save(names, { platforms, signal }), expected);
    await refused(['both:1', 'none'], [], { code: 'not-found', message: 'No such image: none:latest' });
    await refused(['both:2'], [], { code: 'not-found', message: 'No such image: both:2' });
    await refused([''], [], { code: 'invalid' });
    await refused([], [], { code: 'invalid' });
    await refused(['Upper'], [], { code: 'invalid' });
    await refused(['both:1'], ['linux/s390x'], {
      code: 'not-found',
      message: /does not provide the specified platform \(linux\/s390x\)$/,
    });
    await refused(['both:1'], ['a/b/c/d'], { code: 'invalid' });
    assert.equal(t.events.filter((event) => event.startsWith('save')).length, 0);
  });

  test('a blob that was changed on the disk breaks the archive off', async (context) => {
    const t = await openTestImages(context);
    const image = await makeImage(['a']);
    await t.load([await tar(layoutOf([{ target: image.target, name: 'x' }], image.blobs.values()))]);
    const path = t.blobPath(sha256(image.layers[0] ?? new Uint8Array()));
    const bytes = await readFile(path);
    bytes[700] = (bytes[700] ?? 0) ^ 1;
    await writeFile(path, bytes);
    await assert.rejects(save(t, ['x']), { code: 'corrupt' });
    await writeFile(path, bytes.subarray(1));
    await assert.rejects(t.images.save(['x'], { platforms: [], signal: AbortSignal.timeout(60_000) }), {
      code: 'corrupt',
    });
  });
});

test('an image that is removed meanwhile is saved whole, and gone afterwards', async (context) => {
  const t = await openTestImages(context);
  const image = await makeImage(['a', 'b']);
  const bytes = await tar(layoutOf([{ target: image.target, name: 'x' }], image.blobs.values()));
  await t.load([bytes]);
  const archive = await t.images.save(['x'], { platforms: [], signal: AbortSignal.timeout(60_000) });
  await t.images.remove('x', { force: true });
  assert.equal((await t.stored()).blobs.length, image.blobs.size);
  const saved = await readLent(archive.content);
  await archive.close();
  assert.deepEqual(await t.stored(), { blobs: [], layers: [] });
  await t.load([saved]);
  assert.equal((await t.images.resolve('x')).id, image.target.digest);
});

test('what is removed during a check is gone after it', async (context) => {
  const t = await openTestImages(context);
  const image = await makeImage(['a', 'b']);
  await t.load([await tar(layoutOf([{ target: image.target, name: 'x' }], image.blobs.values()))]);
  let removal: Promise<unknown> | undefined;
  const report = await t.images.check({
    repair: false,
    progress: () => void (removal ??= t.images.remove('x', { force: true })),
    signal: AbortSignal.timeout(60_000),
  });
  await removal;
  assert.deepEqual(report.Problems, []);
  assert.deepEqual(await t.stored(), { blobs: [], layers: [] });
});

test('a reader that gives up ends the work', async (context) => {
  const t = await openTestImages(context);
  const image = await makeImage(['a']);
  await t.load([await tar(layoutOf([{ target: image.target, name: 'x' }], image.blobs.values()))]);
  const gone = new AbortController();
  const archive = await t.images.save(['x'], { platforms: [], signal: gone.signal });
  gone.abort();
  await assert.rejects(readAll(archive.content, 1 << 30));
  await archive.close();
});
