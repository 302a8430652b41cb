/** What the stock client says about a push: the same lines, whichever engine it talks to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import {
  busyboxLayer,
  type CraftedImage,
  dockerArchive,
  json,
  layerOf,
  mediaTypes,
  ociBlobs,
  sha256,
} from '../support/crafted-image.ts';
import { isOracle } from '../support/engine.ts';
import { type Registry, startRegistry } from '../support/registry.ts';
import { must } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';

engineSuite('the output of docker push', {}, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);
  async function withImage(work: (repository: string, registry: Registry) => Promise<void>): Promise<void> {
    await using registry = await startRegistry(engine().namespaces);
    const layers = [layerOf({ name: 'one', body: 'first' }), layerOf({ name: 'two', body: 'second' })];
    await engine().dockerOk(['load', '-q'], { input: dockerArchive({ names: ['spoken:1'], layers }) });
    const repository = `${registry.host}/spoken`;
    await docker('tag', 'spoken:1', `${repository}:1`);
    await work(repository, registry);
  }
  /** Ids and digests by their kind; lines of layers in order of the alphabet, since they are pushed at the same time. */
  const said = (text: string): string[] => {
    const lines = text
      .split('\n')
      .map((line) =>
        line.replace(/^[0-9a-f]{12}: /, 'ID: ').replace(/sha256:[0-9a-f]{64} size: [0-9]+/, 'DIGEST size: SIZE'),
      );
    const layers = lines.filter((line) => line.startsWith('ID: ')).toSorted();
    return lines.map((line) => (line.startsWith('ID: ') ? (layers.shift() ?? '') : line));
  };
  const header = 'The push refers to repository [127.0.0.1:5000/spoken]';
  const preparing = ['ID: Preparing', 'ID: Preparing'];

  test('at the first time, the second time, and to another repository', () =>
    withImage(async (repository) => {
      const end = '1: digest: DIGEST size: SIZE';
      const first = said(await docker('push', `${repository}:1`));
      assert.deepEqual(first, [header, ...preparing, 'ID: Pushed', 'ID: Pushed', end]);
      const second = said(await docker('push', `${repository}:1`));
      const exists = ['ID: Layer already exists', 'ID: Layer already exists'];
      assert.deepEqual(second, [header, ...[...exists, ...preparing].toSorted(), end]);
      const other = '127.0.0.1:5000/team/other:1';
      await docker('tag', 'spoken:1', other);
      const mounted = ['ID: Mounted from spoken', 'ID: Mounted from spoken'];
      assert.deepEqual(said(await docker('push', other)), [
        header.replace('spoken', 'team/other'),
        ...mounted,
        ...preparing,
        end,
      ]);
    }));

  test('with all tags, and quietly', () =>
    withImage(async (repository) => {
      await docker('tag', 'spoken:1', `${repository}:2`);
      assert.equal(await docker('push', '-q', `${repository}:1`), `${repository}:1`);
      assert.equal(await docker('push', '-q', '-a', repository), repository);
      const lines = said(await docker('push', '-a', repository));
      assert.equal(lines[0], header);
      assert.deepEqual(
        lines.filter((line) => line.includes('digest')),
        ['1: digest: DIGEST size: SIZE', '2: digest: DIGEST size: SIZE'],
      );
      assert.equal(lines.filter((line) => line === 'ID: Layer already exists').length, 4);
      const { code, stdout, stderr } = await engine().docker(['push', '-a', `${repository}:1`]);
      assert.deepEqual([code, stdout, stderr.trim()], [1, '', "tag can't be used with --all-tags/-a"]);
      const untagged = await docker('push', '-q', `${repository}:1`);
      assert.equal(untagged, `${repository}:1`);
    }));

  test('of a tag that is not here, without a tag, and by digest', () =>
    withImage(async (repository) => {
      const failed = async (...words: string[]): Promise<[number, string, string]> => {
        const { code, stdout, stderr } = await engine().docker(['push', ...words]);
        return [code, stdout.trim(), stderr.trim()];
      };
      const [code, stdout, stderr] = await failed(`${repository}:none`);
      assert.deepEqual([code, stdout], [1, header]);
      assert.equal(stderr, 'tag does not exist: 127.0.0.1:5000/spoken:none');
      const [, latest, why] = await failed(repository);
      assert.equal(latest, `Using default tag: latest\n${header}`);
      assert.equal(why, 'tag does not exist: 127.0.0.1:5000/spoken:latest');
      assert.equal(
        (await failed('UPPER:case'))[2],
        'invalid reference format: repository name (library/UPPER) must be lowercase',
      );
      assert.equal((await failed())[0], 1);
    }));

  test('of one platform', { skip: isOracle() && 'this version of Docker has no platforms in its store' }, () =>
    withImage(async (_, registry) => {
      const digests = await putIndex(registry);
      const name = `${registry.host}/multi:x`;
      await docker('pull', '-q', name);
      const own = process.arch === 'arm64' ? 'arm64' : 'amd64';
      const missing = await engine().docker(['push', '--platform=linux/s390x', name]);
      assert.equal(missing.code, 1);
      assert.match(
        missing.stderr,
        /image with reference \S+\/multi:x was found but does not provide the specified platform \(linux\/s390x\)/,
      );
      await docker('pull', '-q', '--platform=linux/s390x', name);
      for (const platform of [own, 's390x']) {
        const copy = `${registry.host}/only-${platform}:x`;
        await docker('tag', name, copy);
        const lines = await docker('push', `--platform=linux/${platform}`, copy);
        assert.ok(lines.includes(`x: digest: ${digests.get(platform)} size: `), lines);
      }
      const whole = `${registry.host}/whole:x`;
      await docker('tag', name, whole);
      assert.ok((await docker('push', whole)).includes(`x: digest: ${digests.get('index')} size: `));
      const old = await engine().api(
        'POST',
        `/v1.45/images/${encodeURIComponent(`${registry.host}/whole`)}/push?tag=x&platform=nonsense`,
      );
      assert.equal(old.status, 200, 'older clients know no platforms');
      const wrong = await engine().api(
        'POST',
        `/v1.46/images/${encodeURIComponent(`${registry.host}/whole`)}/push?tag=x&platform=nonsense`,
      );
      assert.equal(wrong.status, 400);
    }),
  );

  /** `multi:x` for this host and for s390x; gives the digests by architecture, and that of the index. */
  async function putIndex(registry: Registry): Promise<Map<string, string>> {
    const own = process.arch === 'arm64' ? 'arm64' : 'amd64';
    const digests = new Map<string, string>();
    const manifests: object[] = [];
    const { blob } = await busyboxLayer();
    for (const architecture of [own, 's390x']) {
      const image: CraftedImage = {
        layers: [{ blob: gzipSync(blob, { level: 1 }), diffId: sha256(blob) }],
        platform: { architecture },
      };
      const { manifest, blobs } = ociBlobs(image);
      const digest = await registry.put('multi', architecture, manifest, blobs.slice(0, -1));
      digests.set(architecture, digest);
      const platform = { os: 'linux', architecture };
      manifests.push({ mediaType: mediaTypes.manifest, digest, size: manifest.length, platform });
    }
    const index = json({ schemaVersion: 2, mediaType: mediaTypes.index, manifests });
    digests.set('index', await registry.put('multi', 'x', index, [], mediaTypes.index));
    return digests;
  }
});

engineSuite('the output of docker push without a login', {}, (engine) => {
  test('names the repository, and why', async () => {
    const crypted = await must('perl', ['-e', `print crypt('secret', '$2y$05$abcdefghijklmnopqrstuu')`]);
    await using registry = await startRegistry(engine().namespaces, `tester:${crypted}`);
    const name = `${registry.host}/denied:1`;
    const layers = [layerOf({ name: 'one', body: 'first' })];
    await engine().dockerOk(['load', '-q'], { input: dockerArchive({ names: [name], layers }) });
    const { code, stdout, stderr } = await engine().docker(['push', name]);
    assert.equal(code, 1);
    assert.match(stdout, /^The push refers to repository \[127\.0\.0\.1:5000\/denied\]\n[0-9a-f]{12}: Preparing\n$/);
    assert.match(
      stderr,
      isOracle() ? /^no basic auth credentials$/m : /^push access denied for \S+\/denied, .*: unauthorized: /,
    );
    await engine().dockerOk(['rmi', name]);
  });
});
