import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { place, removeTrees } from './place.ts';

function temporary(t: TestContext): string {
  const base = mkdtempSync(join(tmpdir(), 'place-'));
  t.after(() => rmSync(base, { recursive: true, force: true }));
  return base;
}

test('directories come before the files in them, with exact modes', async (t) => {
  const base = temporary(t);
  const directories = [
    { path: join(base, 'a'), mode: 0o777 },
    { path: join(base, 'a/b'), mode: 0o700 },
  ];
  const files = [{ path: join(base, 'a/b/c'), text: 'one', mode: 0o600, durable: true }];
  await place({ directories, files });
  await place({ directories, files: [{ path: join(base, 'a/b/c'), text: 'two', mode: 0o600 }] });
  assert.equal(statSync(join(base, 'a')).mode & 0o777, 0o777);
  assert.equal(readFileSync(join(base, 'a/b/c'), 'utf8'), 'two');
  await assert.rejects(place({ directories: [{ path: join(base, 'a'), mode: 0o700, mustBeNew: true }] }), {
    code: 'EEXIST',
  });
});

test('a file is never written through a link', async (t) => {
  const base = temporary(t);
  symlinkSync(join(base, 'elsewhere'), join(base, 'link'));
  await assert.rejects(place({ directories: [], files: [{ path: join(base, 'link'), text: '', mode: 0o600 }] }), {
    code: 'ELOOP',
  });
});

test('files and trees go, large ones too, and what links point at stays', async (t) => {
  const base = temporary(t);
  const name = Buffer.concat([Buffer.from(`${base}/tree/`), Buffer.from([0xff, 0xfe])]);
  mkdirSync(join(base, 'tree/deep/deeper'), { recursive: true });
  mkdirSync(join(base, 'kept'));
  writeFileSync(name, '');
  writeFileSync(join(base, 'kept/file'), '');
  symlinkSync(join(base, 'kept'), join(base, 'tree/link'));
  writeFileSync(join(base, 'plain'), '');
  mkdirSync(join(base, 'large'));
  for (let at = 0; at < 600; at++) writeFileSync(join(base, 'large', String(at)), '');
  await removeTrees(['tree', 'missing', 'plain', 'large'].map((one) => join(base, one)));
  assert.deepEqual(readdirSync(base), ['kept']);
  assert.deepEqual(readdirSync(join(base, 'kept')), ['file']);
});
