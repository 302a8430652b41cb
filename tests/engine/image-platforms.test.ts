import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  blobMember,
  busyboxLayer,
  describeBlob,
  json,
  layerOf,
  mediaTypes,
  ociBlobs,
  sha256,
} from '../support/crafted-image.ts';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { architecture } from '../support/image-archive.ts';
import { must } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { tarOf } from '../support/tar.ts';

const provenance = 'https://slsa.dev/provenance/v1';
/** Not this machine's. */
const foreign = 's390x';

/** An OCI layout with one index: this machine's platform, another one, and a statement about the first. */
async function attestedLayout(name: string) {
  const base = await busyboxLayer();
  const parts = [architecture, foreign].map((one) =>
    ociBlobs({ layers: [base, layerOf({ name: 'which', body: one })], platform: { architecture: one } }),
  );
  const digests = parts.map(({ manifest }) => `sha256:${sha256(manifest)}`);
  const statement = json({ predicateType: provenance, subject: [], predicate: { builder: 'by hand' } });
  const config = json({ architecture: 'unknown', os: 'unknown', rootfs: { type: 'layers', diff_ids: [] } });
  const attestation = json({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: describeBlob(mediaTypes.config, config),
    layers: [
      {
        ...describeBlob('application/vnd.in-toto+json', statement),
        annotations: { 'in-toto.io/predicate-type': provenance },
      },
    ],
  });
  const index = json({
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: [
      ...parts.map(({ manifest }, at) => ({
        ...describeBlob(mediaTypes.manifest, manifest),
        platform: { os: 'linux', architecture: at === 0 ? architecture : foreign },
      })),
      {
        ...describeBlob(mediaTypes.manifest, attestation),
        platform: { os: 'unknown', architecture: 'unknown' },
        annotations: {
          'vnd.docker.reference.type': 'attestation-manifest',
          'vnd.docker.reference.digest': digests[0],
        },
      },
    ],
  });
  const blobs = new Map(
    [...parts.flatMap((part) => part.blobs), statement, config, attestation, index].map((blob) => [sha256(blob), blob]),
  );
  const entry = { ...describeBlob(mediaTypes.index, index), annotations: { 'io.containerd.image.name': name } };
  const archive = tarOf([
    { name: 'oci-layout', body: '{"imageLayoutVersion":"1.0.0"}' },
    ...[...blobs.values()].map(blobMember),
    { name: 'index.json', body: json({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [entry] }) },
  ]);
  return { archive, digests, index: `sha256:${sha256(index)}` };
}

const name = 'docker.io/library/multi:1';
const skip = isOracle() && "dockerd's store with graph drivers knows no platforms";

