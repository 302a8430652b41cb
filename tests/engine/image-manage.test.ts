import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { busyboxLayer, type CraftedImage, dockerArchive, layerOf } from '../support/crafted-image.ts';
import { isOracle } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';

const image = 'gantry-test/busybox:1';

engineSuite('images: list, inspect, history, tag, rmi, import', {}, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);
  const lines = async (...words: string[]) => (await docker(...words)).split('\n').filter((line) => line !== '');
  const fails = async (words: readonly string[], says: RegExp): Promise<void> => {
    const { code, stderr } = await engine().docker(words);
    assert.equal(code, 1, words.join(' '));
    assert.match(stderr, says);
  };
  const craft = async (text: string, extra: Partial<CraftedImage> = {}): Promise<string> => {
    const layers = [await busyboxLayer(), layerOf({ name: 'file', body: text })];
    const names = extra.names ?? [`crafted:${text}`];
    await engine().dockerOk(['load'], { input: dockerArchive({ layers, ...extra, names }) });
    return docker('images', '-q', '--no-trunc', names[0] ?? '');
  };

  test('images: table, columns, json, filters', async () => {
    const old = await craft('old', { created: '2020-01-01T00:00:00Z', config: { Labels: { age: 'old', team: 'a' } } });
    const young = await craft('young', { created: '2025-01-01T00:00:00Z', config: { Labels: { age: 'young' } } });
    const table = await lines('images');
    assert.match(table[0] ?? '', /^REPOSITORY\s+TAG\s+IMAGE ID\s+CREATED\s+SIZE$/);
    assert.match(table[1] ?? '', /^crafted\s+young\s+[0-9a-f]{12}\s+\d+ (months|years) ago\s+[\d.]+MB$/);
    assert.deepEqual(await lines('images', '--format', '{{.Repository}}:{{.Tag}}'), [
      'crafted:young',
      image,
      'crafted:old',
    ]);
    const first = JSON.parse((await lines('images', '--format', 'json', 'crafted:old'))[0] ?? '') as {
      ID: string;
      Tag: string;
    };
    assert.deepEqual([first.Tag, first.ID], ['old', old.slice(7, 19)]);
    const filtered = (...filters: string[]) =>
      lines('images', '-q', '--no-trunc', ...filters.flatMap((filter) => ['--filter', filter]));
    assert.deepEqual(await filtered('label=age'), [young, old]);
    assert.deepEqual(await filtered('label=age=old'), [old]);
    assert.deepEqual(await filtered('label=age', 'label=team=a'), [old]);
    assert.deepEqual(await filtered('reference=craft*'), [young, old]);
    assert.deepEqual(await filtered('reference=crafted:y*'), [young]);
    assert.deepEqual(await filtered('before=crafted:young', 'reference=crafted'), [old]);
    assert.deepEqual(await filtered('since=crafted:old', 'reference=crafted'), [young]);
    assert.deepEqual(await filtered('until=2022-01-01'), [old]);
    assert.deepEqual(await filtered('dangling=true'), []);
    assert.equal((await filtered('dangling=false')).length, 3);
    await fails(['images', '--filter', 'nonsense=1'], /invalid filter 'nonsense'/);
    assert.equal((await lines('images', '-a', '--digests')).length, 4);
  });

  test('inspect: config, layers, sizes, by every kind of name; json and templates', async () => {
    const config = {
      Cmd: ['a', 'b'],
      Entrypoint: ['/e'],
      Env: ['A=1'],
      User: '7:8',
      WorkingDir: '/w',
      ExposedPorts: { '80/tcp': {} },
    };
    const id = await craft('inspected', { config: { ...config, Volumes: { '/v': {} }, Labels: { a: 'b' } } });
    const [view] = JSON.parse(await docker('image', 'inspect', 'crafted:inspected')) as [
      {
        Id: string;
        Config: Record<string, unknown>;
        RootFS: { Layers: string[] };
        Size: number;
        Os: string;
        Created: string;
      },
    ];
    assert.deepEqual({ ...view.Config, ...config }, view.Config);
    assert.deepEqual(
      [view.Id, view.Os, view.Created, view.RootFS.Layers.length],
      [id, 'linux', '2024-01-01T00:00:00Z', 2],
    );
    for (const name of [id, id.slice(7), id.slice(7, 15), 'docker.io/library/crafted:inspected', `crafted@${id}`]) {
      assert.equal(await docker('image', 'inspect', '--format', '{{.Id}}', name), id, name);
    }
    await fails(['image', 'inspect', 'nowhere'], /No such image: nowhere/);
    await fails(['inspect', '--type', 'image', 'nowhere'], /No such image: nowhere/);
  });

  test('inspect and list have the fields of Docker, version by version', async () => {
    const config = { Cmd: ['a'], Labels: { a: 'b' } };
    await craft('fields', { config });
    const keysOf = async (version: string, path: string, pick: (answer: unknown) => unknown) =>
      Object.keys(pick((await engine().api('GET', `/v${version}${path}`)).json()) as object).sort();
    // Only the containerd store has descriptors; Docker 28 leaves out an empty Container, 29 does not.
    const apart = ['Descriptor', 'Container'];
    const inspected = async (version: string) =>
      (await keysOf(version, '/images/crafted:fields/json', (answer) => answer)).filter((key) => !apart.includes(key));
    const configured = (version: string) =>
      keysOf(version, '/images/crafted:fields/json', (answer) => (answer as { Config: object }).Config);
    const listed = async (version: string) =>
      (await keysOf(version, '/images/json', (answer) => (answer as object[])[0])).filter(
        (key) => key !== 'Descriptor',
      );
    const common =
      'Architecture Author Comment Config Created DockerVersion GraphDriver Id Metadata Os Parent RepoDigests RepoTags RootFS Size';
    assert.deepEqual(await inspected('1.51'), common.split(' '));
    assert.deepEqual(await inspected('1.45'), common.split(' '));
    const container = [...common.split(' '), 'ContainerConfig'].sort();
    assert.deepEqual(await inspected('1.44'), container);
    assert.deepEqual(await inspected('1.43'), [...container, 'VirtualSize'].sort());
    const set = 'Cmd Entrypoint Env Labels OnBuild User Volumes WorkingDir'.split(' ');
    assert.deepEqual(await configured('1.51'), set);
    const unset = 'AttachStderr AttachStdin AttachStdout Domainname Hostname Image OpenStdin StdinOnce Tty'.split(' ');
    assert.deepEqual(await configured('1.49'), [...set, ...unset].sort());
    const row = 'Containers Created Id Labels ParentId RepoDigests RepoTags SharedSize Size'.split(' ');
    assert.deepEqual(await listed('1.51'), row);
    assert.deepEqual(await listed('1.43'), [...row, 'VirtualSize'].sort());
    const both = await engine().api(
      'GET',
      '/v1.49/images/crafted:fields/json?manifests=1&platform={"os":"linux","architecture":"amd64"}'
        .replaceAll('"', '%22')
        .replaceAll('{', '%7B')
        .replaceAll('}', '%7D'),
    );
    assert.equal(both.status, 400);
  });

  test('history: newest first, empty layers, sizes', async () => {
    const history = [
      { created: '2024-01-01T00:00:00Z', created_by: 'ADD busybox' },
      { created: '2024-01-01T00:00:00Z', created_by: 'ENV A=1', empty_layer: true },
      { created: '2024-01-01T00:00:00Z', created_by: '/bin/sh -c make it so', comment: 'important' },
    ];
    const id = await craft('history', { history });
    const rows = await lines(
      'history',
      '--no-trunc',
      '--format',
      '{{.ID}}|{{.CreatedBy}}|{{.Size}}|{{.Comment}}',
      'crafted:history',
    );
    assert.equal(rows.length, 3);
    assert.match(rows[0] ?? '', new RegExp(`^${id}\\|/bin/sh -c make it so\\|[\\d.]+kB\\|important$`));
    assert.match(rows[1] ?? '', /^<missing>\|ENV A=1\|0B\|$/);
    assert.match(rows[2] ?? '', /^<missing>\|ADD busybox\|[\d.]+MB\|$/);
    await fails(['history', 'nowhere'], /No such image: nowhere/);
  });

  test('tag: new names, moved names, wrong names', async () => {
    const [one, two] = [await craft('one'), await craft('two')];
    await docker('tag', 'crafted:one', 'team/app:latest');
    await docker('tag', one, 'registry.example:5000/team/app:v1');
    assert.equal(await docker('images', '-q', '--no-trunc', 'team/app'), one);
    await docker('tag', 'crafted:two', 'team/app');
    assert.equal(await docker('images', '-q', '--no-trunc', 'team/app'), two);
    await fails(['tag', 'nowhere', 'x'], /No such image: nowhere/);
    for (const name of ['UPPER', 'a b', '-x', `x@${one}`, 'x:', 'x:..', 'a//b', `${'x'.repeat(256)}`]) {
      const { code } = await engine().docker(['tag', '--', 'crafted:one', name]);
      assert.notEqual(code, 0, name);
    }
  });

  test('rmi: one of several names, the last one, by id, forced', async () => {
    const id = await craft('gone', { names: ['crafted:a', 'crafted:b', 'other:c'] });
    assert.equal(await docker('rmi', 'crafted:a'), 'Untagged: crafted:a');
    await fails(
      ['rmi', id],
      /conflict: unable to delete [0-9a-f]{12} \(must be forced\) - image is referenced in multiple repositories/,
    );
    const said = await docker('rmi', '-f', id);
    for (const line of ['Untagged: crafted:b', 'Untagged: other:c', `Deleted: ${id}`])
      assert.ok(said.includes(line), said);
    const again = await craft('last');
    assert.deepEqual((await lines('rmi', 'crafted:last')).slice(0, 1), ['Untagged: crafted:last']);
    await fails(['rmi', again], /No such image/);
    await fails(['rmi', 'nowhere'], /No such image: nowhere/);
    const { code, stderr } = await engine().docker(['rmi', '-f', 'nowhere']);
    assert.deepEqual([code, /No such image/.test(stderr)], [0, true]);
    const kept = await craft('kept');
    const mixed = await engine().docker(['rmi', 'nowhere', kept]);
    assert.equal(mixed.code, 1);
    assert.match(mixed.stdout, /Deleted: /);
  });

  test('rmi of images that containers use', async () => {
    const id = await craft('used');
    const stopped = await docker('create', 'crafted:used', 'cat', '/file');
    await fails(
      ['rmi', 'crafted:used'],
      new RegExp(
        `conflict: unable to remove repository reference "crafted:used" \\(must force\\) - container ${stopped.slice(0, 12)} is using its referenced image ${id.slice(7, 19)}`,
      ),
    );
    await fails(['rmi', id], /\(must be forced\) - image is being used by stopped container/);
    const running = await docker('run', '-d', 'crafted:used', 'sleep', '1000');
    await fails(['rmi', '-f', id], /\(cannot be forced\) - image is being used by running container/);
    await docker('rm', '-f', running);
    await docker('rmi', '-f', id);
    // The container keeps what it needs.
    assert.equal(await docker('start', '-a', stopped), 'used');
    assert.equal(await docker('ps', '-a', '--format', '{{.Image}}'), id.slice(7, 19));
  });

  test('dangling images', async () => {
    const id = await craft('old', { names: ['crafted:same'] });
    await craft('new', { names: ['crafted:same'] });
    assert.deepEqual(
      await lines('images', '--filter', 'dangling=true', '--format', '{{.Repository}} {{.Tag}} {{.ID}}'),
      [`<none> <none> ${id.slice(7, 19)}`],
    );
    assert.match(await docker('rmi', id), new RegExp(`^Deleted: ${id}`));
  });

  test('import: from stdin and a file, plain and gzip, with changes, message and platform', async () => {
    const { blob } = layerOf({ name: 'bin/', mode: 0o755 }, { name: 'hello', body: 'imported' });
    const base = (await busyboxLayer()).blob;
    const changes = [
      'CMD ["cat", "/var/www/index.html"]',
      'ENV A=1 B="two words"',
      'WORKDIR /home',
      'USER 1000:1000',
      'EXPOSE 80 53/udp',
      'LABEL a=b',
      'VOLUME /data',
      'ENTRYPOINT ["/bin/busybox"]',
      'STOPSIGNAL SIGINT',
    ];
    const flags = changes.flatMap((change) => ['--change', change]);
    const id = await engine().dockerOk(['import', '-m', 'by hand', ...flags, '-', 'crafted:imported'], { input: base });
    assert.match(id, /^sha256:[0-9a-f]{64}$/);
    const template =
      '{{json .Config.Cmd}} {{json .Config.Entrypoint}} {{.Config.User}} {{.Config.WorkingDir}} {{.Config.StopSignal}} {{json .Config.ExposedPorts}} {{json .Config.Volumes}} {{json .Config.Labels}} {{json .Config.Env}}';
    assert.equal(
      await docker('image', 'inspect', '--format', template, 'crafted:imported'),
      '["cat","/var/www/index.html"] ["/bin/busybox"] 1000:1000 /home SIGINT {"53/udp":{},"80/tcp":{}} {"/data":{}} {"a":"b"} ["A=1","B=two words"]',
    );
    assert.match(await docker('run', '--rm', 'crafted:imported'), /served from a container/);
    assert.equal(await docker('history', '--format', '{{.Comment}}', 'crafted:imported'), 'by hand');
    const file = join(engine().folder, 'layer.tar.gz');
    await writeFile(file, gzipSync(blob));
    const nameless = await docker('import', '--platform', 'linux/s390x', file);
    assert.equal(await docker('image', 'inspect', '--format', '{{.Architecture}}', nameless), 's390x');
    await fails(
      ['import', '--change', 'RUN true', file],
      /RUN.*(not supported|is not a valid change)|unknown instruction/i,
    );
    const broken = await engine().docker(['import', '-', 'x:y'], { input: blob.subarray(0, 700) });
    assert.equal(broken.code, 1);
  });

  test('image prune: dry run, keep-last, unused-for', { skip: isOracle() && 'additions of Gantry' }, async () => {
    for (const tag of ['1', '2', '3'])
      await craft(`version ${tag}`, { names: [`app:${tag}`], created: `202${tag}-01-01T00:00:00Z` });
    const danglingToo = encodeURIComponent('{"dangling":["false"]}');
    const prune = async (query: string) => {
      const answer = await engine().api('POST', `/images/prune?filters=${danglingToo}&${query}`);
      return answer.json<{ ImagesDeleted: unknown; Plan?: { RepoTags: string[] }[] }>();
    };
    await docker('create', '--name', 'user', image);
    const { Plan = [] } = await prune('dry-run=1&keep-last=2');
    assert.deepEqual(
      Plan.map(({ RepoTags }) => RepoTags.join()),
      ['app:1'],
    );
    assert.equal((await lines('images', '-q', 'app')).length, 3);
    assert.deepEqual((await prune('unused-for=1h')).ImagesDeleted, null);
    await prune('keep-last=2');
    assert.deepEqual(await lines('images', '--format', '{{.Tag}}', 'app'), ['3', '2']);
    await docker('rm', 'user');
    for (const query of ['keep-last=x', 'keep-last=-1', 'unused-for=soon', 'unused-for=-1h']) {
      const { status } = await engine().api('POST', `/images/prune?${query}`);
      assert.equal(status, 400, query);
    }
  });

  test('image prune', async () => {
    const id = await craft('first', { names: ['crafted:same'] });
    await craft('second', { names: ['crafted:same'] });
    const { code, stdout, stderr } = await engine().docker(['image', 'prune', '-f']);
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`${id}`));
    assert.match(stdout, /Total reclaimed space: [\d.]+/);
  });
});
