/**
 * Attacks that succeed on an engine without one of its guards, and fail on the real one. What they reach for is made by
 * the test, below its own temporary folder.
 */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestEngine } from '../support/engine.ts';
import { startWeakEngine } from '../support/weak-engine.ts';
import type { WeaknessName } from '../support/weaknesses.ts';

export const none = /^$/;

export const secret = 'a secret of the host';

/** What an attack did; anything but what the real engine lets happen. */
type Attack = (engine: TestEngine, canary: string) => Promise<string>;

async function withCanary<T>(work: (canary: string) => Promise<T>): Promise<T> {
  const canary = await realpath(await mkdtemp(join(tmpdir(), 'gantry-canary-')));
  try {
    await mkdir(join(canary, 'dev'));
    await writeFile(join(canary, 'file'), secret);
    await writeFile(join(canary, 'passwd'), 'ofthehost:x:4321:4321::/:/bin/sh\n');
    return await work(canary);
  } finally {
    await rm(canary, { recursive: true });
  }
}

/** Defines tests; `engine` is the real one. */
export function attacksOn(engine: () => TestEngine) {
  return function attack(
    name: string,
    weakness: WeaknessName,
    tryIt: Attack,
    expected: { readonly weak: RegExp; readonly real: RegExp },
  ): void {
    test(`${name}: works with "${weakness}", fails on the engine`, async () => {
      await withCanary(async (canary) => {
        await using weak = await startWeakEngine(weakness, { GANTRY_TEST_CANARY: canary });
        await weak.load('busybox');
        assert.match(await tryIt(weak, canary), expected.weak);
      });
      await withCanary(async (canary) => {
        const before = await readdir(canary, { recursive: true });
        assert.match(await tryIt(engine(), canary), expected.real);
        assert.deepEqual(await readdir(canary, { recursive: true }), before);
        assert.equal(await readFile(join(canary, 'file'), 'utf8'), secret);
      });
    });
  };
}
