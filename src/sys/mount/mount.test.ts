import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { bindMount, mountOverlay, mountTmpfs, remount, unmount } from './mount.ts';
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

for (const method of ['append', 'links'] as const) {
  for (const count of [1, 60, 127]) {
    test(`an overlay of ${count} layers is mounted, written and unmounted (${method})`, { skip }, async () => {
      const at = (name: string): string => directory(`${method}-${count}/${name}`);
      const lower: string[] = [];
      for (let layer = 0; layer < count; layer++) {
        lower.unshift(at(`a-layer-with-a-long-name,and:odd\\\\characters/${layer}`));
        writeFileSync(join(lower[0] ?? '', 'top'), String(layer));
        writeFileSync(join(lower[0] ?? '', `of-${layer}`), '');
      }
      const target = at('merged');
      const options = [['index', 'off']] as const;
      await mountOverlay({ method, lower, upper: at('u:1'), work: at('w,1'), target, options });
      try {
        assert.equal(readFileSync(join(target, 'top'), 'utf8'), String(count - 1));
        assert.equal(readdirSync(target).length, count + 1);
        writeFileSync(join(target, 'of-0'), 'x');
        assert.equal(readFileSync(join(at('u:1'), 'of-0'), 'utf8'), 'x');
        assert.equal(await isMounted(target), true);
      } finally {
        assert.equal(await unmount(target), true);
      }
      assert.equal(await unmount(target), false);
      assert.equal(await isMounted(target), false);
    });
  }
}

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
  const request = {
    method: 'append' as const,
    lower,
    upper: directory('u2'),
    work: directory('w2'),
    target: directory('m2'),
  };
  await assert.rejects(mountOverlay(request), { name: 'SystemError', code: 'ENOENT' });
  await assert.rejects(mountTmpfs(join(base, 'nowhere')), { code: 'ENOENT' });
});