engineSuite('images of several platforms', { skip }, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);
  const load = async () => {
    const made = await attestedLayout(name);
    await engine().dockerOk(['load'], { input: made.archive });
    return made;
  };
  const gantry = (...words: string[]) => {
    const [program, ...args] = gantryProgram;
    return must(program, [...args, ...words], { env: engine().clientEnv() });
  };

  test('a tree of platforms and one of layers', async () => {
    const { digests, index } = await load();
    const user = await docker('create', 'multi:1', 'true');
    const short = (digest = '') => digest.slice(7, 19);
    const tree = await docker('image', 'ls', '--tree');
    for (const line of [
      new RegExp(`^multi:1 +${short(index)} `, 'm'),
      new RegExp(`^├─ linux/${architecture} +${short(digests[0])} .* U *$`, 'm'),
      new RegExp(`^└─ linux/${foreign} +${short(digests[1])} .*MB *$`, 'm'),
    ])
      assert.match(tree, line);
    assert.match(
      await gantry('images', '--tree'),
      new RegExp(`^├─ linux/${architecture} +${short(digests[0])}.* U *$`, 'm'),
    );
    const layers = await gantry('image', 'tree', 'multi');
    assert.match(layers, new RegExp(`^├─ [0-9a-f]{12} .*multi:1 \\(linux/${architecture}\\)$`, 'm'));
    assert.match(layers, new RegExp(`^└─ [0-9a-f]{12} .*multi:1 \\(linux/${foreign}\\)$`, 'm'));
    assert.match(layers, /^2 images, 3 layers of .*; sharing saves /m);
    await docker('rm', user);
  });

  test('inspect of one platform; one goes by rmi --platform, a container that runs keeps its own', async () => {
    const { digests, index } = await load();
    const inspected = (...flags: string[]) =>
      docker('image', 'inspect', ...flags, '--format', '{{.Id}} {{.Architecture}}', 'multi:1');
    assert.equal(await inspected(), `${index} ${architecture}`);
    assert.equal(await inspected('--platform', `linux/${foreign}`), `${digests[1]} ${foreign}`);
    const { status, text } = await engine().api('GET', `/images/multi:1/json?manifests=1&platform=${foreign}`);
    assert.deepEqual([status, /manifests and platform options cannot both be set/.test(text)], [400, true]);

    const running = await docker('run', '-d', 'multi:1', 'sleep', '1000');
    const refused = await engine().docker(['rmi', '--platform', `linux/${foreign}`, 'multi:1']);
    assert.match(refused.stderr, /Use —-force to force delete/);
    const own = await engine().docker(['rmi', '-f', '--platform', `linux/${architecture}`, 'multi:1']);
    assert.match(own.stderr, /cannot be forced\) - image is being used by running container/);
    assert.equal(await docker('rmi', '-f', '--platform', `linux/${foreign}`, 'multi:1'), `Deleted: ${digests[1]}`);
    const gone = await engine().docker(['image', 'inspect', '--platform', `linux/${foreign}`, 'multi:1']);
    assert.match(gone.stderr, /does not provide the specified platform|does not match the specified platform/);
    await docker('rm', '-f', running);
    const stopped = await docker('create', 'multi:1', 'cat', '/which');
    assert.equal(await gantry('rmi', '-f', '--platform', `linux/${architecture}`, 'multi:1'), `Deleted: ${digests[0]}`);
    assert.equal(await docker('start', '-a', stopped), architecture);
    assert.equal(await docker('images', '-q', '--no-trunc', 'multi'), index);
    await docker('rm', stopped);
  });

  test('attestations', async () => {
    const { digests } = await load();
    type Statement = { Descriptor: { mediaType: string }; PredicateType: string; Statement?: { predicate: unknown } };
    const ask = async (query = '', version = 'v1.55') =>
      engine().api('GET', `/${version}/images/multi:1/attestations?${query}`);
    const [bare, ...more] = (await ask()).json<Statement[]>();
    assert.deepEqual([bare?.PredicateType, bare?.Statement, more], [provenance, undefined, []]);
    const [full] = (await ask(`statement=1&type=${provenance}`)).json<Statement[]>();
    assert.deepEqual(full?.Statement?.predicate, { builder: 'by hand' });
    assert.deepEqual((await ask('type=other')).json(), []);
    const platform = (one: string) =>
      `platform=${encodeURIComponent(JSON.stringify({ os: 'linux', architecture: one }))}`;
    assert.deepEqual((await ask(platform(foreign))).json(), []);
    assert.equal((await ask(platform('mips'))).status, 404);
    assert.equal((await ask(`${platform(foreign)}&${platform('mips')}`)).status, 400);
    assert.equal((await ask('', 'v1.54')).status, 404);
    const view = await engine().api('GET', '/images/multi:1/json?manifests=1');
    const kinds = view.json<{ Manifests: { Kind: string; AttestationData?: { For: string } }[] }>().Manifests;
    assert.deepEqual(
      kinds.map(({ Kind }) => Kind),
      ['image', 'image', 'attestation'],
    );
    assert.equal(kinds[2]?.AttestationData?.For, digests[0]);
  });
});

engineSuite('images that were committed on top of each other', {}, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);

  /** Commits one more layer; resolves with the image's id. */
  async function commit(from: string, ...names: string[]): Promise<string> {
    const made = await docker('create', from, 'true');
    const id = await docker('commit', made, ...names);
    await docker('rm', made);
    return id;
  }

  test('images without a name below a removed one go too, unless --no-prune is there', async () => {
    const one = await commit('gantry-test/busybox:1');
    const top = await commit(one, 'top');
    assert.equal(await docker('image', 'inspect', '--format', '{{.Parent}}', 'top'), one);
    const listed = async (...flags: string[]) => (await docker('images', '-q', '--no-trunc', ...flags)).split('\n');
    assert.ok(!(await listed()).includes(one));
    assert.ok((await listed('-a')).includes(one));
    const said = await docker('rmi', 'top');
    for (const line of ['Untagged: top:latest', `Deleted: ${top}`, `Deleted: ${one}`])
      assert.ok(said.includes(line), said);
    const kept = await commit('gantry-test/busybox:1');
    await commit(kept, 'again');
    assert.ok(!(await docker('rmi', '--no-prune', 'again')).includes(kept));
    assert.ok((await listed('-a')).includes(kept));
    await docker('rmi', kept);
  });
});
