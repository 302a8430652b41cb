/** `HostConfig.Mounts`, `Binds`, `Tmpfs`, `VolumesFrom` and `VolumeDriver`: what the container sees, what `inspect` shows, what is refused. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';

/** Docker's runc is the only runtime of the oracle. */
const runtimes = isOracle() ? ['runc'] : ['crun', 'runc'];

engineSuite('the mounts of a container', { runtimes }, (engine) => {
  const docker = dockerOf(engine);
  const shell = (script: string, ...flags: string[]) => docker.ok('run', '--rm', ...flags, busybox, 'sh', '-c', script);
  const create = (hostConfig: object, version = '', more: object = {}) =>
    engine().api('POST', `${version}/containers/create`, {
      Image: busybox,
      Cmd: ['true'],
      ...more,
      HostConfig: hostConfig,
    });
  const mounts = async (name: string) =>
    (JSON.parse(await docker.field(name, '{{json .Mounts}}')) as { Destination: string }[]).toSorted((a, b) =>
      a.Destination < b.Destination ? -1 : 1,
    );
  /** A folder of the host that only the engine's mount namespace sees as a tmpfs of its own, mounted with `options`. */
  async function withMount(options: readonly string[], work: (folder: string) => Promise<void>): Promise<void> {
    const folder = await mkdtemp(join(engine().folder, 'mount-'));
    const inside = async (...command: string[]) => {
      const { code, stderr } = await engine().inside(command);
      assert.equal(code, 0, stderr);
    };
    await inside('mount', '-t', 'tmpfs', ...options, 'none', folder);
    try {
      await work(folder);
    } finally {
      await docker('rm', '-f', 'holder');
      await inside('umount', '-R', '-l', folder);
      await rm(folder, { recursive: true });
    }
  }
  const refuses = async (hostConfig: object, status: number, says: RegExp, version = '', more: object = {}) => {
    const answer = await create(hostConfig, version, more);
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.text.replaceAll('\\"', '"'), says);
    assert.equal(await docker.ok('ps', '-aq'), '');
  };

  test('an image is shown read-only, whole or a part of it', async () => {
    const image = (more = '') => `--mount=type=image,source=${busybox},target=/image${more}`;
    await docker.ok('run', '-d', '--name=shows', image(), busybox, 'sleep', '1000');
    const seen = await docker.ok(
      'exec',
      'shows',
      'sh',
      '-c',
      'cat /image/var/www/index.html; touch /image/x 2>&1; true',
    );
    assert.match(seen, /served from a container[^]*Read-only file system/);
    const [mount] = (await mounts('shows')) as unknown as [{ Source: string }];
    const { Source, ...view } = mount;
    assert.notEqual(Source, '');
    assert.deepEqual(view, {
      Type: 'image',
      Name: busybox,
      Destination: '/image',
      Mode: '',
      RW: false,
      Propagation: 'rprivate',
    });
    for (const runtime of runtimes) {
      const part = await shell('ls /image; ls -d /', `--runtime=${runtime}`, image(',image-subpath=var/www'));
      assert.equal(part, 'index.html\n/');
      const file = await shell('wc -l < /image', `--runtime=${runtime}`, image(',image-subpath=etc/group'));
      assert.equal(file.trim(), '4');
    }
    const missing = await docker('run', '--rm', image(',image-subpath=no/such'), busybox, 'true');
    assert.match(missing.stderr, /cannot access path \S+no\/such: lstat .*no such file or directory/);
    await docker.ok('rm', '-f', 'shows');
  });

  test('an image that is shown is in use; taken away by force, it is still shown', async () => {
    await docker.ok('tag', busybox, 'shown:1');
    const id = await docker.ok(
      'create',
      '--name=shows',
      '--mount=type=image,source=shown:1,target=/image',
      busybox,
      'cat',
      '/image/etc/group',
    );
    const other = await docker('rmi', (await docker.ok('images', '-q', '--no-trunc', 'shown:1')).trim());
    assert.notEqual(other.code, 0);
    assert.match(other.stderr, /is being used by stopped container|must force|must be forced/);
    assert.match(await docker.ok('start', '-a', id), /^root:x:0:/);
    if (!isOracle()) {
      await engine().stop('SIGKILL');
      await engine().start();
      assert.match(await docker.ok('start', '-a', id), /^root:x:0:/);
    }
    await docker.ok('rm', id);
    await docker.ok('rmi', 'shown:1');
  });

  test('a running container keeps its image over a restart of the engine', {
    skip: isOracle() && 'ends with Docker',
  }, async () => {
    await docker.ok(
      'run',
      '-d',
      '--name=shows',
      `--mount=type=image,source=${busybox},target=/image`,
      busybox,
      'sleep',
      '1000',
    );
    await engine().stop('SIGKILL');
    await engine().start();
    assert.match(await docker.ok('exec', 'shows', 'head', '-1', '/image/etc/group'), /^root:x:0:/);
    await docker.ok('rm', '-f', 'shows');
  });

  test('a part of a volume: links may lead anywhere inside of it, never out', async () => {
    await shell(
      'mkdir -p /v/a/b; echo deep > /v/a/b/file; ln -s a /v/link; ln -s /etc /v/absolute; ln -s ../.. /v/up; echo text > /v/text',
      '-v',
      'data:/v',
    );
    const part = (subpath: string) => `--mount=type=volume,source=data,target=/part,volume-subpath=${subpath}`;
    for (const runtime of runtimes) {
      const run = (subpath: string, script: string) => shell(script, `--runtime=${runtime}`, part(subpath));
      assert.equal(await run('a/b', 'cat /part/file; echo new > /part/new; ls /part'), 'deep\nfile\nnew');
      assert.equal(await run('link/b', 'ls /part'), 'file\nnew');
      assert.equal(await run('a/../link/./b', 'rm /part/new; ls /part'), 'file');
      assert.equal(await run('text', 'cat /part'), 'text');
      for (const [subpath, says] of [
        ['absolute', /path concatenation escapes the base directory, base: \S+, subpath: absolute/],
        ['up', /path concatenation escapes the base directory/],
        ['missing', /cannot access path \S+missing: lstat \S+: no such file or directory/],
      ] as const) {
        const { code, stderr } = await docker('run', '--rm', `--runtime=${runtime}`, part(subpath), busybox, 'true');
        assert.notEqual(code, 0);
        assert.match(stderr, says);
      }
    }
    await docker.ok('create', '--name=shows', part('a'), busybox);
    assert.deepEqual(await mounts('shows'), [
      {
        Type: 'volume',
        Name: 'data',
        Source: join(engine().paths.dataRoot, 'volumes/data/_data'),
        Destination: '/part',
        Driver: 'local',
        Mode: 'z',
        RW: true,
        Propagation: '',
      },
    ]);
  });

  test('a container that swaps the part for a link meanwhile gains nothing', async () => {
    await shell(
      'mkdir /v/part /v/other; echo inside > /v/part/name; echo inside > /v/other/name; ln -s /etc /v/link',
      '-v',
      'data:/v',
    );
    const swap = 'cd /v; while :; do mv part p; mv link part; mv part link; mv p part; done';
    await docker.ok('run', '-d', '--name=racer', '-v', 'data:/v', busybox, 'sh', '-c', swap);
    const flags = ['--mount=type=volume,source=data,target=/seen,volume-subpath=part', busybox, 'cat', '/seen/name'];
    for (let round = 0; round < 15; round++) {
      const { code, stdout, stderr } = await docker('run', '--rm', ...flags);
      if (code === 0) assert.equal(stdout, 'inside\n');
      else assert.match(stderr, /escapes the base directory|cannot access path/);
    }
    await docker.ok('rm', '-f', 'racer');
  });

  test('flags of the mount that a source is on stay: read-only, nosuid, nodev, noexec', () =>
    withMount(['-o', 'nosuid,nodev,noexec,ro'], async (folder) => {
      for (const runtime of runtimes) {
        for (const mode of ['', ':ro', ':rprivate']) {
          const flags = ['--runtime', runtime, '-v', `${folder}:/seen${mode}`];
          const line = await shell('grep " /seen " /proc/self/mountinfo', ...flags);
          // With one of its own, Docker lets runc drop the others.
          const expected = isOracle() && mode !== '' ? ['ro'] : ['ro', 'nosuid', 'nodev', 'noexec'];
          const shown = line.split(' ')[5]?.split(',') ?? [];
          assert.deepEqual(
            expected.filter((flag) => !shown.includes(flag)),
            [],
            `${runtime} ${mode}: ${line}`,
          );
        }
      }
    }));

  test('read-only goes down to what is mounted below, unless asked not to, or asked by an old client', () =>
    withMount([], async (folder) => {
      await engine().inside(['mkdir', join(folder, 'below')]);
      await engine().inside(['mount', '-t', 'tmpfs', 'none', join(folder, 'below')]);
      const script =
        '(echo x > /seen/file) 2>/dev/null && echo top; (echo x > /seen/below/file) 2>/dev/null && echo below; ls -A /seen';
      const bind = `--mount=type=bind,source=${folder},target=/seen,readonly`;
      for (const runtime of runtimes) {
        const run = (flag: string) => shell(script, `--runtime=${runtime}`, ...flag.split(' '));
        assert.equal(await run(bind), 'below', runtime);
        assert.equal(await run(`${bind},bind-recursive=writable`), 'below\nbelow', runtime);
        assert.equal(await run(`${bind},bind-recursive=readonly,bind-propagation=rprivate`), 'below', runtime);
        assert.equal(await run(`${bind},bind-recursive=disabled`), 'below', runtime);
        assert.equal(await run(`-v ${folder}:/seen:ro`), 'below', runtime);
      }
      const { Id } = (await create({ Binds: [`${folder}:/seen:ro`] }, '/v1.43', { Cmd: ['sh', '-c', script] })).json<{
        Id: string;
      }>();
      assert.equal(await docker.ok('start', '-a', Id), 'below\nbelow');
      await docker.ok('rm', Id);
    }));

  test('propagation: mounts travel as asked, and only where the source is on a mount that passes them on', () =>
    withMount([], async (folder) => {
      await refusesToStart('slave', /path \S+ is mounted on \S+ but it is not a shared or slave mount/);
      await refusesToStart('rshared', /path \S+ is mounted on \S+ but it is not a shared mount/);
      await engine().inside(['mount', '--make-shared', folder]);
      await engine().inside(['mkdir', join(folder, 'late')]);
      for (const [mode, tag, travels] of [
        ['private', '', false],
        ['rprivate', '', false],
        ['slave', 'master:', true],
        ['rslave', 'master:', true],
        ['shared', 'shared:', true],
        ['rshared', 'shared:', true],
      ] as const) {
        for (const runtime of runtimes) {
          const bind = `--mount=type=bind,source=${folder},target=/seen,bind-propagation=${mode}`;
          await docker.ok('run', '-d', '--name=holder', `--runtime=${runtime}`, bind, busybox, 'sleep', '1000');
          await engine().inside(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'late', join(folder, 'late')]);
          const table = await docker.ok('exec', 'holder', 'cat', '/proc/self/mountinfo');
          const line = table.split('\n').find((one) => one.includes(' /seen ')) ?? '';
          const tags = line.split(' - ')[0]?.split(' ').slice(6).join(' ') ?? '';
          if (tag === '') assert.equal(tags, '', line);
          else assert.match(tags, new RegExp(tag), line);
          assert.equal(table.includes(' /seen/late '), travels, `${mode} ${runtime}`);
          await docker.ok('rm', '-f', 'holder');
          await engine().inside(['umount', '-l', join(folder, 'late')]);
        }
      }
      async function refusesToStart(mode: string, says: RegExp): Promise<void> {
        const { code, stderr } = await docker('run', '--rm', '-v', `${folder}:/seen:${mode}`, busybox, 'true');
        assert.equal(code, 125);
        assert.match(stderr, says);
      }
    }));

  test('what holds the engine’s own folders must let go of their mounts', async () => {
    const root = engine().paths.dataRoot;
    for (const propagation of ['private', 'rprivate', 'shared', 'slave']) {
      await refuses(
        { Mounts: [{ Type: 'bind', Source: root, Target: '/x', BindOptions: { Propagation: propagation } }] },
        400,
        /must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root/,
      );
    }
    await docker.ok('create', '--name=shows', '-v', `${root}:/x`, busybox);
    assert.equal(await docker.field('shows', '{{(index .Mounts 0).Propagation}}'), 'rslave');
  });

  test('volumes-from: all mounts but tmpfs, with own ones first, read-only on request', async () => {
    const folder = await mkdtemp(join(engine().folder, 'host-'));
    await docker.ok(
      'create',
      '--name=giver',
      '-v',
      `${folder}:/host`,
      '-v',
      'named:/named:ro',
      '-v',
      '/unnamed',
      '--tmpfs=/t',
      busybox,
    );
    await docker.ok('create', '--name=second', '-v', 'other:/named', busybox);
    const shown = async (...flags: string[]) => {
      const id = await docker.ok('create', ...flags, busybox);
      const view = (await mounts(id)) as { Destination: string; Name?: string; Mode: string; RW: boolean }[];
      await docker.ok('rm', id);
      return view.map(({ Destination, Name = '', Mode, RW }) => [Destination, Name.slice(0, 5), Mode, RW]);
    };
    const unnamed = (await docker.ok('volume', 'ls', '-qf', 'label=com.docker.volume.anonymous')).slice(0, 5);
    assert.deepEqual(await shown('--volumes-from=giver'), [
      ['/host', '', '', true],
      ['/named', 'named', '', false],
      ['/unnamed', unnamed, '', true],
    ]);
    assert.deepEqual(await shown('--volumes-from=giver:ro,z', '-v', 'mine:/host'), [
      ['/host', 'mine', 'z', true],
      ['/named', 'named', '', false],
      ['/unnamed', unnamed, '', false],
    ]);
    assert.deepEqual((await shown('--volumes-from=giver', '--volumes-from=second'))[1], ['/named', 'other', '', true]);
    for (const [spec, says] of [
      ['', /volumes-from specification cannot be an empty string/],
      ['giver:rslave', /invalid mode: rslave/],
      ['giver:nocopy', /invalid mode: nocopy/],
      ['giver:x', /invalid mode: x/],
      ['nobody', /No such container: nobody/],
    ] as const) {
      const answer = await create({ VolumesFrom: [spec] });
      assert.equal(answer.status, 400);
      assert.match(answer.text, says);
    }
    await rm(folder, { recursive: true });
  });

  test('volume options: labels, driver options, no copy; the driver of all volumes', async () => {
    const mount =
      'type=volume,source=opted,target=/v,volume-label=team=blue,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-opt=o=size=1m';
    assert.match(await shell('df -k /v | tail -1', '--mount', mount), /^tmpfs\s+1024/);
    const [volume] = JSON.parse(await docker.ok('volume', 'inspect', 'opted')) as [{ Labels: object; Options: object }];
    assert.deepEqual(volume.Labels, { team: 'blue' });
    assert.deepEqual(volume.Options, { type: 'tmpfs', device: 'tmpfs', o: 'size=1m' });
    const plain = { Type: 'volume', Source: 'plain', Target: '/v' };
    // Docker's 404 makes its client believe that the image is missing, and pull it.
    const status = isOracle() ? 404 : 400;
    await refuses({ Binds: ['a1:/v'], VolumeDriver: 'nowhere' }, status, /plugin "nowhere" not found/);
    const warns = async (version: string) => {
      const answer = (await create({ Mounts: [plain], VolumeDriver: 'nowhere' }, version)).json<{
        Id: string;
        Warnings: string[];
      }>();
      await docker.ok('rm', answer.Id);
      return answer.Warnings.filter((text) => text.includes('volume-driver')).length;
    };
    assert.deepEqual([await warns('/v1.48'), await warns('/v1.47')], [1, 0]);
  });

  test('binds: a target alone is a volume; words of all kinds', async () => {
    const folder = await mkdtemp(join(engine().folder, 'host-'));
    const binds = [
      '/alone',
      `${folder}:/a:ro,z,cached`,
      `${folder}:/b:rw,Z,delegated`,
      `${folder}:/c:consistent`,
      'named:/d:nocopy,ro',
    ];
    const { Id } = (await create({ Binds: binds })).json<{ Id: string }>();
    const view = (await mounts(Id)) as { Type: string; Destination: string; Mode: string; RW: boolean }[];
    assert.deepEqual(
      view.map(({ Type, Destination, Mode, RW }) => [Type, Destination, Mode, RW]),
      [
        ['bind', '/a', 'ro,z,cached', false],
        ['volume', '/alone', 'z', true],
        ['bind', '/b', 'rw,Z,delegated', true],
        ['bind', '/c', 'consistent', true],
        ['volume', '/d', 'nocopy,ro', false],
      ],
    );
    assert.equal(await docker.ok('ps', '-aq', '--no-trunc', '--filter', 'volume=named'), Id);
    assert.equal(await docker.ok('ps', '-aq', '--no-trunc', '--filter', 'volume=/b'), Id);
    assert.equal(await docker.ok('ps', '-aq', '--no-trunc', '--filter', 'volume=/nowhere'), '');
    await rm(folder, { recursive: true });
  });

  test('a missing source: made for -v and CreateMountpoint, an error otherwise; old clients cannot ask', async () => {
    const folder = await mkdtemp(join(engine().folder, 'host-'));
    const bind = { Type: 'bind', Source: join(folder, 'new/deep'), Target: '/x' };
    const asking = { Mounts: [{ ...bind, BindOptions: { CreateMountpoint: true } }] };
    await refuses({ Mounts: [bind] }, 400, /bind source path does not exist: \S+deep/);
    await refuses(asking, 400, /bind source path does not exist/, '/v1.41');
    const { Id } = (await create(asking)).json<{ Id: string }>();
    await docker.ok('start', '-a', Id);
    await writeFile(join(folder, 'new/deep/file'), '');
    await docker.ok('rm', Id);
    await rm(folder, { recursive: true });
  });

  test('targets behind links of the image, for every type of mount', async () => {
    const folder = await mkdtemp(join(engine().folder, 'host-'));
    await mkdir(join(folder, 'sub'));
    await writeFile(join(folder, 'sub/file'), 'bound');
    await symlink('/etc', join(folder, 'out'));
    const flags = [
      ['--mount', `type=bind,source=${folder}/sub,target=/var/run/bind`],
      ['--mount', 'type=volume,source=v1,target=/var/run/volume'],
      ['--mount', 'type=tmpfs,target=/var/run/tmpfs'],
      ['--mount', `type=image,source=${busybox},target=/var/run/image`],
      ['--tmpfs', '/var/run/older'],
    ].flat();
    for (const runtime of runtimes) {
      const seen = await shell(
        'readlink /var/run; ls /run; cat /run/bind/file; ls -d /run/image/bin; mount | grep -c " /run/"',
        `--runtime=${runtime}`,
        ...flags,
      );
      assert.equal(seen, '../run\nbind\nimage\nolder\ntmpfs\nvolume\nbound/run/image/bin\n5', runtime);
    }
    assert.equal(await readFile(join(folder, 'sub/file'), 'utf8'), 'bound');
    await rm(folder, { recursive: true });
  });

  const wrong: readonly (readonly [mount: object, says: RegExp, version?: string])[] = [
    [{ Type: 'volume', Source: 'v1' }, /field Target must not be empty/],
    [{ Type: 'tmpfs', Target: '/' }, /destination can't be '\/'/],
    [{ Type: 'tmpfs', Target: 'x' }, /mount path must be absolute/],
    [{ Type: 'spare', Target: '/x' }, /invalid mount config for type "spare": mount type unknown/],
    [{ Type: 'npipe', Source: 'x', Target: '/x' }, /mount type unknown/],
    [{ Type: 'bind', Target: '/x' }, /field Source must not be empty/],
    [{ Type: 'bind', Source: 'tmp', Target: '/x' }, /mount path must be absolute/],
    [
      { Type: 'bind', Source: '/tmp', Target: '/x', BindOptions: { Propagation: 'far' } },
      /invalid propagation mode: far/,
    ],
    [{ Type: 'tmpfs', Source: 'x', Target: '/x' }, /field Source must not be specified/],
    [{ Type: 'tmpfs', Target: '/x', BindOptions: {} }, /BindOptions must not be specified/],
    [{ Type: 'bind', Source: '/tmp', Target: '/x', VolumeOptions: {} }, /VolumeOptions must not be specified/],
    [{ Type: 'volume', Target: '/x', TmpfsOptions: {} }, /TmpfsOptions must not be specified/],
    [{ Type: 'volume', Target: '/x', ImageOptions: {} }, /field ImageOptions must not be specified/],
    [{ Type: 'tmpfs', Target: '/x', TmpfsOptions: { Options: [['uid', '1']] } }, /invalid option: uid/],
    [{ Type: 'tmpfs', Target: '/x', TmpfsOptions: { Options: [[]] } }, /invalid option array length/],
    [
      { Type: 'volume', Target: '/x', VolumeOptions: { Subpath: 'a' } },
      /must not set Subpath when using anonymous volumes/,
    ],
    [
      { Type: 'volume', Source: 'v1', Target: '/x', VolumeOptions: { Subpath: '/a' } },
      /subpath must be a relative path/,
    ],
    [
      { Type: 'volume', Source: 'v1', Target: '/x', VolumeOptions: { Subpath: 'a/../../b' } },
      /subpath must be a relative path/,
    ],
    [
      { Type: 'volume', Source: 'v1', Target: '/x', VolumeOptions: { Subpath: 'a' } },
      /Subpath needs API v1.45 or newer/,
      '/v1.44',
    ],
    [{ Type: 'image', Target: '/x' }, /field Source must not be empty/],
    [
      { Type: 'image', Source: busybox, Target: '/x', ImageOptions: { Subpath: '../x' } },
      /subpath must be a relative path/,
    ],
    [{ Type: 'image', Source: busybox, Target: '/x' }, /Mount type "Image" needs API v1.48 or newer/, '/v1.47'],
    [
      { Type: 'bind', Source: '/tmp', Target: '/x', ReadOnly: true, BindOptions: { ReadOnlyForceRecursive: true } },
      /ReadOnlyForceRecursive needs API v1.44 or newer/,
      '/v1.43',
    ],
  ];
  for (const [mount, says, version = ''] of wrong) {
    test(`refused: ${JSON.stringify(mount)} ${version}`, () => refuses({ Mounts: [mount] }, 400, says, version));
  }

  test('refused: two mounts at one place, an unknown image, contradicting wishes', async () => {
    const bind = { Type: 'bind', Source: '/tmp', Target: '/x' };
    await refuses({ Mounts: [bind, { Type: 'tmpfs', Target: '/x' }] }, 400, /Duplicate mount point: \/x/);
    await refuses({ Binds: ['/tmp:/x'], Tmpfs: { '/x': '' } }, 400, /Duplicate mount point: \/x/);
    await refuses(
      { Mounts: [{ Type: 'image', Source: 'no/such:one', Target: '/x' }] },
      404,
      /No such image: no\/such:one/,
    );
    await refuses({ Tmpfs: { x: '' } }, 400, /invalid mount path: 'x' mount path must be absolute/);
    await refuses({ Tmpfs: { '/': '' } }, 400, /destination can't be '\/'/);
    for (const options of [{ ReadOnlyNonRecursive: true }, { ReadOnlyForceRecursive: true }]) {
      const answer = await create({ Mounts: [{ ...bind, BindOptions: options }] });
      // Docker finds out at the start.
      const late = isOracle()
        ? await engine().api('POST', `/containers/${answer.json<{ Id: string }>().Id}/start`)
        : answer;
      assert.match(late.text, /mount options conflict: !ReadOnly \\u0026\\u0026|mount options conflict: !ReadOnly &&/);
    }
  });
});
