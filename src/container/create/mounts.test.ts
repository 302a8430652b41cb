import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EngineError } from '../../base/errors.ts';
import type { HostConfig, MountSpec } from '../../spec/engine/container.ts';
import { emptyContainerConfig, emptyHostConfig } from '../../spec/engine/empty-config.ts';
import { cleanPath } from './clean-path.ts';
import { parseBind } from './binds.ts';
import { wantedMounts } from './mounts.ts';

const mounts = (host: Partial<HostConfig>, volumes: string[] = []) =>
  wantedMounts(
    { ...emptyContainerConfig(), Volumes: Object.fromEntries(volumes.map((path) => [path, {}])) },
    { ...emptyHostConfig(), ...host },
  );

test('paths are cleaned and stay below the root', () => {
  const cases: [string, string][] = [
    ['/a//b/./c/', '/a/b/c'],
    ['/a/../../b', '/b'],
    ['/..', '/'],
    ['/', '/'],
  ];
  for (const [given, wanted] of cases) assert.equal(cleanPath(given), wanted);
});

test('binds: sources, targets and modes', () => {
  assert.deepEqual(parseBind('/src/:/dst/'), {
    source: '/src',
    target: '/dst',
    mode: '',
    readOnly: false,
    propagation: undefined,
    noCopy: false,
    relabel: undefined,
  });
  const full = parseBind('data:/dst:ro,Z,nocopy,delegated');
  assert.equal(full.source, 'data');
  assert.ok(full.readOnly && full.noCopy);
  assert.equal(full.relabel, 'Z');
  assert.equal(parseBind('/src:/dst:rshared').propagation, 'rshared');
  assert.equal(parseBind('/dst').source, '');
});

test('malformed binds are refused in words that clients know', () => {
  const cases: [string, string][] = [
    [
      'a',
      "invalid volume specification: 'a': invalid mount config for type \"volume\": invalid mount path: 'a' mount path must be absolute",
    ],
    [':/b', "invalid volume specification: ':/b'"],
    ['/a:ro', "invalid volume specification: '/a:ro'"],
    ['/a:/b:/c:ro', "invalid volume specification: '/a:/b:/c:ro'"],
    ['/a:/b:rx', 'invalid mode: rx'],
    ['/a:/b:ro,rw', 'invalid mode: ro,rw'],
    ['/a:/b:z,Z', 'invalid mode: z,Z'],
    [
      '/a:/',
      "invalid volume specification: '/a:/': invalid mount config for type \"bind\": invalid specification: destination can't be '/'",
    ],
    [
      '/a:/x/..',
      "invalid volume specification: '/a:/x/..': invalid mount config for type \"bind\": invalid specification: destination can't be '/'",
    ],
    [
      'v:b',
      "invalid volume specification: 'v:b': invalid mount config for type \"volume\": invalid mount path: 'b' mount path must be absolute",
    ],
  ];
  for (const [raw, message] of cases) assert.throws(() => parseBind(raw), { code: 'invalid', message }, raw);
});

test('binds, mounts, tmpfs and volumes become one list; what is mounted needs no anonymous volume', () => {
  const list = mounts(
    {
      Binds: ['/src:/bind:ro', 'data:/named'],
      Mounts: [
        { Type: 'volume', Source: 'v', Target: '/v', VolumeOptions: { NoCopy: true, Subpath: 'a/b' } },
        { Type: 'bind', Source: '/s', Target: '/s', BindOptions: { NonRecursive: true } },
        { Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 1024, Mode: 0o1700, Options: [['exec']] } },
      ],
      Tmpfs: { '/run': 'size=1m,ro' },
    },
    ['/bind', '/anonymous/../cache'],
  );
  const brief = list.map((one) => {
    if (one.kind === 'tmpfs') return [one.kind, one.target, one.readOnly, one.options.join(',')];
    if (one.kind === 'volume') return [one.kind, one.target, one.readOnly, one.name, one.copy, one.subpath];
    if (one.kind === 'bind') return [one.kind, one.target, one.readOnly, one.source, one.recursive, one.createSource];
    return [one.kind];
  });
  assert.deepEqual(brief, [
    ['bind', '/bind', true, '/src', true, true],
    ['volume', '/named', false, 'data', true, ''],
    ['volume', '/v', false, 'v', false, 'a/b'],
    ['bind', '/s', false, '/s', false, false],
    ['tmpfs', '/t', false, 'exec,size=1024,mode=1700'],
    ['tmpfs', '/run', true, 'size=1m'],
    ['volume', '/cache', false, undefined, true, ''],
  ]);
});

