import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { bindMount, mountOverlay, mountTmpfs, remount, unmount } from './mount.ts';
import { mountByLinks } from './overlay-calls.ts';
import { isMounted, parseMountTable, readMountTable } from './table.ts';

const skip = process.getuid?.() === 0 ? false : 'mounting needs root';
const base = mkdtempSync(join(tmpdir(), 'mount-'));
const directory = (name: string): string => {
  mkdirSync(join(base, name), { recursive: true });
  return join(base, name);
};
after(() => rmSync(base, { recursive: true, force: true }));

test('mount table lines are parsed, escapes and optional fields included', () => {
  const [entry] = parseMountTable(
    '36 35 98:0 /a\\040b /mnt\\134x rw,noatime shared:1 master:2 - ext4 /dev/root rw,x=1\n',
  );
  assert.deepEqual(entry, {
    id: 36,
    parent: 35,
    device: '98:0',
    root: '/a b',
    target: '/mnt\\x',
    options: ['rw', 'noatime'],
    propagation: ['shared:1', 'master:2'],
    type: 'ext4',
    source: '/dev/root',
    superOptions: ['rw', 'x=1'],
  });
  assert.deepEqual(parseMountTable('1 0 0:1 / / rw - tmpfs t rw')[0]?.propagation, []);
});

test('an overlay of many layers is mounted, written and unmounted', { skip }, async () => {
  const lower: string[] = [];
  for (let layer = 0; layer < 150; layer++) {
    lower.unshift(directory(`a-layer-with-a-name-of-some-length/${layer}`));
    writeFileSync(join(lower[0] ?? '', 'top'), String(layer));
  }
  const target = directory('merged');
  await mountOverlay({ lower, upper: directory('upper'), work: directory('work'), target });
  try {
    assert.equal(readFileSync(join(target, 'top'), 'utf8'), '149');
    writeFileSync(join(target, 'new'), 'x');
    assert.equal(readFileSync(join(base, 'upper/new'), 'utf8'), 'x');
    assert.equal(await isMounted(target), true);
  } finally {
    assert.equal(await unmount(target), true);
  }
  assert.equal(await unmount(target), false);
  assert.equal(await isMounted(target), false);
});

test('an older kernel gets its layers as short relative links', { skip }, async () => {
  const lower: string[] = [];
  for (let layer = 0; layer < 150; layer++) lower.push(directory(`another-layer,with:odd-characters/${layer}`));
  writeFileSync(join(lower[149] ?? '', 'lowest'), '');
  const target = directory('linked');
  mountByLinks({ lower, upper: directory('u:1'), work: directory('w,1'), target, options: [['index', 'off']] });
  try {
    writeFileSync(join(target, 'lowest'), 'x');
    assert.equal(readFileSync(join(base, 'u:1/lowest'), 'utf8'), 'x');
  } finally {
    assert.equal(await unmount(target), true);
  }
});

test('bind, tmpfs and remount carry their attributes', { skip }, async () => {
  const tmpfs = directory('tmpfs');
  const copy = directory('copy');
  await mountTmpfs(
    tmpfs,
    [
      ['size', '64k'],
      ['mode', '0700'],
    ],
    { noSuid: true },
  );
  try {
    await bindMount(tmpfs, copy, { readOnly: true });
    const entry = (await readMountTable()).find((mount) => mount.target === copy);
    assert.equal(entry?.options.includes('ro') && entry.options.includes('nosuid'), true);
    assert.throws(() => writeFileSync(join(copy, 'x'), ''), { code: 'EROFS' });
    await remount(copy, { readOnly: false });
    writeFileSync(join(copy, 'x'), '');
  } finally {
    await unmount(copy);
    assert.equal(await unmount(tmpfs), true);
  }
});

test('a refused mount tells why', { skip }, async () => {
  const lower = [join(base, 'missing')];
  const request = { lower, upper: directory('u2'), work: directory('w2'), target: directory('m2') };
  await assert.rejects(mountOverlay(request), { name: 'SystemError', code: 'ENOENT' });
  await assert.rejects(mountTmpfs(join(base, 'nowhere')), { code: 'ENOENT' });
});
