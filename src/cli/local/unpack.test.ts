import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { encodeTarHeader, tarPadding, tarTrailer } from '../../archive/tar/write.ts';
import { packLocal } from './pack.ts';
import { unpackLocal } from './unpack.ts';

const base = mkdtempSync(join(tmpdir(), 'local-'));
after(() => rmSync(base, { recursive: true }));
const [inside, outside] = [join(base, 'in'), join(base, 'out')];
for (const path of [inside, outside]) mkdirSync(path);

const plain = { linkName: '', mode: 0o644, uid: 0, gid: 0, mtime: 1, mtimeNsec: 0, major: 0, minor: 0 } as const;

async function* archiveOf(
  members: readonly { name: string; body?: string; link?: string }[],
): AsyncGenerator<Uint8Array> {
  for (const { name, body = '', link } of members) {
    const type = link === undefined ? 'file' : 'symlink';
    yield encodeTarHeader({ ...plain, type, name, linkName: link ?? '', size: body.length });
    yield Buffer.from(body);
    yield tarPadding(body.length);
  }
  yield tarTrailer();
}

test('an archive of a container writes nowhere but where it is unpacked', async () => {
  symlinkSync(outside, join(inside, 'there'));
  const hostile = [
    [{ name: '../x', body: 'x' }],
    [{ name: 'a/../../x', body: 'x' }],
    [{ name: 'there/x', body: 'x' }],
    [
      { name: 'made', link: outside },
      { name: 'made/x', body: 'x' },
    ],
  ];
  for (const members of hostile) await assert.rejects(unpackLocal(archiveOf(members), inside, undefined));
  await unpackLocal(
    archiveOf([
      { name: `${outside}/x`, body: 'absolute' },
      { name: 'there', body: 'replaced' },
    ]),
    inside,
    undefined,
  );
  assert.ok(!existsSync(join(outside, 'x')) && !existsSync(join(base, 'x')));
  assert.equal(readFileSync(join(inside, 'there'), 'utf8'), 'replaced');
});

test('what is packed can be unpacked under another name', async () => {
  mkdirSync(join(base, 'tree/sub'), { recursive: true });
  symlinkSync('elsewhere', join(base, 'tree/sub/link'));
  await unpackLocal(packLocal(join(base, 'tree'), 'tree', false), inside, { from: 'tree', to: 'copy' });
  assert.ok(existsSync(join(inside, 'copy/sub')));
});