test('U, O and idmap are read, and what excludes each other is refused', () => {
  const extras = (mode: string) => parseBind(`/s:/t:${mode}`).extras;
  assert.deepEqual(extras('ro,U'), { chown: true });
  assert.deepEqual(extras('O'), { overlay: 'passing' });
  assert.deepEqual(extras('O,U,upperdir=/u/../v,workdir=/w'), { chown: true, overlay: { upper: '/v', work: '/w' } });
  assert.deepEqual(extras('idmap'), { idmap: { uids: [], gids: [] } });
  const range = (disk: number, shown: number, size: number, inside = false) => ({ disk, shown, size, inside });
  assert.deepEqual(extras('idmap=uids=0-1000-10#@20-5-1;gids=0-100-65536'), {
    idmap: { uids: [range(0, 1000, 10), range(20, 5, 1, true)], gids: [range(0, 100, 65_536)] },
  });
  assert.equal(parseBind('v:/t:U').extras?.chown, true);
  for (const [mode, says] of [
    ['O,idmap', /"idmap" and "O" exclude each other/],
    ['U,idmap', /"idmap" and "U" exclude each other/],
    ['O,rshared', /"O" and "rshared" exclude each other/],
    ['upperdir=/x,workdir=/y', /"upperdir" needs "O"/],
    ['O,upperdir=/x', /"upperdir" and "workdir" need each other/],
    ['O,upperdir=x,workdir=/y', /upperdir must be an absolute path/],
    ['idmap=', /uids=DISK-SHOWN-SIZE/],
    ['idmap=uids=1-2', /DISK-SHOWN-SIZE is expected, not "1-2"/],
    ['idmap=uids=0-0-0', /DISK-SHOWN-SIZE is expected/],
    ['idmap=uids=4294967295-0-1', /DISK-SHOWN-SIZE is expected/],
    ['idmap=uids=0-0-10#5-100-1', /ranges overlap at id 5/],
    ['idmap=uids=0-0-10#50-9-1', /ranges overlap at id 9/],
    ['idmap=uids=0-0-1;uids=0-0-1', /uids=DISK-SHOWN-SIZE/],
    ['U,U', /invalid mode: U,U/],
    ['u', /invalid mode: u/],
  ] as const) {
    assert.throws(() => parseBind(`/s:/t:${mode}`), { code: 'invalid', message: says }, mode);
  }
  const mode = (Mode: string, more: Partial<MountSpec> = {}) =>
    mounts({ Mounts: [{ Type: 'bind', Source: '/s', Target: '/t', Mode, ...more }] });
  const [bound] = mode('U');
  assert.deepEqual(bound?.kind === 'bind' && bound.extras, { chown: true });
  assert.throws(() => mode('ro'), /invalid mode: ro/);
  assert.throws(() => mode('O', { BindOptions: { Propagation: 'slave' } }), /"O" and "slave" exclude each other/);
  assert.throws(
    () => mounts({ Mounts: [{ Type: 'tmpfs', Target: '/t', Mode: 'U' }] }),
    /field Mode must not be specified/,
  );
});

test('malformed mounts are refused in words that clients know', () => {
  const cases: [MountSpec, string][] = [
    [{ Type: 'bind', Target: '/x' }, 'invalid mount config for type "bind": field Source must not be empty'],
    [
      { Type: 'bind', Source: '/s', Target: '' },
      'invalid mount config for type "bind": field Target must not be empty',
    ],
    [
      { Type: 'bind', Source: 's', Target: '/x' },
      'invalid mount config for type "bind": invalid mount path: \'s\' mount path must be absolute',
    ],
    [
      { Type: 'bind', Source: '/s', Target: '/x', BindOptions: { Propagation: 'rprivate,rw' } },
      'invalid mount config for type "bind": invalid propagation mode: rprivate,rw',
    ],
    [
      { Type: 'bind', Source: '/s', Target: '/x', VolumeOptions: {} },
      'invalid mount config for type "bind": field VolumeOptions must not be specified',
    ],
    [
      { Type: 'volume', Target: '/x', ReadOnly: true },
      'invalid mount config for type "volume": must not set ReadOnly mode when using anonymous volumes',
    ],
    [
      { Type: 'volume', Source: 'v', Target: '/x', VolumeOptions: { Subpath: '../x' } },
      'invalid mount config for type "volume": subpath must be a relative path within the volume',
    ],
    [
      { Type: 'tmpfs', Source: '/s', Target: '/x' },
      'invalid mount config for type "tmpfs": field Source must not be specified',
    ],
    [{ Type: 'nope' as 'bind', Target: '/x' }, 'invalid mount config for type "nope": mount type unknown'],
  ];
  for (const [spec, message] of cases) {
    assert.throws(() => mounts({ Mounts: [spec] }), { code: 'invalid', message }, JSON.stringify(spec));
  }
  assert.throws(() => mounts({ Tmpfs: { '/x': 'suid,nope=1' } }), { message: 'invalid tmpfs option "nope=1"' });
  assert.throws(() => mounts({ Tmpfs: { '/x': '' }, Binds: ['/a:/x'] }), { message: 'Duplicate mount point: /x' });
  assert.throws(() => mounts({}, ['/a/..']), { code: 'invalid' });
});

test('whatever is asked: a refusal, or a clean absolute target that is not the root', () => {
  const piece = fc.constantFrom('/', '..', '.', 'a', ':', 'ro', ',', '\0', 'z', '//', 'é', ' ');
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece, { maxLength: 12 }).map((parts) => parts.join('')),
      ),
      (raw) => {
        try {
          const { target } = parseBind(raw);
          assert.ok(target.startsWith('/') && target !== '/' && cleanPath(target) === target, target);
          assert.ok(!target.split('/').includes('..') && !target.includes('\0'));
        } catch (error) {
          assert.ok(error instanceof EngineError && error.code === 'invalid', String(error));
        }
      },
    ),
    { numRuns: 2000 },
  );
});
