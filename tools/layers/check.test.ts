import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkLayers } from './check.ts';

const filler = (lines: number): string => 'work();\n'.repeat(lines);
const methods = (count: number): string => Array.from({ length: count }, (_, at) => `m${at}() {}`).join('\n');

/** Each file breaks exactly one rule, which the message must name. */
const planted: readonly { path: string; text: string; says: RegExp }[] = [
  { path: 'src/base/a.ts', text: `import { x } from '../spec/x.ts';\nx();`, says: /base may not import spec/ },
  {
    path: 'src/api/a.ts',
    text: `import type { X } from '../image/x.ts';\nlet x: X;`,
    says: /api may not import image/,
  },
  { path: 'src/cli/a.ts', text: `const x = await import('../sys/x.ts');`, says: /cli may not import sys/ },
  { path: 'src/image/a.ts', text: `type X = import('../network/x.ts').X;`, says: /image may not import network/ },
  { path: 'src/volume/a.ts', text: `import '../store/blobs/x.ts';`, says: /volume may not import store/ },
  { path: 'src/sys/a.ts', text: `export { x } from '../archive/x.ts';\nf();`, says: /sys may not import archive/ },
  { path: 'src/sys/a.ts', text: `import './net/_x.ts';`, says: /private to src\/sys\/net/ },
  { path: 'src/sys/a.ts', text: `import './net/_deep/x.ts';`, says: /private to src\/sys\/net/ },
  { path: 'src/sys/mount/a.ts', text: `import 'node:ffi';`, says: /only src\/sys\/ffi/ },
  { path: 'src/base/a.ts', text: `import 'node:fs';`, says: /base may not import node:fs/ },
  { path: 'src/api/a.ts', text: `import '@scope/thing/part';`, says: /'@scope\/thing' is not among/ },
  { path: 'src/api/a.ts', text: `import '../../tools/x.ts';`, says: /no part of the program/ },
  { path: 'src/api/index.ts', text: `export * from './a.ts';`, says: /barrel/ },
  { path: 'src/api/index.ts', text: `import { a } from './a.ts';\nexport { a };`, says: /barrel/ },
  { path: 'src/api/utils.ts', text: 'work();', says: /'utils' is banned/ },
  { path: 'src/api/stream-helpers.ts', text: 'work();', says: /'helpers' is banned/ },
  { path: 'src/attic/a.ts', text: 'work();', says: /no room/ },
  { path: 'src/api/a.ts', text: filler(501), says: /501 lines/ },
  { path: 'src/api/a.ts', text: `function long() {\n${filler(79)}}`, says: /function long has 81 lines/ },
  { path: 'src/api/a.ts', text: `const long = () => {\n${filler(79)}};`, says: /function long has 81 lines/ },
  { path: 'src/api/a.ts', text: `class Wide {\n${methods(13)}\n}`, says: /class Wide has 13 methods/ },
];

for (const { path, text, says } of planted) {
  test(`finds in ${path}: ${text.slice(0, 40).replaceAll('\n', ' ')} (${says.source})`, () => {
    const found = checkLayers([{ path, text }], new Set());
    assert.equal(found.length, 1, JSON.stringify(found));
    assert.match(found[0]?.message ?? '', says);
  });
}

test('two workers of one name are found', () => {
  const found = checkLayers(
    [
      { path: 'src/store/db.worker.ts', text: 'work();' },
      { path: 'src/archive/db.worker.ts', text: 'work();' },
    ],
    new Set(),
  );
  assert.match(found[0]?.message ?? '', /same name/);
});

test('what the table allows passes', () => {
  const text = [
    `import { x } from '../base/x.ts';`,
    `import { y } from '../store/db/y.ts';`,
    `import { z } from './_z.ts';`,
    `import { w } from './deep/w.ts';`,
    `import { readFile } from 'node:fs/promises';`,
    `import { parse } from 'yaml';`,
    `export function short() {\n${filler(78)}}`,
    `class Narrow {\n${methods(12)}\n}`,
  ].join('\n');
  assert.deepEqual(checkLayers([{ path: 'src/network/a.ts', text }], new Set(['yaml'])), []);
  assert.deepEqual(checkLayers([{ path: 'src/sys/ffi/a.ts', text: `import 'node:ffi';` }], new Set()), []);
  assert.deepEqual(checkLayers([{ path: 'src/sys/net/_a.ts', text: `import './_b.ts';` }], new Set()), []);
});

test('an empty tree is an error', () => {
  const folder = mkdtempSync(join(tmpdir(), 'layers-'));
  try {
    const run = spawnSync(process.execPath, [join(import.meta.dirname, 'main.ts'), folder], { encoding: 'utf8' });
    assert.equal(run.status, 1);
    assert.match(run.stderr, /no source files/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
