import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { rooms } from './layers/table.ts';

const root = join(import.meta.dirname, '..');
const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');

/** What stands between backticks in the lines of a table. */
const quotedInTables = text
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .flatMap((line) => line.split('`').filter((_part, at) => at % 2 === 1));

test('every file that a flow names exists', () => {
  const files = quotedInTables.filter((part) => /^[a-z]+\/[\w./-]+$/.test(part));
  assert.ok(files.length > 20, 'the flows name files');
  const missing = files.filter((file) => !existsSync(join(root, 'src', file)) && !existsSync(join(root, file)));
  assert.deepEqual(missing, []);
});

test('every room that exists stands in the table of rooms', () => {
  const described = new Set(quotedInTables);
  const built = rooms.map((room) => room.name).filter((name) => existsSync(join(root, 'src', name)));
  assert.deepEqual(
    built.filter((name) => !described.has(name)),
    [],
  );
});
