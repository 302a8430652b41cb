import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseProcesses } from './top.ts';

test('lines of the wanted pids are cut into the columns of the header, threads with their process', () => {
  const output = [
    '    PID     LWP CMD',
    '      7       - /bin/sh -c echo  hello',
    '      -       8 -',
    '     70       - other',
    '      -      71 -',
    '',
  ].join('\n');
  assert.deepEqual(parseProcesses(output, new Set([7])), {
    Titles: ['PID', 'LWP', 'CMD'],
    Processes: [
      ['7', '-', '/bin/sh -c echo hello'],
      ['-', '8', '-'],
    ],
  });
});

test('a list without a column PID, or with something else in it, is refused', () => {
  assert.throws(() => parseProcesses('LWP CMD\n1 x\n', new Set([1])), /Couldn't find PID field/);
  assert.throws(() => parseProcesses('PID CMD\nx y\n', new Set([1])), /Unexpected pid 'x'/);
});
