import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe } from 'node:test';
import { type EngineOptions, isOracle, seenBy, startEngine, type TestEngine } from './engine.ts';
import { exists } from './image-archive.ts';
import { type ImageName, testImage } from './images.ts';
import { compareStock, type LeakSnapshot, takeStock } from './leaks.ts';
import { needsRoot } from './skip.ts';
import { eventually } from './wait.ts';

export interface SuiteOptions extends EngineOptions {
  /** Images that are loaded before the first test; the first one is also run, so that everything lazy is there. */
  readonly images?: readonly [ImageName, ...ImageName[]];
  /** Runtimes that tests use besides the default one: each has a folder from its first container on. */
  readonly runtimes?: readonly string[];
  readonly skip?: string | false;
}

/**
 * A group of tests that share one engine. After each of them its containers, networks, volumes and images are removed, and
 * nothing else than before may be left in the kernel, on the disk or in the engine's descriptors.
 */
export function engineSuite(name: string, options: SuiteOptions, define: (engine: () => TestEngine) => void): void {
  describe(name, { skip: options.skip || needsRoot() }, () => {
    let engine: TestEngine | undefined;
    let stock: LeakSnapshot = [];
    let keep: readonly string[] = [];
    const running = (): TestEngine => {
      if (engine === undefined) throw new Error('the engine did not start');
      return engine;
    };
    before(async () => {
      engine = await startEngine(options);
      const images = options.images ?? ['busybox'];
      await engine.load(...images);
      for (const { name } of await Promise.all(images.map(testImage))) {
        await warmUp(engine, name, withDefault(options.runtimes ?? []));
      }
      keep = await imageIds(engine);
      stock = await settledStock(engine);
    });
    afterEach(async () => {
      if (engine === undefined) return;
      await removeEverything(engine, keep);
      await checkLeaks(engine, stock);
    });
    after(() => engine?.[Symbol.asyncDispose]());
    define(running);
  });
}

/** Of the process behind published ports, which ends a while after the last one. */
const proxySocket = 'resolver.sock';

/** Where another runtime than crun is the default, tests that choose one may choose crun. */
const withDefault = (runtimes: readonly string[]): readonly string[] =>
  runtimes.length === 0 || process.env['GANTRY_TEST_RUNTIME'] === undefined || isOracle()
    ? runtimes
    : [...new Set([...runtimes, 'crun'])];

/** Uses once what an engine makes at its first use and keeps: pools of namespaces, the process behind published ports. */
async function warmUp(engine: TestEngine, image: string, runtimes: readonly string[]): Promise<void> {
  const published = await engine.dockerOk(['run', '-d', '--publish=80', image, 'sleep', '1000']);
  const first = [['--network=none'], ['--volume=/var/warm'], ...runtimes.map((name) => [`--runtime=${name}`])];
  await Promise.all(first.map((options) => engine.dockerOk(['run', '--rm', ...options, image, 'true'])));
  if (!isOracle()) await eventually('the proxy process serves', () => exists(join(engine.paths.execRoot, proxySocket)));
  await engine.dockerOk(['rm', '-f', published]);
  const containers = seenBy(engine, join(engine.paths.dataRoot, 'containers'));
  await eventually('the first containers are gone', async () => (await readdir(containers)).length === 0);
}

async function removeEverything(engine: TestEngine, keepImages: readonly string[]): Promise<void> {
  const containers = await list(engine, 'ps', '-aq');
  if (containers.length > 0) await removeContainers(engine, containers);
  const networks = await list(engine, 'network', 'ls', '-q', '--filter=type=custom');
  if (networks.length > 0) await engine.dockerOk(['network', 'rm', ...networks]);
  const volumes = await list(engine, 'volume', 'ls', '-q');
  if (volumes.length > 0) await engine.dockerOk(['volume', 'rm', ...volumes]);
  await removeImages(engine, keepImages);
  await engine.api('POST', '/build/prune?all=1');
}

/** dockerd refuses an image while another one that a build made stands on it: it goes in one of the next rounds. */
async function removeImages(engine: TestEngine, keep: readonly string[]): Promise<void> {
  for (let before = Number.POSITIVE_INFINITY; ; ) {
    const images = (await imageIds(engine)).filter((id) => !keep.includes(id));
    if (images.length === 0) return;
    const { code, stderr } = await engine.docker(['rmi', '-f', ...images]);
    if (code === 0) return;
    if (!isOracle() || images.length >= before) throw new Error(`docker rmi: ${stderr}`);
    before = images.length;
  }
}

/** What a test ran with `--rm` may just be going by itself: that alone is no failure, and is waited for. */
async function removeContainers(engine: TestEngine, containers: readonly string[]): Promise<void> {
  const { code, stderr } = await engine.docker(['rm', '-f', '-v', ...containers]);
  const isGoing = (line: string) => /removal of container \S+ is already in progress$/.test(line);
  if (code !== 0 && !stderr.trim().split('\n').every(isGoing)) throw new Error(`docker rm: ${stderr}`);
  await eventually('the containers are gone', async () => (await list(engine, 'ps', '-aq')).length === 0);
}

const imageIds = async (engine: TestEngine): Promise<readonly string[]> => [
  ...new Set(await list(engine, 'images', '-aq', '--no-trunc')),
];

async function list(engine: TestEngine, ...command: readonly string[]): Promise<readonly string[]> {
  return (await engine.dockerOk(command)).split('\n').filter((line) => line !== '');
}

/** The stock once two looks in a row agree: what the engine does in the background is over. */
async function settledStock(engine: TestEngine): Promise<LeakSnapshot> {
  let last = await takeStock(engine.leakScope());
  return eventually(
    'the engine comes to rest',
    async () => {
      const next = await takeStock(engine.leakScope());
      const isSame = compareStock(last, next).length === 0;
      last = next;
      return isSame ? next : undefined;
    },
    { every: 200 },
  );
}

/**
 * Threads that end for want of work take their descriptors along; a cable goes a moment after its container, the proxy
 * process some seconds after the last published port.
 */
const goesByItself = /^gone: (descriptor |link g[0-9a-f]{6}\*$|.*resolver|network namespace of the instance$)/;

/**
 * @throws AssertionError with everything that is left behind, when it does not go within five seconds. Layers that are
 * directories are deleted in the background, and other tests keep the disk busy: they are given a minute.
 */
export async function checkLeaks(engine: TestEngine, stock: LeakSnapshot): Promise<void> {
  // dockerd keeps more files and descriptors than it had: the check is about Gantry.
  if (isOracle()) return;
  let found: readonly string[] = [];
  await eventually(
    'nothing is left behind',
    async () => {
      const compared = compareStock(stock, await takeStock(engine.leakScope()));
      found = compared.filter((line) => !goesByItself.test(line));
      return found.length === 0;
    },
    { timeout: process.env['GANTRY_TEST_STORAGE'] === 'dir' ? 60_000 : 5_000, every: 50 },
  ).catch(() => assert.fail(`left behind after the test:\n${found.slice(0, 40).join('\n')}`));
}
