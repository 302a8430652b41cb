import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Growth } from './growing.ts';

test('a file is opened although it gets its next name meanwhile', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'growing-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [partial, final] = [join(folder, 'partial'), join(folder, 'final')];
  writeFileSync(partial, 'bytes');
  let asked = 0;
  const growth = new Growth(() => {
    // The first look sees one name only; right after it the file is renamed.
    if (asked++ > 0) return [partial, final];
    renameSync(partial, final);
    return [partial];
  }, 5);
  await using file = await growth.open();
  assert.equal(await file.readFile('utf8'), 'bytes');
});

test('a file that is nowhere is an error', async () => {
  await assert.rejects(new Growth(() => ['/nowhere/at/all'], 0).open(), { code: 'ENOENT' });
});
