import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { codeOf } from '../base/errors.ts';
import { type Digest, type DiffId, digestOfHex } from '../base/ids.ts';
import { noFilters } from '../spec/engine/filters.ts';
import { largestDocument } from '../spec/oci/json.ts';
import { parseImageConfig } from '../spec/oci/config.ts';
import { parseManifestDocument } from '../spec/oci/manifest.ts';
import { asStream, layoutOf, makeImage, openTestImages, tar, type TestImage, type TestImages } from './_fixture.ts';

/*
 * Operations that add, use and delete images with common layers, many at once in an order that a seed decides. The
 * model knows which names were given and taken away; what must be in the store is worked out from the documents on
 * disk, by their digests alone, and not from the engine's records.
 */

const signal = AbortSignal.timeout(120_000);
const tags = ['x:1', 'x:2', 'y:1', 'z:1'];

interface Model {
  /** Names that must be there, and those of which nobody can know: given and taken away at the same time. */
  readonly names: Set<string>;
  /** Container -> image. */
  readonly users: Map<string, Digest>;
}

/** What a round did, to bring the model up to date when all of it has ended. */
interface Round {
  readonly given: Set<string>;
  readonly taken: Set<string>;
  prunedAll: boolean;
}

type Random = (below: number) => number;
type Operation = (random: Random, round: Round) => Promise<void>;

