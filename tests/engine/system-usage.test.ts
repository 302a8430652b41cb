import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOracle, seenBy } from '../support/engine.ts';
import { must } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';

const image = 'gantry-test/busybox:1';

interface Usage {
  readonly LayersSize: number;
  readonly Images: readonly { Id: string; Size: number; SharedSize: number; Containers: number }[] | null;
  readonly Containers: readonly { Names: string[]; SizeRw?: number; SizeRootFs?: number; State: string }[] | null;
  readonly Volumes: readonly { Name: string; UsageData: { Size: number; RefCount: number } }[] | null;
  readonly BuildCache: readonly unknown[] | null;
  readonly ImageUsage?: Sums;
  readonly ContainerUsage?: Sums;
  readonly VolumeUsage?: Sums;
  readonly BuildCacheUsage?: Sums;
}

interface Sums {
  readonly ActiveCount?: number;
  readonly TotalCount?: number;
  readonly Reclaimable?: number;
  readonly TotalSize?: number;
  readonly Items?: readonly unknown[];
}

engineSuite('what the system uses', { images: ['busybox'] }, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);
  const usage = async (path = '/v1.44/system/df') => {
    const answer = await engine().api('GET', path);
    assert.equal(answer.status, 200, answer.text);
    return answer.json<Usage>();
  };

  async function fill(): Promise<void> {
    const script = 'echo -n 12345 > /five; ln /five /again; echo -n 123 > /data/three; ln -s /five /data/link';
    await docker('run', '-d', '--name=idle', '-v', 'used:/data', image, 'sh', '-c', script);
    await docker('wait', 'idle');
    await docker('run', '-d', '--name=busy', image, 'sh', '-c', 'echo -n 1234567 > /seven; sleep 1000');
    await docker('volume', 'create', 'unused');
  }

  test('is counted to the byte: containers, volumes and images', async () => {
    await fill();
    const { Containers, Volumes, Images, LayersSize, BuildCache } = await usage();
    const sizes = new Map(Containers?.map(({ Names, SizeRw }) => [Names[0], SizeRw]));
    assert.equal(sizes.get('/idle'), 5);
    assert.equal(sizes.get('/busy'), 7);
    for (const { SizeRootFs = 0 } of Containers ?? []) assert.ok(SizeRootFs > 500_000, String(SizeRootFs));
    const volumes = new Map(Volumes?.map(({ Name, UsageData }) => [Name, UsageData]));
    assert.deepEqual(volumes.get('used'), { Size: 3 + '/five'.length, RefCount: 1 });
    assert.deepEqual(volumes.get('unused'), { Size: 0, RefCount: 0 });
    assert.equal(Images?.length, 1);
    assert.equal(Images?.[0]?.Containers, 2);
    assert.equal(Images?.[0]?.SharedSize, 0);
    assert.ok(LayersSize > 500_000);
    assert.deepEqual(BuildCache ?? [], []);
    if (!isOracle()) assert.equal(LayersSize, await contentSize());
  });

  /** What the files of a layer take that is kept as a directory. */
  const treeSize = async (path: string): Promise<number> => Number.parseInt(await must('du', ['-s', '-B1', path]), 10);

  async function contentSize(): Promise<number> {
    let size = 0;
    for (const folder of ['blobs/sha256', 'layers']) {
      const path = seenBy(engine(), join(engine().paths.dataRoot, folder));
      for (const name of await readdir(path)) {
        const found = await stat(join(path, name));
        size += found.isFile() ? found.size : await treeSize(join(path, name, 'root'));
      }
    }
    return size;
  }

  test('only the wanted kinds, and the shape of the API’s version', async () => {
    const { Containers, Volumes, Images } = await usage('/v1.44/system/df?type=volume');
    assert.deepEqual([Containers, Images, Volumes], [null, null, []]);
    const before142 = await usage('/v1.41/system/df?type=nonsense');
    assert.equal(before142.Images?.length, 1);
    const bad = await engine().api('GET', '/v1.44/system/df?type=nonsense');
    assert.equal(bad.status, 400);
    assert.match(bad.text, /unknown object type: nonsense/);
  });

  test('sums by kind since 1.52', { skip: isOracle() && 'that version of the API is newer' }, async () => {
    await fill();
    const short = await usage('/v1.52/system/df');
    assert.deepEqual(short.ContainerUsage, { ActiveCount: 1, Reclaimable: 5, TotalCount: 2, TotalSize: 12 });
    assert.deepEqual(short.VolumeUsage, { ActiveCount: 1, TotalCount: 2, TotalSize: 8 });
    assert.deepEqual(short.BuildCacheUsage, {});
    assert.equal(short.Containers?.length, 2);
    const long = await usage('/v1.52/system/df?verbose=1&type=container');
    assert.equal(long.ContainerUsage?.Items?.length, 2);
    assert.equal(long.Containers, undefined);
    assert.equal(long.ImageUsage, undefined);
  });

  test('docker system df and prune', async () => {
    await fill();
    const table = await docker('system', 'df', '--format', '{{.Type}}:{{.TotalCount}}:{{.Active}}:{{.Size}}');
    assert.match(table, /^Images:1:1:.*\nContainers:2:1:12B\nLocal Volumes:2:1:8B\nBuild Cache:0:0:0B$/);
    assert.match(await docker('system', 'df', '-v'), /Local Volumes space usage:[^]*used +1 +8B/);
    const pruned = await docker('system', 'prune', '-f');
    assert.match(pruned, /Deleted Containers:\n[0-9a-f]{64}\n\nTotal reclaimed space: 5B/);
    assert.equal(await docker('ps', '-a', '--format', '{{.Names}}'), 'busy');
    assert.equal(await docker('volume', 'ls', '-q'), 'unused\nused');
    assert.match(await docker('system', 'prune', '-f', '--volumes', '--filter', 'label=none'), /space: 0B/);
    const both = await engine().docker(['system', 'prune', '-f', '--volumes', '--filter', 'until=1h']);
    assert.equal(both.code, 1);
  });

  test('nothing to prune is an empty report', async () => {
    const networks = await engine().api('POST', '/v1.44/networks/prune');
    assert.deepEqual([networks.status, networks.json()], [200, { NetworksDeleted: null }]);
    const cache = await engine().api('POST', '/v1.44/build/prune');
    assert.deepEqual([cache.status, cache.json()], [200, { CachesDeleted: null, SpaceReclaimed: 0 }]);
    const bad = await engine().api('POST', '/v1.44/networks/prune?filters={"nonsense":["1"]}');
    assert.deepEqual([bad.status, bad.json()], [400, { message: "invalid filter 'nonsense'" }]);
  });
});
