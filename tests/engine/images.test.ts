import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testImage } from '../support/images.ts';
import { startRegistry } from '../support/registry.ts';
import { engineSuite } from '../support/suite.ts';

engineSuite('images through the docker client', { images: ['busybox', 'node'] }, (engine) => {
  test('version tells both sides, with the API version negotiated', async () => {
    const version = JSON.parse(await engine().dockerOk(['version', '--format', 'json'])) as {
      Client: { Version: string };
      Server: { Version: string; ApiVersion: string; Os: string };
    };
    assert.notEqual(version.Client.Version, '');
    assert.notEqual(version.Server.Version, '');
    assert.equal(version.Server.Os, 'linux');
    assert.match(version.Server.ApiVersion, /^1\.\d+$/);
  });

  test('info counts images and containers and names the data root', async () => {
    const info = JSON.parse(await engine().dockerOk(['info', '--format', 'json'])) as Record<string, unknown>;
    assert.equal(info['Images'], 2);
    assert.equal(info['Containers'], 0);
    assert.equal(info['DockerRootDir'], engine().paths.dataRoot);
    assert.equal(info['OSType'], 'linux');
  });

  test('images lists what was loaded, by name and by id', async () => {
    const { name } = await testImage('busybox');
    const [repository = '', tag = ''] = name.split(':');
    const listed = await engine().dockerOk(['images', '--format', '{{.Repository}} {{.Tag}} {{.ID}}', repository]);
    assert.match(listed, new RegExp(`^${repository} ${tag} [0-9a-f]{12}$`));
    const id = await engine().dockerOk(['images', '-q', '--no-trunc', repository]);
    assert.equal(await engine().dockerOk(['image', 'inspect', '--format', '{{.Id}}', name]), id);
  });

  test('inspect shows the config of the image', async () => {
    const { name } = await testImage('node');
    const template = '{{.Os}} {{json .Config.Cmd}} {{.Config.User}} {{.Config.WorkingDir}} {{len .RootFS.Layers}}';
    const shown = await engine().dockerOk(['image', 'inspect', '--format', template, name]);
    assert.equal(shown, 'linux ["node"] 1000:1000 /app 4');
  });

  test('a tag is a second name; the image goes with its last one', async () => {
    const { name } = await testImage('busybox');
    await engine().dockerOk(['tag', name, 'other/name:v2']);
    assert.match(await engine().dockerOk(['rmi', 'other/name:v2']), /^Untagged: other\/name:v2$/);
    await engine().dockerOk(['image', 'inspect', name]);
    const gone = await engine().docker(['image', 'inspect', 'other/name:v2']);
    assert.equal(gone.code, 1);
    assert.match(gone.stderr, /no such image: other\/name:v2/i);
  });

  test('loading twice changes nothing', async () => {
    const { name, archive } = await testImage('busybox');
    const before = await engine().dockerOk(['images', '-q', '--no-trunc']);
    assert.match(await engine().dockerOk(['load', '-i', archive]), new RegExp(`Loaded image: ${name}`));
    assert.equal(await engine().dockerOk(['images', '-q', '--no-trunc']), before);
  });

  test('import makes an image of a root file system', async () => {
    const { recipe } = await testImage('busybox');
    const layer = recipe.layers[0] ?? '';
    const id = await engine().dockerOk(['import', '--change', 'CMD ["echo", "imported"]', layer, 'made/by-import:1']);
    assert.match(id, /^sha256:[0-9a-f]{64}$/);
    assert.equal(await engine().dockerOk(['run', '--rm', 'made/by-import:1']), 'imported');
    await engine().dockerOk(['rmi', 'made/by-import:1']);
  });

  test('pulls by tag and by digest from a registry, and runs what it pulled', async () => {
    await using registry = await startRegistry(engine().namespaces);
    const { reference, digest } = await registry.push(await testImage('busybox'), 'team/busybox');
    const said = await engine().dockerOk(['pull', reference]);
    assert.match(said, new RegExp(`Digest: ${digest}`));
    assert.match(said, /Status: Downloaded newer image/);
    assert.equal(await engine().dockerOk(['run', '--rm', reference, 'echo', 'pulled']), 'pulled');
    assert.match(await engine().dockerOk(['pull', reference]), /Status: Image is up to date/);
    const byDigest = `${registry.host}/team/busybox@${digest}`;
    await engine().dockerOk(['pull', byDigest]);
    assert.equal(await engine().dockerOk(['run', '--rm', byDigest, 'echo', 'by digest']), 'by digest');
    // Whether the last tag takes the digest with it depends on the kind of image store.
    await engine().docker(['rmi', reference, byDigest]);
    for (const name of [reference, byDigest]) {
      assert.equal((await engine().docker(['image', 'inspect', name])).code, 1, name);
    }
  });

  test('a pull of what the registry does not have says so', async () => {
    await using registry = await startRegistry(engine().namespaces);
    const { code, stderr } = await engine().docker(['pull', `${registry.host}/nobody/nothing:1`]);
    assert.equal(code, 1);
    assert.match(stderr, /not found|manifest unknown/);
  });

  test('rmi of an image in use is refused', async () => {
    const { name } = await testImage('busybox');
    await engine().dockerOk(['create', '--name', 'user-of-image', name, 'true']);
    const { code, stderr } = await engine().docker(['rmi', name]);
    assert.equal(code, 1);
    assert.match(stderr, /conflict: unable to (delete|remove repository reference)/);
  });
});
