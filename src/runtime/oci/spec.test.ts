import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newContainerId } from '../../base/ids.ts';
import type { LaunchRequest } from '../../spec/contract/launch.ts';
import type { HostConfig } from '../../spec/engine/container.ts';
import { emptyHostConfig } from '../../spec/engine/empty-config.ts';
import type { OciDevice } from '../../spec/oci/runtime.ts';
import { defaultCapabilities, knownCapabilities } from '../profile/capabilities.ts';
import type { HostFacts } from './host.ts';
import { checkWorkingDirectory } from './process.ts';
import { serializeSpec } from './serialize.ts';
import { buildContainerSpec, buildExecProcess, cgroupPath } from './spec.ts';

const device = (path: string, type: 'b' | 'c', major: number, minor: number): OciDevice => ({
  path,
  type,
  major,
  minor,
});
const nodes = [
  device('/dev/sda', 'b', 8, 0),
  device('/dev/net/tun', 'c', 10, 200),
  device('/dev/net/other', 'c', 10, 201),
];

const host: HostFacts = {
  cgroup: 'v1',
  kernel: [6, 1],
  arch: 'x86_64',
  controllers: new Set(['memory', 'cpu', 'blkio', 'pids', 'devices', 'cpuset']),
  swapLimit: true,
  kernelMemoryTcp: true,
  blockLimits: { weight: true, weightDevice: true, throttle: true },
  limits: new Map([['RLIMIT_NOFILE', { soft: 1024, hard: 4096 }]]),
  canRaiseLimits: false,
  oomScoreAdj: -100,
  capabilities: new Set(knownCapabilities.filter((name) => name !== 'CAP_SYS_RESOURCE')),
  initPath: '/usr/bin/tini-static',
  appArmor: { active: false, defaultProfile: undefined },
  extraMaskedPaths: ['/sys/devices/system/cpu/cpu0/thermal_throttle'],
  cgroupParent: '/gantry-test',
  defaults: { noNewPrivileges: false, pidsLimit: undefined, seccomp: undefined },
  devicesAt: (path) => Promise.resolve(nodes.filter((one) => one.path === path || one.path.startsWith(`${path}/`))),
};

const id = newContainerId();
const fresh = { kind: 'new' } as const;
const base: LaunchRequest = {
  id,
  name: 'box',
  rootfs: '/run/root',
  hostname: 'box',
  domainname: '',
  process: {
    args: ['sh', '-c', 'true'],
    env: ['PATH=/bin'],
    cwd: '/srv',
    user: { uid: 0, gid: 0, additionalGids: [0, 10] },
    tty: false,
    openStdin: false,
    stdinOnce: false,
  },
  hostConfig: emptyHostConfig(),
  mounts: [],
  namespaces: {
    network: { kind: 'join', path: '/proc/1/fd/9' },
    pid: fresh,
    ipc: fresh,
    uts: fresh,
    cgroup: { kind: 'host' },
  },
  directory: '/run/box',
  logPath: '/run/box/log',
  logGuardBytes: 0,
  runtime: 'crun',
  useInit: false,
};

const build = async (hostConfig: Partial<HostConfig> = {}, request: Partial<LaunchRequest> = {}, on = host) =>
  buildContainerSpec({ ...base, ...request, hostConfig: { ...base.hostConfig, ...hostConfig } }, on);

