import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CacheRecord } from '../control/ports.ts';
import { cacheFilter } from './filter.ts';

const record = (id: string, more: Partial<CacheRecord> = {}): CacheRecord => ({
  id,
  description: `[1/2] RUN ${id}`,
  type: 'regular',
  size: 1,
  createdNs: 0n,
  lastUsedNs: 0n,
  usageCount: 0,
  inUse: false,
  shared: false,
  mutable: false,
  parents: [],
  ...more,
});

const all = [
  record('aa1', { parents: ['bb2'] }),
  record('bb2', { shared: true }),
  record('cc3', { inUse: true, description: 'with, comma "and" quotes' }),
  record('local', { type: 'source.local', mutable: true, description: '' }),
];

test('filters choose records by what they are', () => {
  for (const [filters, wanted] of [
    [[], 'aa1 bb2 cc3 local'],
    [[''], 'aa1 bb2 cc3 local'],
    [['id==aa1'], 'aa1'],
    [['id=aa1', 'id=bb2'], 'aa1 bb2'],
    [['id~=^.b2$'], 'bb2'],
    [['id!=aa1,type==regular'], 'bb2 cc3'],
    [['type==source.local'], 'local'],
    [['parents==bb2'], 'aa1'],
    [['parents'], 'aa1'],
    [['parent==bb2'], 'aa1'],
    [['description'], 'aa1 bb2 cc3'],
    [['description=="with, comma \\"and\\" quotes"'], 'cc3'],
    [['inuse'], 'cc3'],
    [['inuse==false'], 'aa1 bb2 local'],
    [['inuse!=true'], 'aa1 bb2 local'],
    [['shared'], 'bb2'],
    [['private,immutable'], 'aa1 cc3'],
    [['mutable=='], 'local'],
  ] as const) {
    const fits = cacheFilter(filters);
    assert.equal(
      all
        .filter(fits)
        .map(({ id }) => id)
        .join(' '),
      wanted,
      filters.join(' | '),
    );
  }
});

test('what is no filter is refused', () => {
  for (const [filter, reason] of [
    ['owner==me', /invalid filter 'owner' .*expected one of description, id, immutable/],
    ['constructor', /invalid filter 'constructor'/],
    ['==x', /not understood at character 1/],
    ['id==a b"c', undefined],
    ['id=="a', /not understood at character 5/],
    ['id=="a"b', /not understood at character 8/],
    ['id<a', /not understood at character 3/],
    ['inuse==maybe', /expected true or false/],
    ['inuse~=t', /expected true or false/],
    [`id~=${'('.repeat(2000)}`, /pattern/],
    [`id==${'x'.repeat(70_000)}`, /more than/],
  ] as const) {
    if (reason === undefined) cacheFilter([filter]);
    else assert.throws(() => cacheFilter([filter]), reason, filter.slice(0, 50));
  }
});
