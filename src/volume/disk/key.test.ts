import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { encryptionOf, newVolumeKey, readVolumeKey, sealVolumeKey } from './key-file.ts';
import { parseKeySource, readKey } from './key-source.ts';

test('a volume key comes back with the right passphrase only, and its file is not trusted', async () => {
  const made = newVolumeKey('fscrypt');
  const { key } = made;
  const text = await sealVolumeKey(made, Buffer.from('right'));
  assert.equal(key.length, 64);
  assert.deepEqual(await readVolumeKey(text, Buffer.from('right')), made);
  assert.equal(await readVolumeKey(text, Buffer.from('wrong')), undefined);
  assert.ok(!text.includes(key.toString('base64')));
  const changed = JSON.parse(text) as { wrapped: string };
  const flipped = Buffer.from(changed.wrapped, 'base64');
  flipped[3] = (flipped[3] ?? 0) ^ 1;
  const forged = JSON.stringify({ ...changed, wrapped: flipped.toString('base64') });
  assert.equal(await readVolumeKey(forged, Buffer.from('right')), undefined);
  // What it is for is as little to be changed.
  const other = await sealVolumeKey(newVolumeKey('gocryptfs'), Buffer.from('right'));
  assert.deepEqual([encryptionOf(text), encryptionOf(other)], ['fscrypt', 'gocryptfs']);
  const { for: _, ...turned } = JSON.parse(other) as Record<string, unknown>;
  assert.equal(await readVolumeKey(JSON.stringify(turned), Buffer.from('right')), undefined);
  for (const broken of ['', '{}', 'null', '{"version":2}', text.replace('{', '{"for":"luks",')]) {
    await assert.rejects(readVolumeKey(broken, Buffer.from('right')), { code: 'corrupt' }, broken);
  }
});

test('keys are read from files and commands, and what is wrong with them is named without the key', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'volume-keys-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'key');
  const read = async (text: string): Promise<string> => {
    const source = parseKeySource(text);
    assert.ok(source !== undefined, text);
    return (await readKey('data', source, [join(folder, 'first'), folder])).toString();
  };
  await writeFile(path, 'line\r\n', { mode: 0o600 });
  assert.equal(await read(`file:${path}`), 'line');
  await writeFile(path, ' spaces \n\n');
  assert.equal(await read(`file:${path}`), ' spaces \n');
  assert.equal(await read('secret:key'), ' spaces \n');
  const refused = (message: RegExp, text: string): Promise<void> =>
    assert.rejects(read(text), { code: 'unavailable', message });
  await chmod(path, 0o620);
  await refused(
    /the key of the volume data cannot be read: file \S+: others than its owner may write it/,
    `file:${path}`,
  );
  await refused(/it is no file/, `file:${folder}`);
  await refused(/there is no such file/, `file:${folder}/none`);
  await refused(/it is neither in \S+\/first nor in \S+$/, 'secret:gantry-none');
  await writeFile(path, Buffer.alloc(70_000, 'k'));
  await chmod(path, 0o600);
  await refused(/it is longer than 65536 bytes$/, `file:${path}`);
  const command = join(folder, 'command');
  await writeFile(command, '#!/bin/sh\necho "for $1"; exit "${CODE:-0}"\n', { mode: 0o700 });
  if (process.getuid?.() === 0) assert.equal(await read(`command:${command}`), 'for data');
  await writeFile(command, '#!/bin/sh\necho secret; exit 3\n');
  if (process.getuid?.() === 0) await refused(/command \S+: it ended with 3$/, `command:${command}`);
  await chmod(command, 0o722);
  await refused(/others than root may write it/, `command:${command}`);
  await symlink(command, join(folder, 'link'));
  await refused(/it is a link/, `command:${folder}/link`);
  for (const text of ['', 'yes', 'file:relative', 'secret:../x', 'command:', 'file:/nul\0', 'other:/x']) {
    assert.equal(parseKeySource(text), undefined, text);
  }
});
