import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { busyboxLayer, dockerArchive, layerOf, ociBlobs, sha256 } from '../support/crafted-image.ts';
import { startEngine, type TestEngine } from '../support/engine.ts';
import { type RecordedDisk, recordDisk } from '../support/recorded-disk.ts';
import { startRegistry } from '../support/registry.ts';
import { must } from '../support/run.ts';
import { onlyLong } from '../support/skip.ts';

const points = Number(process.env['GANTRY_TEST_POWER_CUTS'] ?? 240);
const sizeMiB = 160;
/** Without it each start makes a bridge, which has nothing to do with a disk. */
const flags = ['--bridge=none'];

const noRecorder = (): string | false =>
  existsSync('/usr/bin/qemu-storage-daemon') ? false : 'needs qemu-storage-daemon (Debian: qemu-system-common)';

/** The engine's images as a client sees them: ids, and the id that each name means. */
interface Images {
  readonly ids: ReadonlySet<string>;
  readonly names: ReadonlyMap<string, string>;
}

/** Something that a client asked for: between which entries of the log, and what it saw after the answer. */
interface Step {
  readonly what: string;
  readonly begin: number;
  readonly end: number;
  readonly after: Images;
}

async function imagesOf(engine: TestEngine): Promise<Images> {
  const { status, text } = await engine.api('GET', '/images/json?all=1');
  assert.equal(status, 200, text);
  const list = JSON.parse(text) as { Id: string; RepoTags: string[] }[];
  return {
    ids: new Set(list.map(({ Id }) => Id)),
    names: new Map(list.flatMap(({ Id, RepoTags }) => RepoTags.map((tag) => [tag, Id] as const))),
  };
}

const noise = (name: string, size: number) => layerOf({ name, body: randomBytes(size) });

/** Pulls, loads, tags, imports and removes images; every answer is noted with what the disk had been told until then. */
async function record(engine: TestEngine, disk: RecordedDisk): Promise<Step[]> {
  const steps: Step[] = [];
  const step = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    const begin = await disk.log.catchUp();
    await work();
    const end = await disk.log.catchUp();
    steps.push({ what, begin, end, after: await imagesOf(engine) });
  };
  const docker = (...args: string[]) => engine.dockerOk(args);
  await using registry = await startRegistry(engine.namespaces);
  for (const [at, size] of [700_000, 60_000].entries()) {
    const layers = [
      await busyboxLayer(),
      noise(`file${at}`, size),
      layerOf({ name: 'text', body: 'text '.repeat(9000) }),
    ];
    const packed = layers.map(({ blob }) => ({ blob: gzipSync(blob, { level: 1 }), plain: blob }));
    const { manifest, blobs } = ociBlobs({
      layers: packed.map(({ blob, plain }) => ({ blob, diffId: sha256(plain) })),
    });
    await registry.put('app', String(at), manifest, blobs.slice(0, -1));
  }
  const crafted = async (...names: string[]) =>
    dockerArchive({ names, layers: [await busyboxLayer(), noise('own', 300_000)] });
  await step('nothing', async () => undefined);
  await step('load', async () => engine.load('busybox'));
  for (let round = 0; round < 3; round++) {
    await step('pull', () => docker('pull', `${registry.host}/app:0`));
    await step('tag', () => docker('tag', `${registry.host}/app:0`, `kept:${round}`));
    await step('load two names', async () =>
      engine.dockerOk(['load'], { input: await crafted(`a:${round}`, 'moves:1') }),
    );
    await step('pull another', () => docker('pull', `${registry.host}/app:1`));
    await step('import', () =>
      engine.dockerOk(['import', '-', `imported:${round}`], { input: noise('i', 90_000).blob }),
    );
    await step('untag', () => docker('rmi', `a:${round}`));
    await step('remove', () => docker('rmi', `${registry.host}/app:1`));
    await step('remove the import', () => docker('rmi', `imported:${round}`));
    await step('remove by id', () => docker('rmi', '-f', `kept:${round}`, `${registry.host}/app:0`));
  }
  await step('prune', () => docker('image', 'prune', '-f'));
  return steps;
}

/** A generator of numbers in [0, 1) that gives the same ones each time (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** After so many entries the power goes, at half of the places right after a flush. */
function cutsBetween(disk: RecordedDisk, from: number, to: number, random: () => number): number[] {
  const cuts = new Set<number>();
  const flushes = disk.log.entries.flatMap(({ kind }, at) =>
    kind === 'flush' && at >= from && at < to ? [at + 1] : [],
  );
  for (let at = 0; at < points / 2; at++) cuts.add(flushes[Math.floor((at * flushes.length) / (points / 2))] ?? to);
  while (cuts.size < Math.min(points, to - from)) cuts.add(from + Math.floor(random() * (to - from)));
  return [...cuts].sort((a, b) => a - b);
}

/** Disks as they were at ascending cuts. */
class Replay implements AsyncDisposable {
  readonly #disk: RecordedDisk;
  readonly #path: string;
  readonly #file: FileHandle;
  #done = 0;

