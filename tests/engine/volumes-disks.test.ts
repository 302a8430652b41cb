/** Volumes with a limit: file systems of their own in files. */
import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { volumesOf } from './_volumes.ts';

const image = 'gantry-test/busybox:1';
const skip = isOracle() && 'needs project quotas there';

engineSuite('volumes with a limit', { skip }, (engine) => {
  const { gantry, ok, docker, runs, sh, create, refusesCreate } = volumesOf(engine);
  const mib = async (volume: string): Promise<number> =>
    Number((await sh(volume, 'df -m /data')).split('\n')[1]?.trim().split(/ +/)[1]);

  /** Whether the kernel lets this machine's root resize file systems (CAP_SYS_RESOURCE, bit 24). */
  const mayResize = async (): Promise<boolean> => {
    const [, bits = '0'] = /CapEff:\s*([0-9a-f]+)/.exec(await readFile('/proc/self/status', 'utf8')) ?? [];
    return ((BigInt(`0x${bits}`) >> 24n) & 1n) === 1n;
  };

  test('df tells it, more is ENOSPC, and it stays over kills, copies and new names', async () => {
    await create('small', 'size=32m');
    assert.equal(await mib('small'), 32);
    assert.equal(await sh('small', 'echo kept > /data/file; stat -c %a /data'), '755');
    const full = await runs('small', 'dd if=/dev/zero of=/data/big bs=1M count=40; rm /data/big');
    assert.match(full.stderr, /No space left on device/);
    await ok('snapshot', 'create', 'small', 'before');
    await sh('small', 'echo changed > /data/file');
    await ok('clone', '--snapshot', 'before', 'small', 'copy');
    assert.equal(await sh('copy', 'cat /data/file'), 'kept');
    assert.equal(await mib('copy'), 32);
    await engine().stop('SIGKILL');
    await engine().start();
    await ok('rename', 'copy', 'renamed');
    assert.equal(await sh('renamed', 'cat /data/file'), 'kept');
    await ok('snapshot', 'restore', 'small', 'before');
    assert.equal(await sh('small', 'cat /data/file'), 'kept');
    const seen = (await engine().api('GET', '/volumes/small')).json<{
      Options: { size: string };
      Status: { Limit: number };
    }>();
    assert.deepEqual([seen.Options.size, seen.Status.Limit], ['32m', 32 << 20]);
  });

  test('exports and imports keep the limit of the volume', async () => {
    await create('small', 'size=16m');
    await sh('small', 'echo kept > /data/file');
    const path = join(engine().folder, 'small.tar');
    await ok('export', '-o', path, '--compression=none', 'small');
    await create('other', 'size=8m');
    await ok('import', 'other', path);
    assert.equal(await sh('other', 'cat /data/file'), 'kept');
    assert.equal(await mib('other'), 8);
    await sh('small', 'dd if=/dev/zero of=/data/big bs=1M count=12');
    await ok('export', '-o', path, '--compression=none', 'small');
    const { code, stderr } = await gantry('import', '--merge', 'other', path);
    assert.equal(code, 1);
    assert.match(stderr, /no space left/);
    assert.equal(await sh('other', 'ls -A /data'), 'file');
    await rm(path);
  });

  test('it grows, also while a container writes, and never shrinks', async () => {
    await create('small', 'size=16m');
    await sh('small', 'echo kept > /data/file');
    assert.equal(await ok('update', '--size', '64m', 'small'), 'small');
    assert.ok((await mib('small')) >= 63, 'larger');
    assert.equal(await sh('small', 'dd if=/dev/zero of=/data/big bs=1M count=50 2>/dev/null; cat /data/file'), 'kept');
    assert.equal(await docker('volume', 'inspect', '--format={{.Options.size}}', 'small'), '67108864');
    const smaller = await gantry('update', '--size', '32m', 'small');
    assert.equal(smaller.code, 1);
    assert.match(smaller.stderr, /can only grow: its size is 67108864 bytes/);
    await docker('run', '-d', '--name=user', '--network=none', '-v', 'small:/data', image, 'sleep', '1000');
    const { code, stderr } = await gantry('update', '--size', '128m', 'small');
    if (await mayResize()) {
      assert.equal(code, 0, stderr);
      await docker('exec', 'user', 'dd', 'if=/dev/zero', 'of=/data/more', 'bs=1M', 'count=50');
    } else assert.match(stderr, /lacks CAP_SYS_RESOURCE/);
    await docker('rm', '-f', 'user');
  });

  test('wrong sizes are refused', async () => {
    await refusesCreate(/invalid size: 'much'/, 'size=much');
    await refusesCreate(/size is from 1m to 8t/, 'size=10k');
    await refusesCreate(/size is from 1m to 8t/, 'size=9t');
    await refusesCreate(/exclude each other/, 'size=10m', 'type=tmpfs', 'device=tmpfs');
  });
});
