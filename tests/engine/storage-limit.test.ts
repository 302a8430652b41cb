import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { isOracle, seenBy, startEngine, type TestEngine } from '../support/engine.ts';
import { testImage } from '../support/images.ts';
import { needsRoot } from '../support/skip.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';

const busybox = async (): Promise<string> => (await testImage('busybox')).name;
const mib = 1 << 20;

/** Loop devices of the engine's own files. */
async function loops(engine: TestEngine): Promise<string[]> {
  const names = (await readdir('/sys/block')).filter((name) => name.startsWith('loop'));
  const files = names.map((name) => readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => ''));
  return (await Promise.all(files)).filter((file) => file.startsWith(join(engine.paths.dataRoot, 'snapshots')));
}

/** Docker has this on XFS with project quotas only, so the oracle says nothing here. */
engineSuite('--storage-opt size', { skip: isOracle() && 'needs XFS with project quotas there' }, (engine) => {
  const sizeInside = async (name: string): Promise<number> => {
    const line = (await engine().dockerOk(['exec', name, 'df', '-m', '/'])).split('\n')[1] ?? '';
    return Number(line.trim().split(/ +/)[1]);
  };

  test('df tells the size, more is ENOSPC, and what is deleted may be written again', async () => {
    const options = ['--name=small', '--storage-opt=size=64M', '--network=none'];
    await engine().dockerOk(['run', '-d', ...options, await busybox(), 'sleep', '1000']);
    const seen = await sizeInside('small');
    assert.ok(seen >= 64 && seen <= 66, `df tells ${seen} MiB`);
    const write = (size: number) =>
      engine().docker(['exec', 'small', 'dd', 'if=/dev/zero', 'of=/file', 'bs=1M', `count=${size}`]);
    assert.equal((await write(50)).code, 0);
    const full = await write(80);
    assert.equal(full.code, 1);
    assert.match(full.stderr, /No space left on device/);
    await engine().dockerOk(['exec', 'small', 'rm', '/file']);
    assert.equal((await write(40)).code, 0);
    const inspect = async (format: string) => engine().dockerOk(['inspect', '--size', `--format=${format}`, 'small']);
    assert.equal(await inspect('{{.HostConfig.StorageOpt.size}}'), '64M');
    assert.equal(await inspect('{{.SizeRw}}'), String(40 * mib));
    await engine().dockerOk(['rm', '-f', 'small']);
    await eventually('its loop device is gone', async () => (await loops(engine())).length === 0);
  });

  test('the limit and what was written stay over stop, kill of the engine, and restart', async () => {
    const options = ['--name=kept', '--storage-opt', 'size=32m', '--network=none'];
    await engine().dockerOk(['run', '-d', ...options, await busybox(), 'sh', '-c', 'echo 1 >> /file; sleep 1000']);
    await engine().stop('SIGKILL');
    await engine().start();
    assert.equal(await engine().dockerOk(['exec', 'kept', 'cat', '/file']), '1');
    assert.equal(await sizeInside('kept'), 32);
    await engine().dockerOk(['stop', '-t0', 'kept']);
    await eventually('nothing is mounted for it', async () => (await loops(engine())).length === 0);
    assert.equal(
      await engine()
        .dockerOk(['cp', 'kept:/file', '-'])
        .then((tar) => tar.includes('1')),
      true,
    );
    assert.match(await engine().dockerOk(['diff', 'kept']), /A \/file/);
    await engine().stop();
    await engine().start();
    const [listed] = (await engine().api('GET', '/containers/json?all=1&size=1')).json<[{ SizeRw: number }]>();
    assert.equal(listed.SizeRw, 2);
    await engine().dockerOk(['start', 'kept']);
    assert.equal(await engine().dockerOk(['exec', 'kept', 'cat', '/file']), '1\n1');
    assert.equal(await sizeInside('kept'), 32);
  });

  test('an empty disk image takes next to no room, and goes with its container', async () => {
    const id = await engine().dockerOk(['create', '--storage-opt=size=10G', await busybox()]);
    const disk = await stat(seenBy(engine(), join(engine().paths.dataRoot, 'snapshots', id, 'disk')));
    assert.ok(disk.size > 10 * 1024 * mib && disk.blocks * 512 < mib, `${disk.blocks * 512} bytes`);
    await engine().dockerOk(['rm', id]);
  });

  test('what is no size is refused', async () => {
    for (const [option, message] of [
      ['size=abc', /invalid s/],
      ['size=-1', /invalid s/],
      ['size=1k', /invalid storage option size=1k: expected 1m to 8t/],
      ['size=100000t', /expected 1m to 8t/],
      ['quota=1', /unknown storage option quota/],
    ] as const) {
      const { code, stderr } = await engine().docker(['create', `--storage-opt=${option}`, await busybox()]);
      assert.equal(code, 1, option);
      assert.match(stderr, message);
    }
    assert.equal(await engine().dockerOk(['ps', '-aq']), '');
  });
});

describe('a default size of writable layers', { skip: needsRoot() || (isOracle() && 'see above') }, () => {
  test('holds for containers that name none, and 0 lifts it', async () => {
    await using engine = await startEngine({ flags: ['--storage-opt=size=48M'] });
    await engine.load('busybox');
    const run = async (...options: string[]) =>
      engine.dockerOk(['run', '--rm', '--network=none', ...options, await busybox(), 'df', '-m', '/']);
    const sizeOf = (text: string) => Number(text.split('\n')[1]?.trim().split(/ +/)[1]);
    assert.equal(sizeOf(await run()), 48);
    assert.equal(sizeOf(await run('--storage-opt=size=16M')), 16);
    assert.ok(sizeOf(await run('--storage-opt=size=0')) > 1000);
  });
});
