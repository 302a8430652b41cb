import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { digestOfHex, type DiffId } from '../../base/ids.ts';
import { readAll } from '../../base/stream.ts';
import type { BuildContent, BuiltLayer } from '../../spec/contract/build.ts';
import { Stubs } from './stubs.ts';

test('the layer of mount points is made once, and again when it has gone', async () => {
  const there = new Set<string>();
  let made = 0;
  const content = {
    async storeLayer(archive): Promise<BuiltLayer> {
      made++;
      const bytes = await readAll(archive, 1 << 20);
      const digest = digestOfHex(hash('sha256', bytes));
      there.add(digest);
      return {
        blob: { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: bytes.length },
        diffId: digest as string as DiffId,
      };
    },
    hold: async ({ diffId }) => there.has(diffId),
  } satisfies Partial<BuildContent> as unknown as BuildContent;
  const { signal } = new AbortController();
  const stubs = new Stubs();
  assert.deepEqual(stubs.layers(), []);
  const layer = await stubs.layer(content, signal);
  assert.deepEqual(await stubs.layer(content, signal), layer);
  assert.deepEqual(stubs.layers(), [layer]);
  assert.equal(made, 1);
  there.clear();
  assert.deepEqual(await stubs.layer(content, signal), layer);
  assert.equal(made, 2);
});
