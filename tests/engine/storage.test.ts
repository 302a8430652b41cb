import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { busyboxLayer, dockerArchive, layerOf } from '../support/crafted-image.ts';
import { isOracle, seenBy, startEngine, type TestEngine } from '../support/engine.ts';
import { testImage } from '../support/images.ts';
import { needsRoot } from '../support/skip.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';

interface Info {
  readonly Driver: string;
  readonly DriverStatus: readonly [string, string][];
}

const infoOf = async (engine: TestEngine): Promise<Info> => (await engine.api('GET', '/info')).json<Info>();
const busybox = async (): Promise<string> => (await testImage('busybox')).name;

const layered = 'crafted:layered';

/** Loads an image of three layers, the lowest of which is busybox's. */
async function loadLayered(engine: TestEngine): Promise<void> {
  const layers = ['first ', 'second'].map((text) => layerOf({ name: text.trim(), body: Buffer.from(text) }));
  const input = dockerArchive({ names: [layered], layers: [await busyboxLayer(), ...layers] });
  await engine.dockerOk(['load'], { input });
}

/** A container hides and replaces what its image has, and the next one sees the image as it was. */
async function checkImage(engine: TestEngine): Promise<void> {
  const image = await busybox();
  const run = async (script: string): Promise<string> =>
    engine.dockerOk(['run', '--rm', '--network=none', image, 'sh', '-c', script]);
  assert.equal(await run('rm -r /bin/cat /etc && mkdir /etc && ls /etc; [ -e /bin/cat ] || echo gone'), 'gone');
  assert.equal(await run('ls /bin/cat; [ -d /etc ] && echo there'), '/bin/cat\nthere');
}

async function checkInspect(engine: TestEngine, driver: string): Promise<void> {
  const id = await engine.dockerOk(['create', await busybox()]);
  const drivers = ['inspect', '--format={{.GraphDriver.Name}}'];
  assert.equal(await engine.dockerOk([...drivers, await busybox()]), driver);
  assert.equal(await engine.dockerOk([...drivers, id]), driver);
}

const variants = [
  { name: 'directories', flags: ['--storage-driver=dir'], driver: 'dir', layers: 'directories' },
  {
    name: 'loop devices and mount(2)',
    flags: ['--storage-driver=erofs', '--storage-opt=erofs.mount=loop', '--storage-opt=overlay.mount=links'],
    driver: 'erofs',
    layers: 'EROFS images, mounted through loop devices',
  },
];

for (const { name, flags, driver, layers } of variants) {
  engineSuite(`layers by ${name}`, { flags, skip: isOracle() && 'an addition of this engine' }, (engine) => {
    test('an image runs, and info says how its layers are kept', async () => {
      const info = await infoOf(engine());
      assert.equal(info.Driver, driver);
      assert.equal(new Map(info.DriverStatus).get('Layers'), layers);
      await checkImage(engine());
      await checkInspect(engine(), driver);
    });

    test('a container and what it wrote survive the engine', async () => {
      const script = 'echo written > /file; sleep 1000';
      await engine().dockerOk(['run', '-d', '--name=kept', await busybox(), 'sh', '-c', script]);
      await engine().stop('SIGKILL');
      await engine().start();
      assert.equal(await engine().dockerOk(['exec', 'kept', 'cat', '/file']), 'written');
      await engine().dockerOk(['restart', '-t0', 'kept']);
      assert.equal(await engine().dockerOk(['exec', 'kept', 'cat', '/file']), 'written');
    });

    test('an image of several layers is loaded, run and removed', async () => {
      await loadLayered(engine());
      assert.equal(await engine().dockerOk(['run', '--rm', layered, 'cat', '/first', '/second']), 'first second');
      await engine().dockerOk(['rmi', layered]);
    });
  });
}