test('a container that asks for nothing: the whole specification', async () => {
  const { spec, warnings } = await build();
  assert.deepEqual(warnings, []);
  const { seccomp, ...linux } = spec.linux;
  assert.equal(seccomp?.defaultAction, 'SCMP_ACT_ERRNO');
  assert.match(spec.annotations?.['run.oci.seccomp_bpf_data'] ?? '', /^[A-Za-z0-9+/]+=*$/);
  const { annotations: _, ...rest } = spec;
  assert.deepEqual(JSON.parse(serializeSpec({ ...rest, linux })), {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid: 0, gid: 0, additionalGids: [0, 10] },
      args: ['sh', '-c', 'true'],
      env: ['PATH=/bin'],
      cwd: '/srv',
      capabilities: {
        bounding: knownCapabilities.filter((name) => defaultCapabilities.includes(name)),
        effective: knownCapabilities.filter((name) => defaultCapabilities.includes(name)),
        permitted: knownCapabilities.filter((name) => defaultCapabilities.includes(name)),
        inheritable: [],
        ambient: [],
      },
      noNewPrivileges: false,
    },
    root: { path: '/run/root', readonly: false },
    hostname: 'box',
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
      {
        destination: '/dev',
        type: 'tmpfs',
        source: 'tmpfs',
        options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
      },
      {
        destination: '/dev/pts',
        type: 'devpts',
        source: 'devpts',
        options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
      },
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
      {
        destination: '/sys/fs/cgroup',
        type: 'cgroup',
        source: 'cgroup',
        options: ['nosuid', 'noexec', 'nodev', 'relatime', 'ro'],
      },
      { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
      {
        destination: '/dev/shm',
        type: 'tmpfs',
        source: 'shm',
        options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=67108864'],
      },
    ],
    linux: {
      namespaces: [
        { type: 'mount' },
        { type: 'network', path: '/proc/1/fd/9' },
        { type: 'pid' },
        { type: 'ipc' },
        { type: 'uts' },
      ],
      cgroupsPath: `/gantry-test/${id}`,
      resources: {
        devices: [
          { allow: false, access: 'rwm' },
          ...[3, 5, 7, 8, 9].map((minor) => ({ allow: true, type: 'c', major: 1, minor, access: 'rwm' })),
          ...[0, 1, 2].map((minor) => ({ allow: true, type: 'c', major: 5, minor, access: 'rwm' })),
          { allow: true, type: 'c', major: 136, access: 'rwm' },
          { allow: false, type: 'c', major: 10, minor: 229, access: 'rwm' },
        ],
      },
      maskedPaths: [
        '/proc/acpi',
        '/proc/asound',
        '/proc/interrupts',
        '/proc/kcore',
        '/proc/keys',
        '/proc/latency_stats',
        '/proc/sched_debug',
        '/proc/scsi',
        '/proc/timer_list',
        '/proc/timer_stats',
        '/sys/devices/virtual/powercap',
        '/sys/firmware',
        '/sys/devices/system/cpu/cpu0/thermal_throttle',
      ],
      readonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
    },
  });
});

test('privileged: every capability of the engine, every device, nothing covered, no filter', async () => {
  const { spec } = await build({ Privileged: true });
  assert.equal(spec.linux.seccomp, undefined);
  assert.equal(spec.annotations, undefined);
  assert.deepEqual(spec.linux.maskedPaths, []);
  assert.deepEqual(spec.linux.readonlyPaths, []);
  assert.deepEqual(spec.linux.resources.devices, [{ allow: true, access: 'rwm' }]);
  assert.deepEqual(
    spec.linux.devices?.map((one) => one.path),
    ['/dev/sda', '/dev/net/tun', '/dev/net/other'],
  );
  assert.equal(spec.process.capabilities.effective.length, knownCapabilities.length - 1);
  assert.deepEqual(spec.process.capabilities.inheritable, []);
  for (const mount of spec.mounts) assert.ok(!mount.options.includes('ro'), mount.destination);
});

test('a user that is not root gets the bounding set only', async () => {
  const process = { ...base.process, user: { uid: 1000, gid: 1000, additionalGids: [1000] } };
  const { spec } = await build({ CapAdd: ['NET_ADMIN'] }, { process });
  assert.ok(spec.process.capabilities.bounding.includes('CAP_NET_ADMIN'));
  assert.deepEqual(spec.process.capabilities.effective, []);
  assert.deepEqual(spec.process.capabilities.permitted, []);
});

