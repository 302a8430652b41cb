import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { answeringMeanwhile } from '../support/answers.ts';
import { busyboxLayer, dockerArchive, layerOf, sha256 } from '../support/crafted-image.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';

const image = 'gantry-test/busybox:1';
const mib = 1 << 20;

/** The data root is a file system of 48 MiB: what does not fit is refused, what is there can be removed and used. */
engineSuite('a full disk', { dataRootMiB: 48 }, (engine) => {
  const free = async (): Promise<number> => {
    const { stdout } = await engine().inside(['df', '--output=avail', '-B1', engine().paths.dataRoot]);
    return Number(stdout.split('\n')[1]);
  };
  const large = async (size: number): Promise<Buffer> => {
    const layer = layerOf({ name: 'noise', body: randomBytes(size) });
    return dockerArchive({ names: ['crafted:large'], layers: [await busyboxLayer(), layer] });
  };
  const images = () => engine().dockerOk(['images', '--format', '{{.Repository}}:{{.Tag}}']);

  async function refusesToLoad(input: Uint8Array): Promise<void> {
    const before = await free();
    const { code, stderr } = await answeringMeanwhile(engine(), () => engine().docker(['load'], { input }));
    assert.equal(code, 1);
    assert.match(stderr, /no space left on device/);
    assert.equal(await images(), image);
    assert.ok((await free()) > before - mib, 'what was written is gone again');
    assert.equal(await engine().dockerOk(['run', '--rm', image, 'echo', 'works']), 'works');
  }

  test('an image that is too large: the blob does not fit', async () => {
    await refusesToLoad(await large(60 * mib));
  });

  test('an image that is too large: the blob fits, the layer does not', async () => {
    await refusesToLoad(await large(26 * mib));
  });

  test('an image that is too large: a bomb', async () => {
    // Not of zeros: those take no place on the disk.
    const layer = layerOf({ name: 'bomb', body: Buffer.alloc(150 * mib, 'bomb') });
    const packed = { blob: gzipSync(layer.blob, { level: 1 }), diffId: sha256(layer.blob) };
    await refusesToLoad(dockerArchive({ names: ['crafted:large'], layers: [await busyboxLayer(), packed] }));
  });

  for (const program of ['xz', 'bzip2']) {
    test(`a bomb made by ${program}: as a layer, and imported`, async () => {
      const { blob } = layerOf({ name: 'bomb', body: Buffer.alloc(150 * mib, 'b') });
      const packed = { blob: execFileSync(program, ['-c', '-1'], { input: blob }), diffId: sha256(blob) };
      assert.ok(packed.blob.length < mib);
      await refusesToLoad(dockerArchive({ names: ['crafted:large'], layers: [await busyboxLayer(), packed] }));
      const { code, stderr } = await engine().docker(['import', '-', 'crafted:imported'], { input: packed.blob });
      assert.deepEqual([code, stderr.includes('no space left on device')], [1, true]);
    });
  }

  test('import of something too large', async () => {
    const layer = layerOf({ name: 'noise', body: randomBytes(60 * mib) });
    const { code, stderr } = await engine().docker(['import', '-', 'crafted:imported'], { input: layer.blob });
    assert.equal(code, 1);
    assert.match(stderr, /no space left on device/);
  });

  test('with no byte free images and containers can be removed, and all works again', async () => {
    await engine().dockerOk(['load'], { input: await large(4 * mib) });
    const id = await engine().dockerOk(['create', image, 'echo', 'later']);
    await engine().dockerOk(['run', '-d', '--name', 'runs', image, 'sleep', '1000']);
    const ballast = join(engine().paths.dataRoot, 'ballast');
    try {
      // What is still being written back, and given back, shows only after a while.
      await eventually('the disk is full', async () => {
        // Small pieces fill what a large one, refused as a whole, leaves free.
        const fill = `dd if=/dev/zero of='${ballast}' oflag=append conv=notrunc status=none`;
        await engine().inside(['sh', '-c', `(${fill} bs=1M; sync; ${fill} bs=1k; sync) 2>/dev/null`]);
        return (await free()) < 64 * 1024;
      });
      await refusesLittle();
      assert.match(await engine().dockerOk(['ps', '--format', '{{.Names}}']), /runs/);
      await engine().dockerOk(['stop', '-t', '1', 'runs']);
      await engine().dockerOk(['rm', 'runs']);
      await engine().dockerOk(['rmi', 'crafted:large']);
    } finally {
      await engine().inside(['rm', '-f', ballast]);
    }
    assert.equal(await engine().dockerOk(['start', '-a', id]), 'later');
    await engine().dockerOk(['load'], { input: await large(4 * mib) });
    assert.equal(await engine().dockerOk(['run', '--rm', 'crafted:large', 'ls', '/noise']), '/noise');
  });

  async function refusesLittle(): Promise<void> {
    const input = dockerArchive({
      names: ['crafted:little'],
      layers: [layerOf({ name: 'f', body: randomBytes(mib) })],
    });
    const { code, stderr } = await engine().docker(['load'], { input });
    assert.equal(code, 1);
    assert.match(stderr, /no space left on device/);
  }

  test('a container that fills the disk', async () => {
    const script = 'cat /dev/zero > /zeros; echo $?; rm /zeros; echo x > /file && cat /file';
    const { stdout, stderr } = await engine().docker(['run', '--rm', image, 'sh', '-c', script]);
    assert.match(stderr, /No space left on device/);
    assert.equal(stdout, '1\nx\n');
  });

  test('an env file and a volume on the full disk', async () => {
    const file = join(engine().folder, 'env');
    await writeFile(file, 'A=1\n');
    const script = 'cat /dev/zero > /v/zeros 2>/dev/null; echo $A';
    assert.equal(
      await engine().dockerOk(['run', '--rm', '--env-file', file, '-v', 'full:/v', image, 'sh', '-c', script]),
      '1',
    );
    assert.equal(await engine().dockerOk(['volume', 'rm', 'full']), 'full');
  });

  test('a container whose log fills the disk, and every byte that comes free', async () => {
    const script = 'trap "" TERM; while :; do cat /etc/passwd /bin/busybox; done | tr -c "a-z" "\\n"';
    await engine().dockerOk(['run', '-d', '--name', 'noisy', image, 'sh', '-c', script]);
    await engine().dockerOk(['run', '-d', '--name', 'other', image, 'sleep', '1000']);
    const isFull = () => eventually('the disk is full', async () => (await free()) < 64 * 1024);
    await isFull();
    // What the engine has put aside for itself must not be gone with the first of these.
    for (let round = 0; round < 12; round++) {
      await engine().dockerOk(['rename', 'other', `other${round}`]);
      await engine().dockerOk(['rename', `other${round}`, 'other']);
      await isFull();
    }
    const updated = await engine().docker(['update', '--memory', '64m', '--memory-swap', '64m', 'other']);
    assert.equal(updated.code, 0, updated.stderr);
    await engine().stop('SIGKILL');
    await engine().start();
    await isFull();
    await engine().dockerOk(['rm', '-f', 'noisy']);
    await engine().dockerOk(['rm', '-f', 'other']);
    await eventually('the log is gone', async () => (await free()) > 4 * mib);
    assert.equal(await engine().dockerOk(['run', '--rm', image, 'echo', 'works']), 'works');
  });
});
