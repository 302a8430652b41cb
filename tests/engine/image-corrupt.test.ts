import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { answeringMeanwhile } from '../support/answers.ts';
import {
  blobMember,
  busyboxLayer,
  type CraftedImage,
  type CraftedLayer,
  craftedConfig,
  describeBlob,
  dockerArchive,
  dockerMembers,
  json,
  layerOf,
  mediaTypes,
  ociBlobs,
  ociLayout,
  ociMembers,
  sha256,
} from '../support/crafted-image.ts';
import { engineSuite } from '../support/suite.ts';
import { type TarMember, tarOf } from '../support/tar.ts';

/** What is wrong with an archive is said, nothing of it stays (the suite compares the disk), and the engine goes on. */
engineSuite('archives that are no good', {}, (engine) => {
  async function refuses(input: Uint8Array, says: RegExp, limit = 20_000): Promise<void> {
    const { code, stdout, stderr } = await answeringMeanwhile(engine(), () =>
      engine().docker(['load'], { input, timeout: limit }),
    );
    assert.equal(code, 1, stdout + stderr);
    assert.match(stderr, says);
    assert.equal(await engine().dockerOk(['images', '-aq', '--filter', 'reference=crafted']), '');
  }
  const crafted = async (...above: readonly CraftedLayer[]): Promise<CraftedImage> => ({
    names: ['crafted:bad'],
    layers: [await busyboxLayer(), ...above],
  });
  /** An image whose uppermost layer has these members. */
  const withMembers = async (...members: readonly TarMember[]): Promise<Buffer> =>
    dockerArchive(await crafted(layerOf(...members)));
  const file = layerOf({ name: 'file', body: 'content' });

  test('no archive at all, and nothing at all', async () => {
    await refuses(Buffer.from('this is no archive'.repeat(100)), /archive/);
    await refuses(Buffer.alloc(0), /archive/);
    await refuses(tarOf([]), /archive/);
    await refuses(tarOf([{ name: 'README', body: 'hello' }]), /neither index\.json with oci-layout nor manifest\.json/);
  });

  test('cut in the middle: tar, gzip, at several places', async () => {
    const whole = dockerArchive(await crafted(file));
    for (const part of [0.1, 0.5, 0.99]) {
      await refuses(whole.subarray(0, Math.floor(whole.length * part)), /the archive ends in the middle of a member/);
    }
    const packed = gzipSync(whole, { level: 1 });
    await refuses(packed.subarray(0, packed.length - 9), /unexpected end of file/);
  });

  test('gzip whose checksum is wrong', async () => {
    const packed = gzipSync(dockerArchive(await crafted(file)), { level: 1 });
    packed.writeUInt32LE(1, packed.length - 8);
    await refuses(packed, /incorrect data check/);
  });

  test('a blob with another digest than its name', async () => {
    const members = ociMembers(await crafted(file));
    const wrong = members.map((member) =>
      member.name === `blobs/sha256/${sha256(file.blob)}` ? { ...member, body: tarOf([]) } : member,
    );
    await refuses(tarOf(wrong), /sha256:[0-9a-f]{64}/);
  });

  test('a config with another digest than its name', async () => {
    const image = await crafted(file);
    const name = `blobs/sha256/${sha256(craftedConfig(image))}`;
    const members = ociMembers(image).map((member) => (member.name === name ? { ...member, body: '{"x":1}' } : member));
    await refuses(tarOf(members), /has the digest sha256:/);
  });

  test('a layer with another diff id than the config says', async () => {
    const lying = { blob: file.blob, diffId: '0'.repeat(64) };
    await refuses(
      dockerArchive(await crafted(lying)),
      /invalid diffID for layer sha256:[0-9a-f]{64}: expected sha256:0+, got/,
    );
    await refuses(ociLayout(await crafted(lying)), /invalid diffID/);
  });

  test('more layers than diff ids, missing layers, missing config', async () => {
    const image = await crafted(file);
    const members = dockerMembers(image);
    const manifest = members.at(-1);
    const entry = JSON.parse(String(manifest?.body)) as [{ Config: string; Layers: string[] }];
    const withEntry = (change: object): Buffer =>
      tarOf([...members.slice(0, -1), { name: 'manifest.json', body: json([{ ...entry[0], ...change }]) }]);
    await refuses(withEntry({ Layers: entry[0].Layers.slice(1) }), /has 2 layers, manifest\.json 1/);
    await refuses(withEntry({ Layers: ['nowhere/layer.tar', 'else/layer.tar'] }), /"nowhere\/layer\.tar" is missing/);
    await refuses(withEntry({ Config: '../../../etc/passwd' }), /is missing/);
    await refuses(withEntry({ Config: 7 }), /Config/);
    await refuses(withEntry({ RepoTags: ['Not A Name'] }), /invalid reference format/);
  });

  test('manifest.json of the wrong form', async () => {
    for (const body of ['{}', '[1]', '[', '[{"Config":"a","Layers":{}}]', 'null', `${'['.repeat(100_000)}`]) {
      await refuses(tarOf([{ name: 'manifest.json', body }]), /manifest\.json/);
    }
  });

  test('a manifest with both layers and manifests', async () => {
    const image = await crafted(file);
    const { manifest, blobs } = ociBlobs(image);
    const confused = json({ ...(JSON.parse(manifest.toString()) as object), manifests: [] });
    const described = { ...describeBlob(mediaTypes.manifest, confused) };
    const members = [
      { name: 'oci-layout', body: '{"imageLayoutVersion":"1.0.0"}' },
      ...[...blobs.slice(0, -1), confused].map(blobMember),
      { name: 'index.json', body: json({ schemaVersion: 2, manifests: [described] }) },
    ];
    await refuses(tarOf(members), /manifests/);
  });

  test('an index that contains itself or a thousand others, digests that are no digests', async () => {
    const layout = (manifests: readonly object[], ...blobs: readonly Buffer[]): Buffer =>
      tarOf([
        { name: 'oci-layout', body: '{"imageLayoutVersion":"1.0.0"}' },
        ...blobs.map(blobMember),
        { name: 'index.json', body: json({ schemaVersion: 2, manifests }) },
      ]);
    const inner = json({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] });
    const outer = json({
      schemaVersion: 2,
      mediaType: mediaTypes.index,
      manifests: [describeBlob(mediaTypes.index, inner)],
    });
    await refuses(
      layout([describeBlob(mediaTypes.index, outer)], inner, outer),
      /index sha256:\S+ inside index sha256:/,
    );
    for (const digest of [
      'sha256:../../../etc/passwd',
      `sha256:${'A'.repeat(64)}`,
      'md5:00',
      '',
      `sha512:${'0'.repeat(128)}`,
    ]) {
      await refuses(layout([{ mediaType: mediaTypes.manifest, digest, size: 2 }]), /digest/);
    }
    await refuses(
      layout([{ mediaType: mediaTypes.manifest, digest: `sha256:${'0'.repeat(64)}`, size: 2 }]),
      /is missing/,
    );
    await refuses(layout([{ mediaType: mediaTypes.manifest, digest: `sha256:${'0'.repeat(64)}`, size: -2 }]), /size/);
  });

  test('members of the archive that lead out of it', async () => {
    const image = dockerMembers(await crafted());
    for (const name of ['../out', '/etc/gantry-canary', 'a/../../out', './../out']) {
      await refuses(tarOf([{ name, body: '{}' }, ...image]), /leads out of the archive|is an absolute path/);
    }
    for (const type of ['char', 'block', 'fifo'] as const) {
      await refuses(tarOf([{ name: 'node', type }, ...image]), /"node" is a device or pipe/);
    }
  });

  test('blobs that are links to files of the host', async () => {
    for (const type of ['symlink', 'hardlink'] as const) {
      for (const link of ['/etc/passwd', '../../../../../../../etc/passwd']) {
        const image = await crafted(file);
        const members = ociMembers(image).map((member) =>
          member.name === `blobs/sha256/${sha256(file.blob)}` ? { name: member.name, type, link } : member,
        );
        await refuses(tarOf(members), /leads out of the archive/);
      }
    }
    const index = { name: 'index.json', type: 'symlink', link: '/etc/hostname' } as const;
    await refuses(tarOf([{ name: 'oci-layout', body: '{}' }, index]), /leads out of the archive/);
    const circle = [
      { name: 'a', type: 'symlink', link: 'b' },
      { name: 'b', type: 'symlink', link: 'a' },
    ] as const;
    const manifest = { name: 'manifest.json', body: json([{ Config: 'a', RepoTags: null, Layers: [] }]) };
    await refuses(tarOf([...circle, manifest]), /circle|is missing/);
  });

  test('layers whose members lead out of the root', async () => {
    for (const name of ['../out', 'a/../../out', '../../../../../tmp/gantry-canary']) {
      await refuses(await withMembers({ name, body: 'x' }), /is outside of the root/);
      await refuses(
        await withMembers({ name: 'in', type: 'hardlink', link: name }),
        /is outside of the root|no such file in this layer/,
      );
    }
    await refuses(
      await withMembers({ name: 'hard', type: 'hardlink', link: '/etc/shadow' }),
      /no such file in this layer/,
    );
    await refuses(await withMembers({ name: 'f', body: 'x' }, { name: 'f/below', body: 'x' }), /is not a directory/);
    await refuses(await withMembers({ name: 'n'.repeat(300), body: 'x' }), /too long/);
    const loop = { name: 'loop', type: 'symlink', link: 'loop' } as const;
    await refuses(await withMembers(loop, { name: 'loop/in', body: 'x' }), /too many levels of symbolic links/);
  });

  test('links inside of a layer never lead out of it', async () => {
    const members: TarMember[] = [
      { name: 'out', type: 'symlink', link: '../../../../../../tmp' },
      { name: 'out/gantry-canary', body: 'inside' },
      { name: 'abs', type: 'symlink', link: '/' },
      { name: 'abs/gantry-canary', body: 'inside too' },
    ];
    await engine().dockerOk(['load'], { input: await withMembers(...members) });
    const shown = await engine().dockerOk([
      'run',
      '--rm',
      'crafted:bad',
      'cat',
      '/tmp/gantry-canary',
      '/gantry-canary',
    ]);
    assert.equal(shown, 'insideinside too');
  });

  test('members whose headers are damaged', async () => {
    const good = tarOf([{ name: 'file', body: 'content' }]);
    const damaged = (change: (bytes: Buffer) => void): Promise<Buffer> => {
      const bytes = Buffer.from(good);
      change(bytes);
      return crafted({ blob: bytes }).then((image) => dockerArchive(image));
    };
    await refuses(await damaged((bytes) => bytes.write('x', 0)), /checksum/);
    await refuses(await damaged((bytes) => bytes.fill(0xff, 124, 136)), /checksum|size|header/);
    await refuses(
      await withMembers({ name: 'f', body: 'x', size: 0o7777777777 }),
      /the archive ends in the middle of a member/,
    );
  });

  test('a hundred thousand members, of the archive and of a layer', async () => {
    const image = dockerMembers(await crafted());
    const members = Array.from({ length: 100_000 }, (_, at): TarMember => ({ name: `junk/${at}`, body: '' }));
    await refuses(tarOf([...members, ...image]), /more than 50000|too many/);
    const input = dockerArchive(await crafted({ blob: tarOf(members) }));
    await answeringMeanwhile(engine(), () => engine().dockerOk(['load'], { input }));
    assert.equal(await engine().dockerOk(['run', '--rm', 'crafted:bad', 'sh', '-c', 'ls /junk | wc -l']), '100000');
  });

  test('names and attributes without end', async () => {
    const pax = (key: string, length: number): TarMember => ({
      name: 'f',
      xattrs: { [key]: Buffer.alloc(length, 'x') },
    });
    await refuses(await withMembers(pax('user.big', 900_000)), /too large|too long|more than|larger/);
    await refuses(await withMembers({ name: 'd/'.repeat(4_000), type: 'directory' }), /is longer than 4095 bytes/);
  });
});