test('resources', async () => {
  const { spec } = await build({
    Memory: 64 << 20,
    NanoCpus: 1.5e9,
    CpuShares: 512,
    CpusetCpus: '0-1',
    PidsLimit: 10,
    BlkioWeight: 300,
    BlkioDeviceReadBps: [{ Path: '/dev/sda', Rate: 1024 }],
    OomKillDisable: true,
    MemorySwappiness: 0,
  });
  const { devices: _, ...limits } = spec.linux.resources;
  assert.deepEqual(limits, {
    memory: { limit: 64 << 20, swap: 128 << 20, swappiness: 0, disableOOMKiller: true },
    cpu: { shares: 512, period: 100_000, quota: 150_000, cpus: '0-1' },
    pids: { limit: 10 },
    blockIO: { weight: 300, throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1024 }] },
  });
});

test('what the kernel cannot do is left out with a warning', async () => {
  const blockLimits = { weight: false, weightDevice: false, throttle: false };
  const poor: HostFacts = { ...host, cgroup: 'v2', swapLimit: false, controllers: new Set(['memory']), blockLimits };
  const { spec, warnings } = await build(
    { Memory: 64 << 20, MemorySwappiness: 5, OomKillDisable: true, BlkioWeight: 300, CpuRealtimePeriod: 1000 },
    {},
    poor,
  );
  const { devices: _, ...limits } = spec.linux.resources;
  assert.deepEqual(limits, { memory: { limit: 64 << 20 } });
  assert.equal(warnings.length, 5);
  await assert.rejects(build({ BlkioDeviceReadBps: [{ Path: '/etc', Rate: 1 }] }), { code: 'invalid' });
});

test('limits and oom scores that the engine may not set are cut, with a warning', async () => {
  const Ulimits = [
    { Name: 'nofile', Soft: 5000, Hard: 8192 },
    { Name: 'core', Soft: -1, Hard: -1 },
  ];
  const { spec, warnings } = await build({ Ulimits, OomScoreAdj: -500 });
  assert.deepEqual(spec.process.rlimits, [
    { type: 'RLIMIT_NOFILE', soft: 4096, hard: 4096 },
    { type: 'RLIMIT_CORE', soft: Infinity, hard: Infinity },
  ]);
  assert.match(serializeSpec(spec), /"soft":18446744073709551615/);
  assert.equal(spec.process.oomScoreAdj, -100);
  assert.equal(warnings.length, 2);
  const free = await build({ Ulimits, OomScoreAdj: -500 }, {}, { ...host, canRaiseLimits: true });
  assert.equal(free.spec.process.rlimits?.[0]?.hard, 8192);
  assert.deepEqual(free.warnings, []);
});

test('devices: a node under another name, a whole directory, rules; what is no device is refused', async () => {
  const { spec } = await build({
    Devices: [
      { PathOnHost: '/dev/sda', PathInContainer: '/dev/xvda', CgroupPermissions: 'r' },
      { PathOnHost: '/dev/net', PathInContainer: '/dev/net', CgroupPermissions: '' },
    ],
    DeviceCgroupRules: ['c 189:* rw'],
  });
  assert.deepEqual(
    spec.linux.devices?.map((one) => one.path),
    ['/dev/xvda', '/dev/net/tun', '/dev/net/other'],
  );
  assert.deepEqual(spec.linux.resources.devices?.slice(-4), [
    { allow: true, type: 'b', major: 8, minor: 0, access: 'r' },
    { allow: true, type: 'c', major: 10, minor: 200, access: 'rwm' },
    { allow: true, type: 'c', major: 10, minor: 201, access: 'rwm' },
    { allow: true, type: 'c', major: 189, access: 'rw' },
  ]);
  const bad: Partial<HostConfig>[] = [
    { Devices: [{ PathOnHost: '/etc/passwd', PathInContainer: '/x', CgroupPermissions: 'r' }] },
    { Devices: [{ PathOnHost: '/dev/sda', PathInContainer: '/x', CgroupPermissions: 'rr' }] },
    ...['c 1:3', 'x 1:3 r', 'c 1 r', 'c 1:3 z', 'c 4294967296:1 r', 'c -1:3 r'].map((rule) => ({
      DeviceCgroupRules: [rule],
    })),
  ];
  for (const config of bad) await assert.rejects(build(config), { code: 'invalid' }, JSON.stringify(config));
});

