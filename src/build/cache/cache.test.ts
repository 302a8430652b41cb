import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/log.ts';
import { AsideBook } from '../../events/aside.ts';
import type { StateJournal } from '../../spec/contract/state.ts';
import { StepCache } from './cache.ts';

/** Keeps records of one kind in memory. */
function fakeJournal(): StateJournal {
  const values = new Map<string, unknown>();
  return {
    aside: new AsideBook(),
    load: async () => [...values].map(([id, value]) => ({ id, value: JSON.parse(JSON.stringify(value)) as unknown })),
    async commit({ records = [] }) {
      for (const change of records) {
        if (change.op === 'put') values.set(change.id, change.value);
        else values.delete(change.id);
      }
      return [];
    },
  };
}

const made = { layer: undefined, parent: undefined, description: 'COPY' };

test('an entry is found by its aliases, also after a restart, until it is dropped', async () => {
  const journal = fakeJournal();
  const cache = new StepCache(journal, systemClock);
  cache.put('key', made);
  cache.addAlias('key', 'one');
  cache.addAlias('key', 'two');
  cache.addAlias('nothing', 'three');
  assert.deepEqual([cache.get('one')?.key, cache.get('two')?.key, cache.get('three')], ['key', 'key', undefined]);
  const next = new StepCache(journal, systemClock);
  await next.load(silentLogger);
  assert.equal(next.get('two')?.key, 'key');
  await next.drop(['key']);
  assert.deepEqual([next.get('key'), next.get('one'), next.get('two')], [undefined, undefined, undefined]);
});

test('an alias that says something else now is found there, and of many only the last ones count', () => {
  const cache = new StepCache(fakeJournal(), systemClock);
  cache.put('a', made);
  cache.put('b', made);
  cache.addAlias('a', 'shared');
  cache.addAlias('b', 'shared');
  assert.equal(cache.get('shared')?.key, 'b');
  for (let n = 0; n < 20; n++) cache.addAlias('a', `${n}`);
  assert.deepEqual([cache.get('0'), cache.get('19')?.key], [undefined, 'a']);
  assert.equal(cache.get('shared')?.key, 'b');
});
