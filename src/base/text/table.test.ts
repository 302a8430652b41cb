import assert from 'node:assert/strict';
import test from 'node:test';
import { alignTabs } from './table.ts';

test('columns are at least ten wide and three apart', () => {
  assert.equal(alignTabs('ID\tNAME OF IT\tLAST\n1\tx\ty\n'), 'ID        NAME OF IT   LAST\n1         x            y\n');
});

test('a column ends where a line lacks it', () => {
  assert.equal(
    alignTabs('aaaaaaaaaaaa\tb\nno cells\nc\td\n', { minWidth: 0, padding: 1 }),
    'aaaaaaaaaaaa b\nno cells\nc d\n',
  );
});

test('width counts characters, not bytes', () => {
  assert.equal(alignTabs('äöü\tx\nabc\ty', { minWidth: 0, padding: 1 }), 'äöü x\nabc y');
});