test('mounts: parents first, the user in place of the engine, defaults of tmpfs', async () => {
  const bind = { kind: 'bind', source: '/s', readOnly: true, recursive: true, propagation: 'rslave' } as const;
  const { spec } = await build(
    {},
    {
      mounts: [
        { ...bind, target: '/a/b' },
        { kind: 'tmpfs', target: '/a', readOnly: true, options: ['size=1m', 'exec'] },
        { ...bind, target: '/dev/shm', readOnly: false, propagation: '' },
        { ...bind, target: '/c', readOnlyNonRecursive: true },
      ],
      useInit: true,
    },
  );
  assert.deepEqual(spec.process.args.slice(0, 3), ['/dev/docker-init', '--', 'sh']);
  const byTarget = new Map(spec.mounts.map((one) => [one.destination, one.options.join()]));
  assert.deepEqual([...byTarget.keys()].slice(6), ['/a', '/c', '/a/b', '/dev/shm', '/dev/docker-init']);
  assert.equal(byTarget.get('/a'), 'exec,nosuid,nodev,rprivate,size=1m,ro');
  assert.equal(byTarget.get('/a/b'), 'rbind,rslave,ro,rro');
  assert.equal(byTarget.get('/c'), 'rbind,rslave,ro');
  assert.equal(byTarget.get('/dev/shm'), 'rbind,rprivate');
  assert.equal(spec.linux.rootfsPropagation, 'rslave');
  await assert.rejects(build({}, { useInit: true }, { ...host, initPath: undefined }), { code: 'unavailable' });
});

test('shared namespaces', async () => {
  const shared = { kind: 'host' } as const;
  const { spec } = await build(
    { Sysctls: { 'net.core.somaxconn': '1', 'kernel.shmmax': '9' } },
    { namespaces: { network: shared, pid: shared, ipc: shared, uts: shared, cgroup: fresh }, domainname: 'd' },
  );
  assert.deepEqual(spec.linux.namespaces, [{ type: 'mount' }, { type: 'cgroup' }]);
  assert.equal(spec.hostname, undefined);
  assert.deepEqual({ ...spec.linux.sysctl }, { 'kernel.shmmax': '9' });
  assert.equal(spec.mounts.find((one) => one.destination === '/dev/shm')?.source, '/dev/shm');
});

test('security options', async () => {
  assert.equal((await build({ SecurityOpt: ['no-new-privileges'] })).spec.process.noNewPrivileges, true);
  assert.equal((await build({ SecurityOpt: ['no-new-privileges:false'] })).spec.process.noNewPrivileges, false);
  assert.equal((await build({ SecurityOpt: ['seccomp=unconfined'] })).spec.linux.seccomp, undefined);
  assert.ok((await build({ SecurityOpt: ['seccomp=builtin'], Privileged: true })).spec.linux.seccomp);
  await build({ SecurityOpt: ['label=type:x', 'label:disable', 'disable', 'apparmor=unconfined'] });
  const refused: [string, string][] = [
    ['nonsense', 'invalid --security-opt 1: "nonsense"'],
    ['secomp=unconfined', 'invalid --security-opt 2: "secomp=unconfined"'],
    ['no-new-privileges=maybe', 'invalid --security-opt 2: "no-new-privileges=maybe"'],
    ['apparmor=mine', 'AppArmor is not enabled on this host: cannot apply the profile "mine"'],
  ];
  for (const [option, message] of refused) {
    await assert.rejects(build({ SecurityOpt: [option] }), { code: 'invalid', message });
  }
  await assert.rejects(build({ SecurityOpt: ['seccomp={'] }), {
    code: 'invalid',
    message: /^Decoding seccomp profile/,
  });
  const guarded: HostFacts = { ...host, appArmor: { active: true, defaultProfile: 'gantry-default' } };
  assert.equal((await build({}, {}, guarded)).spec.process.apparmorProfile, 'gantry-default');
  assert.equal((await build({ Privileged: true }, {}, guarded)).spec.process.apparmorProfile, 'unconfined');
});

