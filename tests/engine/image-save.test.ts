import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  busyboxLayer,
  type CraftedLayer,
  dockerArchive,
  layerOf,
  ociLayout,
  sha256,
} from '../support/crafted-image.ts';
import { isOracle } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { membersOfTar } from '../support/tar.ts';

/** The members of an archive by name, as `docker save` writes it to its standard output. */
type Members = ReadonlyMap<string, Buffer>;

const jsonOf = <T>(members: Members, name: string): T => JSON.parse(String(members.get(name))) as T;

interface Index {
  readonly manifests: readonly {
    readonly digest: string;
    readonly size: number;
    readonly annotations?: Readonly<Record<string, string>>;
  }[];
}

engineSuite('docker save', {}, (engine) => {
  const load = (input: Uint8Array) => engine().dockerOk(['load', '-q'], { input });
  const idOf = (name: string) => engine().dockerOk(['image', 'inspect', '--format', '{{.Id}}', name]);
  const greeting = (text: string): CraftedLayer => layerOf({ name: 'greeting', body: text });
  async function save(...words: string[]): Promise<{ bytes: Buffer; members: Members }> {
    const file = join(engine().folder, 'saved.tar');
    await engine().dockerOk(['save', '-o', file, ...words]);
    const bytes = await readFile(file);
    await rm(file);
    return { bytes, members: membersOfTar(bytes) };
  }

  test('writes a docker archive and an OCI layout in one, that loads to the same image', async () => {
    await load(ociLayout({ names: ['crafted:one'], layers: [await busyboxLayer(), greeting('hello')] }));
    const id = await idOf('crafted:one');
    const { bytes, members } = await save('crafted:one');
    const names = [...members.keys()];
    assert.deepEqual(names, names.toSorted(), 'members come in order');
    assert.deepEqual(
      names.filter((name) => !name.startsWith('blobs/')),
      ['index.json', 'manifest.json', 'oci-layout'],
    );
    for (const [name, body] of members) {
      if (name.startsWith('blobs/sha256/') && !name.endsWith('/')) assert.equal(sha256(body), name.slice(13));
    }
    assert.deepEqual(jsonOf(members, 'oci-layout'), { imageLayoutVersion: '1.0.0' });
    const [entry, ...others] = jsonOf<Index>(members, 'index.json').manifests;
    assert.equal(others.length, 0);
    assert.equal(entry?.digest, id);
    assert.equal(entry?.annotations?.['io.containerd.image.name'], 'docker.io/library/crafted:one');
    assert.equal(entry?.annotations?.['org.opencontainers.image.ref.name'], 'one');
    const [docker] = jsonOf<{ Config: string; RepoTags: string[]; Layers: string[] }[]>(members, 'manifest.json');
    assert.deepEqual(docker?.RepoTags, ['crafted:one']);
    for (const path of [docker?.Config ?? '', ...(docker?.Layers ?? [])]) assert.ok(members.has(path), path);
    await engine().dockerOk(['rmi', '-f', 'crafted:one']);
    assert.equal(await load(bytes), 'Loaded image: crafted:one');
    assert.equal(await idOf('crafted:one'), id);
    assert.equal(await engine().dockerOk(['run', '--rm', 'crafted:one', 'cat', '/greeting']), 'hello');
  });

  test('puts several images into one archive, and what they share once', async () => {
    const base = await busyboxLayer();
    await load(dockerArchive({ names: ['crafted:first', 'crafted:also'], layers: [base, greeting('first')] }));
    await load(dockerArchive({ names: ['crafted:second'], layers: [base, greeting('second')] }));
    const { bytes, members } = await save('crafted:first', 'crafted:also', 'crafted:second');
    const blobs = [...members.keys()].filter((name) => name.startsWith('blobs/sha256/') && !name.endsWith('/'));
    assert.equal(blobs.length, new Set(blobs).size);
    const list = jsonOf<{ RepoTags: string[] }[]>(members, 'manifest.json');
    assert.deepEqual(
      new Set(list.map(({ RepoTags }) => RepoTags.join(' '))),
      new Set(['crafted:first crafted:also', 'crafted:second']),
    );
    const before = await Promise.all(['crafted:first', 'crafted:also', 'crafted:second'].map(idOf));
    await engine().dockerOk(['rmi', '-f', 'crafted:first', 'crafted:also', 'crafted:second']);
    await load(bytes);
    assert.deepEqual(await Promise.all(['crafted:first', 'crafted:also', 'crafted:second'].map(idOf)), before);
  });

  test('a repository without a tag stands for all its tags, an id for an image without a name', async () => {
    const base = await busyboxLayer();
    await load(dockerArchive({ names: ['crafted:a', 'crafted:b'], layers: [base] }));
    const tags = jsonOf<Index>((await save('crafted')).members, 'index.json').manifests.map(
      ({ annotations }) => annotations?.['org.opencontainers.image.ref.name'],
    );
    assert.deepEqual(new Set(tags), new Set(['a', 'b']));
    const id = await idOf('crafted:a');
    for (const name of [id, id.slice(7, 19)]) {
      const { members } = await save(name);
      const [entry] = jsonOf<Index>(members, 'index.json').manifests;
      assert.equal(entry?.digest, id);
      assert.equal(entry?.annotations?.['io.containerd.image.name'], undefined);
      assert.equal(jsonOf<{ RepoTags: unknown }[]>(members, 'manifest.json')[0]?.RepoTags, null);
    }
  });

  test('refuses what is not there before it writes a byte', async () => {
    await load(dockerArchive({ names: ['crafted:one'], layers: [await busyboxLayer()] }));
    for (const [words, message] of [
      [['nothing:here'], /No such image: nothing:here|reference does not exist/],
      [['crafted:one', 'nothing'], /No such image: nothing|reference does not exist/],
      [['--platform', 'linux/s390x', 'crafted:one'], /platform/],
    ] as const) {
      const { code, stderr, stdout } = await engine().docker(['save', ...words]);
      assert.equal(code, 1);
      assert.equal(stdout, '');
      assert.match(stderr, message);
    }
  });

  test('an image may be removed while it is saved', async () => {
    // More than fits into the buffers between engine and client.
    const large = layerOf({ name: 'large', body: randomBytes(16 << 20) });
    await load(dockerArchive({ names: ['crafted:going'], layers: [await busyboxLayer(), large, greeting('going')] }));
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const path = '/v1.48/images/crafted:going/get';
    get({ socketPath: engine().paths.socket, path, agent: false }, resolve).on('error', reject);
    const parts: Buffer[] = [];
    for await (const chunk of await promise) {
      if (parts.length === 0) await engine().dockerOk(['rmi', '-f', 'crafted:going']);
      parts.push(chunk as Buffer);
    }
    await load(Buffer.concat(parts));
    assert.equal(await engine().dockerOk(['run', '--rm', 'crafted:going', 'cat', '/greeting']), 'going');
  });

  test('a failed save leaves no file', async () => {
    const file = join(engine().folder, 'refused.tar');
    const { code } = await engine().docker(['save', '-o', file, 'nothing:here']);
    assert.equal(code, 1);
    await assert.rejects(readFile(file), { code: 'ENOENT' });
  });

  test('two platforms at once need API 1.52', async () => {
    const path = '/images/get?names=gantry-test/busybox:1&platform=linux/amd64&platform=linux/arm64';
    if (!isOracle()) assert.equal((await engine().api('GET', `/v1.51${path}`)).status, 400);
    assert.equal((await engine().api('GET', '/v1.51/images/none/get')).status, 404);
    assert.equal((await engine().api('GET', '/v1.51/images/get?names=')).status, isOracle() ? 500 : 400);
  });

  test('an event tells of it', async () => {
    const since = String(Date.now() / 1000);
    const id = await idOf('gantry-test/busybox:1');
    await save('gantry-test/busybox:1');
    const until = String(Date.now() / 1000 + 0.1);
    const format = '{{.Action}} {{.Actor.ID}} {{.Actor.Attributes.name}}';
    const words = ['events', `--since=${since}`, `--until=${until}`, '--filter=event=save', '--format', format];
    assert.equal(await engine().dockerOk(words), `save ${id} ${id}`);
  });
});
