import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { test } from 'node:test';
import Docker, { type Container } from 'dockerode';
import { isOracle, seenBy } from '../support/engine.ts';
import { testImage } from '../support/images.ts';
import { startRegistry } from '../support/registry.ts';
import { must, run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { tarOf } from '../support/tar.ts';

const { name: Image } = await testImage('busybox');

engineSuite('the engine through dockerode', {}, (engine) => {
  // Without kept connections: the check for leaks would wait for the engine to give them up.
  const agent = new Agent({ keepAlive: false });
  const client = (): Docker => new Docker({ socketPath: engine().paths.socket, agent });

  test('create, attach, start, wait, logs, inspect, remove', async () => {
    const container = await client().createContainer({
      Image,
      Cmd: ['sh', '-c', 'cat; echo to-stderr >&2; exit 4'],
      Labels: { 'a.label': 'set' },
      OpenStdin: true,
      StdinOnce: true,
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
    });
    const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
    const [out, err] = [new PassThrough(), new PassThrough()];
    container.modem.demuxStream(stream, out, err);
    stream.on('end', () => [out, err].forEach((side) => side.end()));
    await container.start();
    const ended = container.wait();
    stream.end('through the hijacked connection');
    assert.deepEqual(await Promise.all([text(out), text(err)]), ['through the hijacked connection', 'to-stderr\n']);
    assert.equal((await ended).StatusCode, 4);
    const { State, Config } = await container.inspect();
    assert.deepEqual([State.Status, State.ExitCode, Config.Labels['a.label']], ['exited', 4, 'set']);
    assert.match(String(await container.logs({ stdout: true })), /through the hijacked connection/);
    await container.remove();
    assert.deepEqual(await client().listContainers({ all: true }), []);
  });

  test('exec with its exit code', async () => {
    const container = await client().createContainer({ Image, Cmd: ['sleep', '1000'] });
    await container.start();
    const exec = await container.exec({ Cmd: ['sh', '-c', 'echo inside; exit 9'], AttachStdout: true });
    const stream = await exec.start({ hijack: true });
    const out = new PassThrough();
    container.modem.demuxStream(stream, out, out);
    stream.on('end', () => out.end());
    assert.equal(await text(out), 'inside\n');
    assert.deepEqual((await exec.inspect()).ExitCode, 9);
    await container.stop({ t: 0 });
  });

  const sleeper = async (options: Record<string, unknown> = {}): Promise<Container> => {
    const container = await client().createContainer({
      Image,
      Cmd: ['sleep', '1000'],
      StopSignal: 'SIGKILL',
      ...options,
    });
    await container.start();
    return container;
  };

  test('logs as they come, with both streams', async () => {
    const script = 'echo one; echo two >&2; sleep 0.2; echo three';
    const container = await sleeper({ Cmd: ['sh', '-c', script] });
    const stream = await container.logs({ stdout: true, stderr: true, follow: true });
    const [out, err] = [new PassThrough(), new PassThrough()];
    container.modem.demuxStream(stream, out, err);
    stream.on('end', () => [out, err].forEach((side) => side.end()));
    assert.deepEqual(await Promise.all([text(out), text(err)]), ['one\nthree\n', 'two\n']);
  });

  test('pause, update, rename, top and stats', async () => {
    const container = await sleeper({ HostConfig: { Memory: 64 << 20 } });
    await container.pause();
    assert.equal((await container.inspect()).State.Status, 'paused');
    await assert.rejects(container.pause(), /already paused/);
    await container.unpause();
    await container.update({ Memory: 96 << 20, MemorySwap: 96 << 20 });
    await container.rename({ name: 'renamed' });
    assert.equal((await container.inspect()).Name, '/renamed');
    const { Titles, Processes } = await container.top();
    assert.deepEqual([Titles.includes('PID'), Processes.length], [true, 1]);
    const stats = await container.stats({ stream: false });
    assert.deepEqual([stats.memory_stats.limit, stats.pids_stats.current], [96 << 20, 1]);
  });

  test('archives in and out, changes, export, commit', async () => {
    const container = await sleeper();
    await container.putArchive(tarOf([{ name: 'put/file', body: 'bytes' }]), { path: '/tmp' });
    const archive = await text(await container.getArchive({ path: '/tmp/put' }));
    assert.match(archive, /^put\/[\s\S]*bytes/);
    const { statusCode } = await container.infoArchive({ path: '/tmp/put/file' });
    assert.equal(statusCode, 200);
    await assert.rejects(container.getArchive({ path: '/no/such' }), { statusCode: 404 });
    assert.ok((await container.changes()).some(({ Path, Kind }) => Path === '/tmp/put/file' && Kind === 1));
    assert.match(await text(await container.export()), /tmp\/put\/file/);
    const { Id } = await container.commit({ repo: 'dockerode/committed', tag: '1' });
    assert.match(Id, /^sha256:[0-9a-f]{64}$/);
  });

  test('events as they happen', async () => {
    const stream = await client().getEvents({ filters: { type: ['container'] } });
    const seen: string[] = [];
    const ended = (async () => {
      for await (const chunk of stream) {
        for (const line of String(chunk).split('\n').filter(Boolean))
          seen.push((JSON.parse(line) as { Action: string }).Action);
        if (seen.includes('destroy')) return;
      }
    })();
    const container = await sleeper();
    await container.kill();
    await container.wait();
    await container.remove();
    await ended;
    assert.deepEqual(seen, ['create', 'start', 'kill', 'die', 'destroy']);
  });

  test('disk usage and pruning', async () => {
    const container = await sleeper({ Cmd: ['sh', '-c', 'dd if=/dev/zero of=/big bs=1M count=2'] });
    await container.wait();
    const used = (await client().df()).Containers.find(({ Id }) => Id === container.id);
    assert.ok((used?.SizeRw ?? 0) >= 2 << 20, String(used?.SizeRw));
    const { ContainersDeleted, SpaceReclaimed } = await client().pruneContainers();
    assert.deepEqual(ContainersDeleted, [container.id]);
    assert.ok(SpaceReclaimed >= 2 << 20, String(SpaceReclaimed));
  });

  test('volumes', async () => {
    await client().createVolume({ Name: 'kept', Labels: { of: 'tests' } });
    const volume = client().getVolume('kept');
    assert.match((await volume.inspect()).Mountpoint, /\/volumes\/kept\/_data$/);
    const DriverOpts = { type: 'tmpfs', device: 'tmpfs', o: 'size=1m' };
    await client().createVolume({ Name: 'memory', Driver: 'local', DriverOpts });
    const names = async (filters: Readonly<Record<string, readonly string[]>>) =>
      (await client().listVolumes({ filters: JSON.stringify(filters) })).Volumes.map(({ Name }) => Name).toSorted();
    assert.deepEqual(await names({}), ['kept', 'memory']);
    assert.deepEqual(await names({ label: ['of=tests'] }), ['kept']);
    const Mounts = [{ Type: 'volume', Source: 'kept', Target: '/kept', VolumeOptions: { NoCopy: true } }];
    const container = await sleeper({ HostConfig: { Binds: ['memory:/memory'], Mounts } });
    assert.deepEqual(await names({ dangling: ['true'] }), []);
    await assert.rejects(volume.remove(), { statusCode: 409 });
    await container.remove({ force: true });
    await assert.rejects(client().createVolume({ Name: 'bad', DriverOpts: { colour: 'red' } }), { statusCode: 400 });
    const { VolumesDeleted } = await client().pruneVolumes({ filters: JSON.stringify({ all: ['true'] }) });
    assert.deepEqual(VolumesDeleted, ['kept']);
    await client().getVolume('memory').remove({ force: true });
    await assert.rejects(volume.inspect(), /no such volume/);
  });

  test('networks: create, inspect, list, connect, disconnect, remove, prune', async () => {
    const Config = [{ Subnet: '10.91.0.0/24', Gateway: '10.91.0.1' }];
    const network = await client().createNetwork({ Name: 'rode', IPAM: { Config }, Labels: { a: 'b' } });
    const { Name, IPAM, Status } = await network.inspect();
    assert.deepEqual([Name, IPAM.Config], ['rode', Config]);
    assert.deepEqual(Status, { IPAM: { Subnets: { '10.91.0.0/24': { IPsInUse: 3, DynamicIPsAvailable: 253 } } } });
    await assert.rejects(client().createNetwork({ Name: 'rode' }), { statusCode: 409 });
    const container = await sleeper({ HostConfig: { NetworkMode: 'rode' } });
    const second = await client().createNetwork({ Name: 'second', Internal: true });
    await second.connect({ Container: container.id, EndpointConfig: { Aliases: ['alias'] } });
    const { Containers } = await second.inspect();
    assert.deepEqual(Object.keys(Containers), [container.id]);
    await assert.rejects(second.remove(), { statusCode: 403 });
    await second.disconnect({ Container: container.id });
    const listed = await client().listNetworks({ filters: { label: ['a=b'] } });
    assert.deepEqual(
      listed.map((one) => one.Name),
      ['rode'],
    );
    await container.remove({ force: true });
    await network.remove();
    await assert.rejects(network.inspect(), { statusCode: 404 });
    assert.deepEqual((await client().pruneNetworks()).NetworksDeleted, ['second']);
  });

  test('ping and version', async () => {
    assert.equal(String(await client().ping()), 'OK');
    assert.equal((await client().version()).ApiVersion, '1.55');
  });

  test('images: inspect, history, tag, save, load, import, remove, prune', async () => {
    const { Id, RootFS } = await client().getImage(Image).inspect();
    assert.ok(RootFS.Layers.length > 0);
    assert.ok((await client().getImage(Image).history()).length > 0);
    await client().getImage(Image).tag({ repo: 'rode/tagged', tag: '1' });
    const listed = await client().listImages({ filters: { reference: ['rode/tagged'] } });
    assert.deepEqual(
      listed.map((image) => image.Id),
      [Id],
    );
    const saved = await buffer(await client().getImage('rode/tagged:1').get());
    await client().getImage('rode/tagged:1').remove();
    await assert.rejects(client().getImage('rode/tagged:1').inspect(), { statusCode: 404 });
    await assert.rejects(client().getImage('rode/tagged:1').get(), { statusCode: 404 });
    assert.match(await text(await client().loadImage(Readable.from([saved]))), /Loaded image: rode\/tagged:1/);
    assert.equal((await client().getImage('rode/tagged:1').inspect()).Id, Id);
    await client().getImage('rode/tagged:1').remove();
    const layer = Readable.from([tarOf([{ name: 'file', body: 'x' }])]);
    assert.match(await text(await client().importImage(layer, { repo: 'rode/imported', tag: '1' })), /sha256:/);
    await client().getImage('rode/imported:1').remove();
    assert.equal((await client().pruneImages()).SpaceReclaimed, 0);
  });

  test('images: lists with manifests and shared sizes, search', async () => {
    await client().getImage(Image).tag({ repo: 'rode/listed', tag: '1' });
    const [listed] = await client().listImages({
      manifests: true,
      'shared-size': true,
      filters: { reference: ['rode/*'] },
    });
    assert.deepEqual(listed?.RepoTags, ['rode/listed:1']);
    if (!isOracle()) {
      assert.deepEqual(
        listed.Manifests?.map(({ Kind }) => Kind),
        ['image'],
      );
      assert.ok(listed.SharedSize >= 0);
      await assert.rejects(client().searchImages({ term: 'x' }), { statusCode: 501 });
    }
    await assert.rejects(client().listImages({ filters: { nonsense: ['1'] } }), { statusCode: 400 });
    await client().getImage('rode/listed:1').remove();
  });

  test('images: push, distribution, pull and createImage, with a login', async () => {
    const crypted = await must('perl', ['-e', "print crypt('secret', '$2y$05$abcdefghijklmnopqrstuu')"]);
    await using registry = await startRegistry(engine().namespaces, `tester:${crypted}`);
    const authconfig = { username: 'tester', password: 'secret', serveraddress: registry.host };
    const name = `${registry.host}/rode/app`;
    assert.match((await client().checkAuth(authconfig)).Status, /Login Succeeded/);
    await client().getImage(Image).tag({ repo: name, tag: '1' });
    const refused = await text(await client().getImage(`${name}:1`).push({}));
    assert.match(refused, /unauthorized|authentication|no basic auth/);
    const pushed = await text(await client().getImage(`${name}:1`).push({ authconfig }));
    assert.match(pushed, /"Digest":"sha256:[0-9a-f]{64}"/);
    const { Descriptor } = await client().getImage(`${name}:1`).distribution({ authconfig });
    assert.ok(pushed.includes(Descriptor.digest), pushed);
    await client().getImage(`${name}:1`).remove();
    assert.match(await text(await client().pull(`${name}:1`, { authconfig })), /Status: |Digest: /);
    assert.ok((await client().getImage(`${name}:1`).inspect()).RepoDigests.includes(`${name}@${Descriptor.digest}`));
    await client().getImage(`${name}:1`).remove();
    await text(await client().createImage({ fromImage: name, tag: '1', authconfig }));
    await client().getImage(`${name}:1`).remove();
    await assert.rejects(client().pull(`${name}:1`), /basic auth|unauthorized|authentication/);
  });

  /** What a build tells, as dockerode reads it. */
  const followed = (stream: NodeJS.ReadableStream): Promise<string> => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    client().followProgress(stream, (error, output) =>
      error === null ? resolve(output.map((one) => one.stream ?? one.error ?? '').join('')) : reject(error),
    );
    return promise;
  };
  const outputOf = async (image: string): Promise<string> => {
    const container = await client().createContainer({ Image: image });
    await container.start();
    await container.wait();
    return (await container.logs({ stdout: true })).subarray(8).toString();
  };
  const dockerfile = `FROM ${Image} AS wanted\nARG WORD\nRUN echo told $WORD > /word && cat /word\nCMD ["cat", "/word"]\nFROM wanted\nRUN exit 9\n`;

  for (const version of ['1', '2'] as const) {
    test(`builds of an archive and of a folder, version ${version}`, async (t) => {
      const archive = () => Readable.from([tarOf([{ name: 'sub/File', body: dockerfile }])]);
      const options = { t: 'rode/built:1', dockerfile: 'sub/File', version };
      const wanted = { ...options, target: 'wanted', buildargs: { WORD: version }, labels: { of: 'sdk' } };
      const said = await followed(await client().buildImage(archive(), wanted));
      // dockerode shows what commands print as it gets it, in base64.
      const told = version === '1' ? 'told 1\n' : Buffer.from('told 2\n').toString('base64');
      assert.ok(said.includes(told), said);
      assert.match(
        said,
        version === '1' ? /^Successfully tagged rode\/built:1$/m : /^Built image: sha256:[0-9a-f]{64}$/m,
      );
      assert.equal(await outputOf('rode/built:1'), `told ${version}\n`);
      const failed = await followed(await client().buildImage(archive(), options));
      assert.match(
        failed,
        version === '1' ? /returned a non-zero code: 9/ : /did not complete successfully: exit code: 9/,
      );
      const context = await mkdtemp(join(tmpdir(), 'gantry-rode-'));
      t.after(() => rm(context, { recursive: true }));
      await writeFile(join(context, 'Dockerfile'), dockerfile);
      const inFolder = { ...wanted, t: 'rode/folder:1', dockerfile: 'Dockerfile' };
      await followed(await client().buildImage({ context, src: ['Dockerfile'] }, inFolder));
      assert.equal(await outputOf('rode/folder:1'), `told ${version}\n`);
    });
  }

  test('a build takes its base image with a login, which is kept nowhere', {
    skip: isOracle() && 'dockerd asks another registry',
  }, async () => {
    const password = 'planted-rode-4716';
    const crypted = await must('perl', ['-e', `print crypt('${password}', '$2y$05$abcdefghijklmnopqrstuu')`]);
    await using registry = await startRegistry(engine().namespaces, `tester:${crypted}`);
    const authconfig = { username: 'tester', password, serveraddress: registry.host };
    const name = `${registry.host}/rode/base`;
    await client().getImage(Image).tag({ repo: name, tag: '1' });
    await text(await client().getImage(`${name}:1`).push({ authconfig }));
    await client().getImage(`${name}:1`).remove();
    const build = async (more: object): Promise<string> => {
      const archive = Readable.from([tarOf([{ name: 'Dockerfile', body: `FROM ${name}:1\nENV A=b\n` }])]);
      const said = await followed(await client().buildImage(archive, { t: 'rode/on:1', ...more }));
      await client()
        .getImage(`${name}:1`)
        .remove()
        .catch(() => undefined);
      return said;
    };
    assert.match(await build({}), /pull access denied/);
    assert.match(await build({ registryconfig: { [registry.host]: authconfig } }), /Successfully tagged/);
    assert.match(await build({ version: '2', authconfig }), /Built image/);
    const { dataRoot, execRoot, log } = engine().paths;
    const encoded = [password, Buffer.from(`tester:${password}`).toString('base64')].flatMap((word) => ['-e', word]);
    const roots = [seenBy(engine(), dataRoot), seenBy(engine(), execRoot), log];
    assert.equal((await run('grep', ['-rlaF', '-D', 'skip', ...encoded, ...roots])).stdout, '');
  });
});
