/** Every operation of the group Volume, with every parameter and field. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';

interface Volume {
  readonly Name: string;
  readonly Driver: string;
  readonly Mountpoint: string;
  readonly CreatedAt: string;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly Options: Readonly<Record<string, string>> | null;
  readonly Scope: string;
}

engineSuite('the volume operations', {}, (engine) => {
  const docker = dockerOf(engine);
  const shell = (script: string, ...flags: string[]) => docker.ok('run', '--rm', ...flags, busybox, 'sh', '-c', script);
  const create = async (body: object) => (await engine().api('POST', '/volumes/create', body)).json<Volume>();
  const query = (filters: object) => `filters=${encodeURIComponent(JSON.stringify(filters))}`;
  const names = async (filters: object) => {
    const answer = await engine().api('GET', `/volumes?${query(filters)}`);
    assert.equal(answer.status, 200, answer.text);
    return answer
      .json<{ Volumes: Volume[] }>()
      .Volumes.map(({ Name }) => Name)
      .sort();
  };
  const prune = async (filters: object, version = '') => {
    const answer = await engine().api('POST', `${version}/volumes/prune?${query(filters)}`);
    assert.equal(answer.status, 200, answer.text);
    const report = answer.json<{ VolumesDeleted: string[] | null; SpaceReclaimed: number }>();
    return { deleted: (report.VolumesDeleted ?? []).toSorted(), bytes: report.SpaceReclaimed };
  };

  test('create and inspect show name, driver, labels, options; the same name gives the same volume', async () => {
    const labels = { team: 'blue', __proto__x: 'kept' };
    const made = await create({ Name: 'mine', Driver: 'local', Labels: labels, DriverOpts: null });
    assert.deepEqual(Object.keys(made).sort(), [
      'CreatedAt',
      'Driver',
      'Labels',
      'Mountpoint',
      'Name',
      'Options',
      'Scope',
    ]);
    assert.equal(made.Mountpoint, join(engine().paths.dataRoot, 'volumes/mine/_data'));
    assert.match(made.CreatedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const { Name, Driver, Labels, Options, Scope } = made;
    assert.deepEqual(
      { Name, Driver, Labels, Options, Scope },
      {
        Name: 'mine',
        Driver: 'local',
        Labels: labels,
        Options: null,
        Scope: 'local',
      },
    );
    assert.deepEqual((await engine().api('GET', '/volumes/mine')).json(), made);
    assert.deepEqual(await create({ Name: 'mine', DriverOpts: { type: 'tmpfs', device: 'tmpfs' } }), made);
    const anonymous = await create({});
    assert.match(anonymous.Name, /^[0-9a-f]{64}$/);
    assert.deepEqual(anonymous.Labels, { 'com.docker.volume.anonymous': '' });
    const other = await create({ Name: 'other' });
    assert.equal(other.Labels, null);
  });

  test('options mount a tmpfs, or a directory of the host, while a container runs', async () => {
    const memory = await create({
      Name: 'memory',
      DriverOpts: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,uid=1000' },
    });
    assert.deepEqual(memory.Options, { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,uid=1000' });
    const seen = await shell('df -k /m | tail -1; stat -c %u /m; touch /m/file', '-v', 'memory:/m');
    assert.match(seen, /^tmpfs\s+1024 .*\n1000$/);
    assert.equal(await shell('ls /m', '-v', 'memory:/m'), '');
    const folder = await mkdtemp(join(engine().folder, 'device-'));
    await writeFile(join(folder, 'file'), 'of the host');
    await create({ Name: 'bound', DriverOpts: { type: 'none', device: folder, o: 'bind' } });
    assert.equal(await shell('cat /b/file', '-v', 'bound:/b'), 'of the host');
    await rm(folder, { recursive: true });
    const broken = await docker('run', '--rm', '-v', 'bound:/b', busybox, 'true');
    assert.notEqual(broken.code, 0);
    assert.match(broken.stderr, /error while mounting volume '.*\/bound\/_data': failed to mount local volume: mount /);
    await create({ Name: 'share', DriverOpts: { type: 'nofs', device: 'x', o: 'username=me,password=secret' } });
    const unknown = await docker('run', '--rm', '-v', 'share:/b', busybox, 'true');
    assert.match(unknown.stderr, /failed to mount local volume: .*no such device/i);
    assert.doesNotMatch(unknown.stderr, /secret/);
  });

  const refused: readonly (readonly [what: string, status: number, says: RegExp, body: unknown])[] = [
    ['a name of one letter', 400, /create x: volume name is too short/, { Name: 'x' }],
    ['a name that climbs', 400, /"\.\.\/up" includes invalid characters for a local volume name/, { Name: '../up' }],
    ['a name that begins with a dash', 400, /includes invalid characters/, { Name: '-flag' }],
    ['a name with NUL', 400, /includes invalid characters/, { Name: 'nul\0' }],
    ['an unknown driver', 404, /create ok: .*plugin "nowhere" not found/, { Name: 'ok', Driver: 'nowhere' }],
    ['an unknown option', 400, /create ok: invalid option: "color"/, { Name: 'ok', DriverOpts: { color: 'x' } }],
    ['a type alone', 400, /missing required option: "device"/, { Name: 'ok', DriverOpts: { type: 'tmpfs' } }],
    ['a device alone', 400, /missing required option: "type"/, { Name: 'ok', DriverOpts: { device: 'tmpfs' } }],
    ['mount options alone', 400, /missing required option: "(device|type)"/, { Name: 'ok', DriverOpts: { o: 'ro' } }],
    [
      'a port in the address of a share',
      400,
      /port not allowed in CIFS device URL/,
      { Name: 'ok', DriverOpts: { type: 'cifs', device: '//host:445/share' } },
    ],
    // Docker has no sizes without project quotas.
    ['too small a size', 400, /size is from 1m|no quota support/, { Name: 'ok', DriverOpts: { size: '10k' } }],
    ['no size', 400, /invalid size: 'ten'/, { Name: 'ok', DriverOpts: { size: 'ten' } }],
    ['a volume of a swarm', 503, /not a swarm manager/, { Name: 'ok', ClusterVolumeSpec: { Group: 'g' } }],
    ['a wrong type', 400, /cannot unmarshal number into .*Name of type string/, { Name: 3 }],
    ['a wrong type inside', 400, /cannot unmarshal array into .*Labels.* of type/, { Labels: [] }],
    ['no JSON', 400, /./, '{"Name": '],
  ];
  for (const [what, status, says, body] of refused) {
    test(`create refuses ${what}`, async () => {
      const answer = await engine().api('POST', '/volumes/create', body);
      assert.equal(answer.status, status, answer.text);
      assert.match(answer.text.replaceAll('\\"', '"'), says);
      assert.deepEqual(await names({}), []);
    });
  }

  test('a field that old clients could not know is ignored', async () => {
    const body = { Name: 'plain', ClusterVolumeSpec: { Group: 'g' } };
    assert.equal((await engine().api('POST', '/v1.41/volumes/create', body)).status, 201);
  });

  test('list filters by name, driver, label, use; unknown filters and values are refused', async () => {
    for (const [Name, Labels] of [
      ['apple', { fruit: 'yes', color: 'red' }],
      ['applepie', { color: 'brown' }],
      ['pear', { fruit: 'yes' }],
    ] as const) {
      await create({ Name, Labels });
    }
    await docker.ok('create', '--name=eater', '-v', 'pear:/pear', busybox);
    const cases: readonly (readonly [filters: object, expected: readonly string[]])[] = [
      [{}, ['apple', 'applepie', 'pear']],
      [{ name: ['apple'] }, ['apple', 'applepie']],
      [{ name: { pie: true, pear: true } }, ['applepie', 'pear']],
      [{ name: ['plum'] }, []],
      [{ driver: ['local'] }, ['apple', 'applepie', 'pear']],
      [{ driver: ['loc'] }, []],
      [{ label: ['fruit'] }, ['apple', 'pear']],
      [{ label: ['fruit=yes', 'color=red'] }, ['apple']],
      [{ label: ['fruit=no'] }, []],
      [{ dangling: ['true'] }, ['apple', 'applepie']],
      [{ dangling: ['false'] }, ['pear']],
      [{ dangling: ['1'], name: ['apple'], label: ['fruit'] }, ['apple']],
    ];
    for (const [filters, expected] of cases) assert.deepEqual(await names(filters), expected, JSON.stringify(filters));
    for (const [text, says] of [
      [query({ moon: ['full'] }), /invalid filter 'moon'/],
      [query({ 'label!': ['x'] }), /invalid filter 'label!'/],
      [query({ dangling: ['maybe'] }), /invalid filter 'dangling=\[maybe\]'/],
      [query({ dangling: ['true', 'false'] }), /invalid filter 'dangling=\[true false\]'/],
      ['filters=x', /error reading volume filters: invalid filter/],
      [query({ name: 'text' }), /error reading volume filters: invalid filter/],
    ] as const) {
      const answer = await engine().api('GET', `/volumes?${text}`);
      assert.equal(answer.status, 400, text);
      assert.match(answer.text, says);
    }
  });

  test('update is for volumes of a swarm', async () => {
    await create({ Name: 'mine' });
    for (const [path, body] of [
      ['/volumes/mine?version=1', { Spec: {} }],
      ['/volumes/nobody', {}],
      ['/v1.41/volumes/mine?version=x', {}],
    ] as const) {
      const answer = await engine().api('PUT', path, body);
      assert.equal(answer.status, 503);
      assert.match(answer.text, /volume update only valid for cluster volumes, but swarm is unavailable/);
    }
  });

  test('delete: in use, missing, forced', async () => {
    const id = await docker.ok('create', '-v', 'held:/held', busybox);
    for (const force of ['0', '1']) {
      const answer = await engine().api('DELETE', `/volumes/held?force=${force}`);
      assert.equal(answer.status, 409);
      assert.match(answer.text, new RegExp(`remove held: volume is in use - \\[${id}\\]`));
    }
    await docker.ok('rm', id);
    assert.equal((await engine().api('DELETE', '/volumes/held')).status, 204);
    assert.equal((await engine().api('DELETE', '/volumes/held')).status, 404);
    assert.equal((await engine().api('DELETE', '/volumes/held?force=true')).status, 204);
    for (const name of ['held', '__proto__', 'a%2fb']) {
      const answer = await engine().api('GET', `/volumes/${name}`);
      assert.equal(answer.status, 404);
      assert.match(answer.text, new RegExp(`get ${decodeURIComponent(name)}: no such volume`));
    }
  });

  test('prune: anonymous ones, all of them, by label; never what a container has', async () => {
    const anonymous = await create({});
    await create({ Name: 'named', Labels: { keep: 'yes' } });
    await create({ Name: 'bare' });
    await shell('head -c 300000 /dev/zero > /v/file', '-v', 'bare:/v');
    await docker.ok('create', '--name=holder', '-v', 'held:/held', '-v', '/unnamed', busybox);
    assert.deepEqual((await prune({})).deleted, [anonymous.Name]);
    assert.deepEqual((await prune({ all: ['false'] })).deleted, []);
    assert.deepEqual((await prune({ all: ['true'], label: ['keep=no'] })).deleted, []);
    const pruned = await prune({ all: ['true'], 'label!': ['keep'] });
    assert.deepEqual(pruned.deleted, ['bare']);
    assert.ok(pruned.bytes >= 300_000, String(pruned.bytes));
    assert.deepEqual((await prune({ all: ['1'], label: ['keep=yes'] })).deleted, ['named']);
    await create({ Name: 'old' });
    assert.deepEqual((await prune({}, '/v1.41')).deleted, ['old']);
    assert.equal((await names({})).length, 2);
    for (const [filters, says] of [
      [{ dangling: ['true'] }, /invalid filter 'dangling'/],
      [{ all: ['maybe'] }, /invalid filter 'all'.*maybe/],
      [{ all: ['true', '1'] }, /invalid filter 'all=\[true 1\]': only one value is expected/],
    ] as const) {
      const answer = await engine().api('POST', `/volumes/prune?${query(filters)}`);
      assert.equal(answer.status, 400);
      assert.match(answer.text, says);
    }
  });

  test('events: create, mount, unmount, destroy, prune', async () => {
    const since = String(Date.now() / 1000);
    await create({ Name: 'told' });
    await docker.ok('run', '--name=teller', '-v', 'told:/at:ro', busybox, 'true');
    const id = await docker.field('teller', '{{.Id}}');
    await docker.ok('rm', 'teller');
    await docker.ok('volume', 'rm', 'told');
    await docker.ok('volume', 'prune', '-f');
    const flags = [
      '--since',
      since,
      '--until',
      String(Date.now() / 1000),
      '--filter=type=volume',
      '--format={{json .}}',
    ];
    const lines = (await docker.ok('events', ...flags)).split('\n');
    const events = lines.map(
      (line) => JSON.parse(line) as { Action: string; Actor: { ID: string; Attributes: object } },
    );
    assert.deepEqual(
      events.map(({ Action, Actor }) => [Action, Actor.ID, { ...Actor.Attributes }]),
      [
        ['create', 'told', { driver: 'local' }],
        [
          'mount',
          'told',
          { container: id, destination: '/at', driver: 'local', propagation: '', 'read/write': 'false' },
        ],
        ['unmount', 'told', { container: id, driver: 'local' }],
        ['destroy', 'told', { driver: 'local' }],
        ['prune', '', { reclaimed: '0' }],
      ],
    );
  });
});
