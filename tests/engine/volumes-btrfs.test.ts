/** On btrfs volumes are subvolumes, and their copies snapshots of those. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOracle, seenBy } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { must } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';

const image = 'gantry-test/busybox:1';
/** The kernel has btrfs, or a module for it that the first mount loads. */
const hasBtrfs = (): boolean =>
  /\tbtrfs$/m.test(readFileSync('/proc/filesystems', 'utf8')) || spawnSync('modprobe', ['-qn', 'btrfs']).status === 0;
const hasMaker = existsSync('/usr/sbin/mkfs.btrfs') || existsSync('/sbin/mkfs.btrfs');
const skip =
  (isOracle() && 'dockerd has no copies of volumes') ||
  (!hasMaker && 'needs mkfs.btrfs (btrfs-progs)') ||
  (!hasBtrfs() && 'needs a kernel with btrfs');

engineSuite('volumes on btrfs', { skip, dataRootMiB: 400, dataRootType: 'btrfs' }, (engine) => {
  const [program, ...first] = gantryProgram;
  const ok = (...args: string[]) =>
    must(program, [...first, 'volume', ...args], { timeout: 60_000, env: { ...engine().clientEnv() } });
  const sh = (volume: string, script: string) =>
    engine().dockerOk(['run', '--rm', '--network=none', '-v', `${volume}:/data`, image, 'sh', '-c', script]);
  const folder = () => seenBy(engine(), join(engine().paths.dataRoot, 'volumes'));
  const isSubvolume = async (path: string) => (await stat(join(folder(), path))).ino === 256;

  test('clones, snapshots, restores and removals are of subvolumes, and leave none', async () => {
    await sh('data', 'echo one > /data/file; dd if=/dev/zero of=/data/big bs=1M count=50 2>/dev/null');
    assert.ok(await isSubvolume('data/_data'));
    await ok('snapshot', 'create', 'data', 'first');
    assert.ok(await isSubvolume('data/_snapshots/first/_data'));
    await sh('data', 'echo two > /data/file');
    await ok('clone', 'data', 'copy');
    assert.ok(await isSubvolume('copy/_data'));
    assert.equal(await sh('copy', 'cat /data/file; stat -c %s /data/big'), `two\n${50 << 20}`);
    await ok('snapshot', 'restore', 'data', 'first');
    assert.equal(await sh('data', 'cat /data/file'), 'one');
    assert.ok(await isSubvolume('data/_data'));
    await ok('rename', 'data', 'other');
    assert.equal(await sh('other', 'cat /data/file'), 'one');
    await engine().dockerOk(['volume', 'rm', 'other', 'copy']);
    assert.deepEqual(await readdir(folder()), []);
    const { stdout } = await engine().inside(['btrfs', 'subvolume', 'list', engine().paths.dataRoot]);
    assert.equal(stdout.includes('volumes/'), false, stdout);
  });

  test('a volume that is filled from an image is a subvolume still', async () => {
    const list = 'ls /bin | wc -l';
    const wanted = await engine().dockerOk(['run', '--rm', image, 'sh', '-c', list]);
    assert.equal(await engine().dockerOk(['run', '--rm', '-v', 'filled:/bin', image, 'sh', '-c', list]), wanted);
    assert.ok(await isSubvolume('filled/_data'));
  });

  test('subvolumes that a container makes in its volume are copied, too', async () => {
    await sh('data', 'echo outer > /data/file');
    const data = join(engine().paths.dataRoot, 'volumes/data/_data');
    assert.equal((await engine().inside(['btrfs', 'subvolume', 'create', join(data, 'inner')])).code, 0);
    await sh('data', 'echo inner > /data/inner/file');
    await ok('clone', 'data', 'copy');
    assert.equal(await sh('copy', 'cat /data/file /data/inner/file'), 'outer\ninner');
    await engine().dockerOk(['volume', 'rm', 'data', 'copy']);
    assert.deepEqual(await readdir(folder()), []);
  });
});
