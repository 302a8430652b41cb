import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Digest, type DiffId, digestOfHex } from '../base/ids.ts';
import { silentLogger } from '../base/log.ts';
import type { BlobStore } from './blobs/blobs.ts';
import { collectGarbage } from './gc.ts';
import type { LayerBackend } from './layers/backend.ts';
import { LeaseBook } from './leases.ts';

const names = ['a', 'b', 'c', 'd'].map((digit) => digestOfHex(digit.repeat(64)));

/** What one task does; the scheduler decides which of the tasks that wait goes on next. */
type Task =
  | { readonly kind: 'add' | 'remove'; readonly image: number; readonly content: readonly number[] }
  | { readonly kind: 'collect' };

const image = fc.nat(2);
const content = fc.uniqueArray(fc.nat(names.length - 1), { minLength: 1 });
const tasks: fc.Arbitrary<Task[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constantFrom('add' as const, 'add' as const, 'remove' as const), image, content }),
    fc.constant({ kind: 'collect' as const }),
  ),
  { minLength: 2, maxLength: 9 },
);

/** A store in memory each of whose steps ends when the scheduler says so. */
function scheduledStore(scheduler: fc.Scheduler) {
  const step = (label: string): Promise<unknown> => scheduler.schedule(Promise.resolve(), label);
  // Full of what nothing needs: collections have something to delete from the start.
  const [blobs, layers] = [new Set<Digest>(names), new Set<DiffId>(names as DiffId[])];
  const records = new Map<number, readonly Digest[]>();
  const leases = new LeaseBook();
  const parts = {
    blobs: {
      list: async () => {
        await step('list');
        return [...blobs].map((digest) => ({ digest, size: 1 }));
      },
      delete: async (digest: Digest) => {
        await step('begin to delete a blob');
        blobs.delete(digest);
        await step('end to delete a blob');
      },
    } as unknown as BlobStore,
    layers: {
      list: () => [...layers].map((diffId) => ({ diffId, storedSize: 1 })),
      delete: async (diffId: DiffId) => {
        await step('begin to delete a layer');
        layers.delete(diffId);
        await step('end to delete a layer');
      },
    } as unknown as LayerBackend,
    snapshots: { layersInUse: () => new Set<DiffId>() },
    leases,
    outlived: new Set<DiffId>(),
    log: silentLogger,
  };
  const live = () => {
    const all = [...records.values()].flat();
    return { blobs: new Set(all), layers: new Set(all as DiffId[]) };
  };
  let collecting: Promise<unknown> = Promise.resolve();
  return {
    blobs,
    layers,
    records,
    live,
    collect: () => (collecting = collecting.then(() => collectGarbage(parts, live))),
    /** As a pull does: hold, look, bring what is missing, refer to it, let go. */
    async add(key: number, needed: readonly Digest[]) {
      const lease = leases.open();
      for (const digest of needed) {
        await lease.blob(digest);
        await step('look for a blob');
        if (!blobs.has(digest)) await step('bring a blob').then(() => blobs.add(digest));
        await lease.layer(digest as DiffId);
        if (!layers.has(digest as DiffId)) await step('unpack').then(() => layers.add(digest as DiffId));
      }
      await step('commit');
      records.set(key, needed);
      lease.release();
    },
    async remove(key: number) {
      await step('remove');
      records.delete(key);
    },
  };
}

test('in any order of steps nothing that a record refers to is missing, and in the end nothing else is left', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), tasks, async (scheduler, wanted) => {
      const store = scheduledStore(scheduler);
      const check = (): void => {
        const { blobs, layers } = store.live();
        assert.ok(blobs.isSubsetOf(store.blobs), 'a blob is missing');
        assert.ok(layers.isSubsetOf(store.layers), 'a layer is missing');
      };
      const running = wanted.map((task) => {
        if (task.kind === 'collect') return store.collect();
        const needed = task.content.map((at) => names[at] as Digest);
        return task.kind === 'add' ? store.add(task.image, needed) : store.remove(task.image);
      });
      let ended = false;
      const all = Promise.all(running).finally(() => (ended = true));
      while (!ended) {
        if (scheduler.count() > 0) await scheduler.waitOne();
        else await new Promise(setImmediate);
        check();
      }
      await all;
      const last = store.collect();
      await scheduler.waitFor(last);
      assert.deepEqual(store.blobs, store.live().blobs as Set<Digest>);
      assert.deepEqual(store.layers, store.live().layers as Set<DiffId>);
    }),
    { numRuns: 500, seed: 20_260_106 },
  );
});
