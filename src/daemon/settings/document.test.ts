import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { settingRow } from './document.ts';
import { settings } from './table.ts';

test('docs/daemon.md has the row of every setting, and no other', async () => {
  const text = await readFile(new URL('../../../docs/daemon.md', import.meta.url), 'utf8');
  const rows = text.split('\n').filter((line) => line.startsWith('| `--') || line.startsWith('|  | `'));
  assert.deepEqual(rows, settings.map(settingRow));
});