/** xorshift32: the same seed, the same numbers. */
function randomFrom(seed: number): Random {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const listed = { all: true, sharedSize: false, manifests: false, filters: noFilters };

async function operations(t: TestImages, model: Model): Promise<Operation[]> {
  const layers = [['a'], ['a', 'b'], ['a', 'b', 'c'], ['d', 'b'], ['d'], ['e', 'a']];
  const made = await Promise.all(layers.map((names) => makeImage(names)));
  for (const image of made) for (const [digest, bytes] of image.blobs) t.remote.set(digest, bytes);
  const pick = <T>(random: Random, all: readonly T[]): T => all[random(all.length)] as T;
  const anyId = async (random: Random): Promise<string> => pick(random, await t.images.list(listed))?.Id ?? 'none';
  const take = (round: Round, names: readonly string[] | null | undefined): void => {
    for (const name of names ?? []) round.taken.add(name);
  };
  const load = async (random: Random, round: Round): Promise<void> => {
    const image: TestImage = pick(random, made);
    const name = pick(random, tags);
    await t.load([
      await tar(layoutOf([{ target: image.target, name: `docker.io/library/${name}` }], image.blobs.values())),
    ]);
    round.given.add(name);
  };
  const pull: Operation = async (random, round) => {
    const name = pick(random, tags);
    t.remote.set(name.slice(2), pick(random, made).manifest);
    await t.pull(name);
    round.given.add(name);
  };
  return [
    load,
    load,
    pull,
    pull,
    async function tag(random, round) {
      const [from, to] = [pick(random, tags), pick(random, tags)];
      const [repository = '', name = ''] = to.split(':');
      await t.images.tag(from, repository, name);
      round.given.add(to);
    },
    async function importRoot(random, round) {
      const name = pick(random, tags);
      const [repository = '', tag = ''] = name.split(':');
      const body = asStream([await tar([{ name: pick(random, ['a', 'f']) }])]);
      const rest = { message: '', changes: [], progress: () => undefined, signal };
      await t.images.import({ source: '-', body, repository, tag, ...rest });
      round.given.add(name);
    },
    async function removeName(random, round) {
      const name = pick(random, tags);
      // Also when it fails: what was taken away before the failure is not told.
      round.taken.add(name);
      await t.images.remove(name, { force: false });
    },
    async function removeId(random, round) {
      const id = await anyId(random);
      // Names may be given to it until the moment it goes.
      take(round, tags);
      await t.images.remove(id, { force: true });
    },
    async function prune() {
      await t.images.prune({ filters: noFilters });
    },
    async function pruneAll(_random, round) {
      round.prunedAll = true;
      await t.images.prune({ filters: new Map([['dangling', ['false']]]) as never });
    },
    async function create(random) {
      const user = `c${random(1_000_000)}`;
      const { id } = await t.images.resolve(pick(random, tags));
      t.images.retain(id, user);
      model.users.set(user, id);
    },
    async function removeContainer(random) {
      const user = pick(random, [...model.users.keys()]);
      const id = model.users.get(user);
      if (id === undefined || !model.users.delete(user)) return;
      t.images.release(id, user);
    },
    async function save(random) {
      const archive = await t.images.save([pick(random, tags)], { platforms: [], signal });
      try {
        for await (const _ of archive.content);
      } finally {
        await archive.close();
      }
    },
    () => t.images.sweep(),
  ];
}

/** Every digest that an image needs, found by reading what is on disk; each document is hashed. */
async function contentOf(t: TestImages, id: Digest): Promise<{ blobs: Digest[]; layers: DiffId[] }> {
  const document = parseManifestDocument(await verified(t, id));
  assert.ok(document.kind === 'manifest');
  const { config, layers } = document.manifest;
  for (const { digest } of layers) await verified(t, digest);
  const { rootfs } = parseImageConfig(await verified(t, config.digest));
  return { blobs: [id, config.digest, ...layers.map(({ digest }) => digest)], layers: [...rootfs.diff_ids] };
}

async function verified(t: TestImages, digest: Digest): Promise<Uint8Array> {
  const bytes = await readFile(t.blobPath(digest));
  assert.ok(bytes.length < largestDocument);
  assert.equal(digestOfHex(hash('sha256', bytes)), digest);
  return bytes;
}

/** Nothing that an image needs is missing; `exactly`: and nothing else is there. */
async function checkStore(t: TestImages, exactly: boolean): Promise<void> {
  const [blobs, layers] = [new Set<Digest>(), new Set<DiffId>()];
  for (const { Id } of await t.images.list(listed)) {
    const content = await contentOf(t, Id as Digest);
    for (const blob of content.blobs) blobs.add(blob);
    for (const layer of content.layers) layers.add(layer);
  }
  const stored = await t.stored();
  assert.deepEqual(
    [...blobs].filter((blob) => !stored.blobs.includes(blob)),
    [],
    'missing blobs',
  );
  assert.deepEqual(
    [...layers].filter((layer) => !stored.layers.includes(layer)),
    [],
    'missing layers',
  );
  if (!exactly) return;
  assert.deepEqual(
    stored.blobs.filter((blob) => !blobs.has(blob)),
    [],
    'blobs that nothing needs',
  );
  assert.deepEqual(
    stored.layers.filter((layer) => !layers.has(layer)),
    [],
    'layers that nothing needs',
  );
}

async function checkNames(t: TestImages, model: Model, { given, taken, prunedAll }: Round): Promise<void> {
  const there = new Set((await t.images.list(listed)).flatMap(({ RepoTags }) => RepoTags ?? []));
  const unsure = (name: string): boolean => taken.has(name) || prunedAll;
  for (const name of tags) {
    if (!unsure(name)) assert.equal(there.has(name), given.has(name) || model.names.has(name), `the name ${name}`);
    if (there.has(name)) model.names.add(name);
    else model.names.delete(name);
  }
}

for (const seed of [1, 20_260_105, 77_777]) {
  test(`images come and go at the same time: nothing needed is missing, nothing else stays (seed ${seed})`, async (context) => {
    const t = await openTestImages(context);
    const model: Model = { names: new Set(), users: new Map() };
    const all = await operations(t, model);
    const random = randomFrom(seed);
    const ended = { well: 0, refused: 0 };
    for (let count = 0; count < 25; count++) {
      const round: Round = { given: new Set(), taken: new Set(), prunedAll: false };
      const chosen = Array.from({ length: 2 + random(7) }, () => all[random(all.length)] as Operation);
      for (const result of await Promise.allSettled(chosen.map((operation) => operation(random, round)))) {
        ended[result.status === 'fulfilled' ? 'well' : 'refused']++;
        if (result.status === 'fulfilled') continue;
        // Names that are not there, or in use: nothing else may go wrong.
        assert.ok(['not-found', 'conflict'].includes(codeOf(result.reason) ?? ''), String(result.reason?.stack));
      }
      await checkStore(t, false);
      await checkNames(t, model, round);
      await t.images.sweep();
      await checkStore(t, true);
    }
    assert.ok(ended.well > 50, JSON.stringify(ended));
  });
}