describe('a data root under one driver after another', { skip: needsRoot() || (isOracle() && 'an addition') }, () => {
  let engine: TestEngine;
  before(async () => {
    engine = await startEngine({ flags: ['--storage-driver=erofs'] });
  });
  after(() => engine[Symbol.asyncDispose]());

  const layerNames = async (): Promise<string[]> =>
    (await readdir(seenBy(engine, join(engine.paths.dataRoot, 'layers')))).map((name) =>
      name.replace(/^[0-9a-f]+/, ''),
    );

  test('images and containers serve on, new layers are made as the new driver does', async () => {
    await engine.load('busybox');
    await engine.dockerOk(['run', '-d', '--name=old', await busybox(), 'sh', '-c', 'echo 1 > /file; sleep 1000']);
    await engine.stop();
    await engine.start(['--storage-driver=dir']);
    await checkImage(engine);
    assert.deepEqual(await layerNames(), ['.erofs']);
    await engine.dockerOk(['restart', '-t0', 'old']);
    assert.equal(await engine.dockerOk(['exec', 'old', 'cat', '/file']), '1');
    await loadLayered(engine);
    assert.deepEqual(new Set(await layerNames()), new Set(['.erofs', '']));
    await engine.stop('SIGKILL');
    await engine.start(['--storage-driver=overlay2']);
    assert.equal(await engine.dockerOk(['run', '--rm', layered, 'cat', '/second']), 'second');
    await engine.dockerOk(['rm', '-f', 'old']);
    await engine.dockerOk(['rmi', layered, await busybox()]);
    await eventually('all layers are gone', async () => (await layerNames()).length === 0);
  });
});

describe('a storage driver that is not here', { skip: needsRoot() || (isOracle() && 'other messages') }, () => {
  for (const [flag, message] of [
    ['--storage-driver=btrfs', /driver not supported: "btrfs"/],
    ['--storage-opt=erofs.mount=magic', /erofs.mount=magic: expected one of file-direct, file, loop/],
    ['--storage-opt=dm.basesize=1G', /unknown --storage-opt: "dm.basesize"/],
  ] as const) {
    test(`${flag} ends the start`, async () => {
      await assert.rejects(startEngine({ flags: [flag] }), (error: Error) => message.test(error.message));
    });
  }
});

const mountsOf = (pid: number): string => readFileSync(`/proc/${pid}/mountinfo`, 'utf8');

engineSuite('mounts of containers', {}, (engine) => {
  const start = async (name: string, ...flags: string[]) => {
    const command = [`--name=${name}`, '--network=none', ...flags, await busybox(), 'sleep', '1000'];
    const id = await engine().dockerOk(['run', '-d', ...command]);
    const pid = Number(await engine().dockerOk(['inspect', '-f', '{{.State.Pid}}', name]));
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return { id, monitor: Number(/^PPid:\s*(\d+)/m.exec(status)?.[1]) };
  };

  // The namespaces of this suite share no mount: an unmount alone would not reach the copy of a monitor.
  test('do not live on in the monitors of other containers', async () => {
    const flags = ['--tmpfs=/t', '--shm-size=1m'];
    const first = await start('first', ...flags);
    const second = await start('second', ...flags);
    if (!isOracle()) assert.match(mountsOf(second.monitor), new RegExp(first.id));
    for (const end of [
      ['stop', '-t=0'],
      ['rm', '-f'],
    ]) {
      await engine().dockerOk([...end, 'first']);
      await eventually(`gone after ${end[0]}`, async () => !mountsOf(second.monitor).includes(first.id));
    }
  });

  test('nor do those of volumes, which are mounted again afterwards', async () => {
    const options = ['--opt=type=tmpfs', '--opt=device=tmpfs', '--opt=o=size=1m'];
    await engine().dockerOk(['volume', 'create', ...options, 'mounted']);
    const place = await engine().dockerOk(['volume', 'inspect', '-f', '{{.Mountpoint}}', 'mounted']);
    await start('first', '--volume=mounted:/v');
    const second = await start('second');
    if (!isOracle()) assert.ok(mountsOf(second.monitor).includes(place));
    await engine().dockerOk(['stop', '-t=0', 'first']);
    await eventually('gone after the stop', async () => !mountsOf(second.monitor).includes(place));
    await engine().dockerOk(['start', 'first']);
    assert.match(await engine().dockerOk(['exec', 'first', 'df', '/v']), /tmpfs\s+1024/);
  });
});
