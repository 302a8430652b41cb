import assert from 'node:assert/strict';
import { after, afterEach, before, describe } from 'node:test';
import { type EngineOptions, isOracle, startEngine, type TestEngine } from './engine.ts';
import { type ImageName, testImage } from './images.ts';
import { compareStock, type LeakSnapshot, takeStock } from './leaks.ts';
import { needsRoot } from './skip.ts';
import { eventually } from './wait.ts';

export interface SuiteOptions extends EngineOptions {
  /** Images that are loaded before the first test; the first one is also run once, so that everything lazy is there. */
  readonly images?: readonly [ImageName, ...ImageName[]];
  readonly skip?: string | false;
}

/**
 * A group of tests that share one engine. After each of them its containers and volumes are removed, and nothing else
 * than before may be left in the kernel, on the disk or in the engine's descriptors.
 */
export function engineSuite(name: string, options: SuiteOptions, define: (engine: () => TestEngine) => void): void {
  describe(name, { skip: options.skip || needsRoot() }, () => {
    let engine: TestEngine | undefined;
    let stock: LeakSnapshot = [];
    const running = (): TestEngine => {
      if (engine === undefined) throw new Error('the engine did not start');
      return engine;
    };
    before(async () => {
      engine = await startEngine(options);
      const images = options.images ?? ['busybox'];
      await engine.load(...images);
      await engine.dockerOk(['run', '--rm', (await testImage(images[0])).name, 'true']);
      stock = await settledStock(engine);
    });
    afterEach(async () => {
      if (engine === undefined) return;
      await removeEverything(engine);
      await checkLeaks(engine, stock);
    });
    after(() => engine?.[Symbol.asyncDispose]());
    define(running);
  });
}

async function removeEverything(engine: TestEngine): Promise<void> {
  const containers = (await engine.dockerOk(['ps', '-aq'])).split('\n').filter((id) => id !== '');
  if (containers.length > 0) await engine.dockerOk(['rm', '-f', '-v', ...containers]);
  const volumes = (await engine.dockerOk(['volume', 'ls', '-q'])).split('\n').filter((id) => id !== '');
  if (volumes.length > 0) await engine.dockerOk(['volume', 'rm', ...volumes]);
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

/** @throws AssertionError with everything that is left behind, when it does not go within five seconds. */
export async function checkLeaks(engine: TestEngine, stock: LeakSnapshot): Promise<void> {
  // dockerd keeps more files and descriptors than it had: the check is about Gantry.
  if (isOracle()) return;
  let found: readonly string[] = [];
  await eventually(
    'nothing is left behind',
    async () => {
      found = compareStock(stock, await takeStock(engine.leakScope()));
      return found.length === 0;
    },
    { timeout: 5_000, every: 50 },
  ).catch(() => assert.fail(`left behind after the test:\n${found.slice(0, 40).join('\n')}`));
}