test('capabilities by name, in the words that clients know', async () => {
  const effective = async (config: Partial<HostConfig>) => (await build(config)).spec.process.capabilities.effective;
  assert.deepEqual(await effective({ CapDrop: ['ALL'] }), []);
  assert.deepEqual(await effective({ CapDrop: ['all'], CapAdd: ['chown', 'CAP_KILL'] }), ['CAP_CHOWN', 'CAP_KILL']);
  assert.ok(!(await effective({ CapAdd: ['ALL'], CapDrop: ['SYS_ADMIN'] })).includes('CAP_SYS_ADMIN'));
  await assert.rejects(build({ CapAdd: ['NOPE'] }), { message: 'invalid CapAdd: unknown capability: "CAP_NOPE"' });
  await assert.rejects(build({ CapDrop: ['NOPE'] }), { message: 'invalid CapDrop: unknown capability: "CAP_NOPE"' });
  await assert.rejects(build({ CapAdd: ['SYS_RESOURCE'] }), { message: /not available in the current environment/ });
});

test('an exec: its own user and its own privileged flag', () => {
  const exec = {
    process: base.process,
    hostConfig: { ...base.hostConfig, Ulimits: [{ Name: 'nofile', Soft: 10, Hard: 10 }] },
  };
  assert.equal(buildExecProcess({ ...exec, privileged: false }, host).process.capabilities.effective.length, 14);
  const privileged = buildExecProcess({ ...exec, privileged: true }, host).process;
  assert.ok(privileged.capabilities.effective.includes('CAP_SYS_ADMIN'));
  assert.deepEqual(privileged.rlimits, [{ type: 'RLIMIT_NOFILE', soft: 10, hard: 10 }]);
  const inPrivileged = { ...exec, hostConfig: { ...exec.hostConfig, Privileged: true }, privileged: false };
  assert.ok(buildExecProcess(inPrivileged, host).process.capabilities.effective.includes('CAP_SYS_ADMIN'));
});

test('what a runtime must never see', async () => {
  const user = (uid: number, gid = 0, more: number[] = []) => ({ user: { uid, gid, additionalGids: more } });
  const bad: object[] = [
    user(-1),
    user(2 ** 31),
    user(0, 2 ** 32),
    user(0, 0, [1.5]),
    { args: [] },
    { args: [''] },
    { args: ['a\0b'] },
    { env: ['A=\0'] },
    { cwd: 'x' },
    { cwd: '/proc/self/fd/7' },
    { cwd: '/a/../proc//7/cwd' },
    { cwd: '/proc/thread-self/root' },
  ];
  for (const more of bad) {
    await assert.rejects(
      build({}, { process: { ...base.process, ...more } }),
      { code: 'invalid' },
      JSON.stringify(more),
    );
  }
  for (const good of ['/', '/proc', '/proc/sys/kernel', '/processes/self/fd', '/proc/self'])
    checkWorkingDirectory(good);
  for (const parent of ['../x', '/a/../b', '/\0'])
    assert.throws(() => cgroupPath(parent, id, host), { code: 'invalid' });
  assert.equal(cgroupPath('mine//own/', id, host), `/mine/own/${id}`);
  await assert.rejects(build({ MaskedPaths: ['etc'] }), { code: 'invalid' });
});