  private constructor(disk: RecordedDisk, path: string, file: FileHandle) {
    this.#disk = disk;
    this.#path = path;
    this.#file = file;
  }

  static async begin(disk: RecordedDisk, folder: string): Promise<Replay> {
    const path = join(folder, 'rolling');
    await must('cp', ['--sparse=always', disk.before, path]);
    return new Replay(disk, path, await open(path, 'r+'));
  }

  /**
   * Makes the disk at a cut. Whatever was written before the last flush is there. Of what came after it, which a disk
   * may write in any order, there is everything (`part` 1), nothing (0), or what chance chooses.
   */
  async diskAt(cut: number, target: string, part: number, random: () => number): Promise<void> {
    const { entries } = this.#disk.log;
    let flushed = cut;
    while (flushed > this.#done && entries[flushed - 1]?.kind !== 'flush') flushed--;
    for (const entry of entries.slice(this.#done, flushed)) await this.#disk.log.apply(entry, this.#file);
    this.#done = flushed;
    await must('cp', ['--sparse=always', this.#path, target]);
    await using copy = await open(target, 'r+');
    for (const entry of entries.slice(flushed, cut)) {
      if (entry.durable || random() < part) await this.#disk.log.apply(entry, copy);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

/** What an engine on such a disk must have: what was answered before the cut, and of what was under way all or nothing. */
function assertImages(found: Images, steps: readonly Step[], cut: number): void {
  const before = steps.findLast(({ end }) => end <= cut)?.after ?? { ids: new Set(), names: new Map() };
  const underWay = steps.find(({ begin, end }) => begin < cut && cut < end)?.after ?? before;
  for (const name of new Set([...before.names.keys(), ...underWay.names.keys(), ...found.names.keys()])) {
    const allowed = [before.names.get(name), underWay.names.get(name)];
    assert.ok(
      allowed.includes(found.names.get(name)),
      `${name} is ${found.names.get(name)}, not one of ${allowed.join()}`,
    );
  }
  for (const id of found.ids) assert.ok(before.ids.has(id) || underWay.ids.has(id), `${id} came from nowhere`);
  for (const id of before.ids) assert.ok(found.ids.has(id) || !underWay.ids.has(id), `${id} is lost`);
}

/** An engine that is started on a disk: its images, and what a check of everything finds. */
async function startOn(disk: string): Promise<{ images: Images; problems: unknown[]; errors: string[] }> {
  const mount = async (engine: TestEngine): Promise<void> => {
    const { code, stderr } = await engine.inside(['mount', '-o', 'loop', disk, engine.paths.dataRoot]);
    assert.equal(code, 0, `the file system cannot be mounted: ${stderr}`);
  };
  await using engine = await startEngine({ flags, prepare: mount });
  const images = await imagesOf(engine);
  const { text } = await engine.api('POST', '/system/check');
  const last = JSON.parse(text.trimEnd().split('\n').at(-1) ?? '{}') as { aux?: { Problems: unknown[] } };
  for (const id of images.ids) {
    const tagged = await engine.api('POST', `/images/${id}/tag?repo=still&tag=works`);
    assert.equal(tagged.status, 201, tagged.text);
  }
  const errors = (await engine.logText()).split('\n').filter((line) => /"level":"(error|fatal)"/.test(line));
  await engine.stop();
  return { images, problems: last.aux?.Problems ?? [text], errors };
}

test(`the power goes ${points} times: nothing that was answered is lost, nothing wrong is seen`, {
  skip: onlyLong() || noRecorder(),
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-power-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  let disk: RecordedDisk | undefined;
  await using engine = await startEngine({
    flags,
    prepare: async (starting) => {
      disk = await recordDisk(starting, sizeMiB);
    },
  });
  assert.ok(disk !== undefined);
  const steps = await record(engine, disk);
  await engine.stop();
  const [first, last] = [steps[0]?.begin ?? 0, steps.at(-1)?.end ?? 0];
  const random = seeded(20_261_129);
  const cuts = cutsBetween(disk, first, last, random);
  const replay = await Replay.begin(disk, folder);
  const failures: string[] = [];
  for (const [at, cut] of cuts.entries()) {
    const [target, part] = [join(folder, 'cut'), at % 3 === 0 ? 1 : at % 3 === 1 ? 0 : random()];
    await replay.diskAt(cut, target, part, random);
    try {
      const { images, problems, errors } = await startOn(target);
      assertImages(images, steps, cut);
      assert.deepEqual(problems, []);
      assert.deepEqual(errors, []);
    } catch (error) {
      const during = steps.find(({ begin, end }) => begin <= cut && cut < end)?.what ?? 'between steps';
      failures.push(`cut ${cut} (${during}, ${part} of the rest): ${String(error)}`);
    }
  }
  await replay[Symbol.asyncDispose]();
  await disk[Symbol.asyncDispose]();
  t.diagnostic(
    `${disk.log.entries.length} entries, ${cuts.length} cuts from ${first} to ${last}, ${failures.length} failures`,
  );
  assert.deepEqual(failures, []);
});
