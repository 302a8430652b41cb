/** Limits, devices, namespaces and security settings of HostConfig: seen inside the container or in its cgroup. */
import assert from 'node:assert/strict';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { readLimit } from '../support/limits.ts';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';

const runtimes = isOracle() ? ['runc'] : ['crun', 'runc'];

engineSuite('resources and privileges of a container', { runtimes }, (engine) => {
  const docker = dockerOf(engine);
  const shell = (script: string, ...flags: string[]) => docker.ok('run', '--rm', ...flags, busybox, 'sh', '-c', script);
  const create = (hostConfig: object, version = '', more: object = {}) =>
    engine().api('POST', `${version}/containers/create`, {
      Image: busybox,
      Cmd: ['true'],
      ...more,
      HostConfig: hostConfig,
    });
  /** What `sh -c script` prints in a container with these settings. */
  async function printed(script: string, hostConfig: object, version = ''): Promise<string> {
    const answer = await create(hostConfig, version, { Cmd: ['sh', '-c', script] });
    assert.equal(answer.status, 201, answer.text);
    const { Id } = answer.json<{ Id: string }>();
    const output = await docker.ok('start', '-a', Id);
    await docker.ok('rm', Id);
    return output;
  }
  async function inspected(hostConfig: object, template: string, version = ''): Promise<string> {
    const { Id } = (await create(hostConfig, version)).json<{ Id: string }>();
    const shown = await docker.field(Id, template);
    await docker.ok('rm', Id);
    return shown;
  }
  const warningsOf = async (hostConfig: object, version = '', more: object = {}) => {
    const { Id, Warnings } = (await create(hostConfig, version, more)).json<{ Id: string; Warnings: string[] }>();
    await docker.ok('rm', Id);
    return Warnings;
  };

  test('limits are in the cgroup', async () => {
    const settings = {
      Memory: 64 << 20,
      MemorySwap: 96 << 20,
      MemoryReservation: 32 << 20,
      CpuPeriod: 50_000,
      CpuQuota: 25_000,
      CpusetCpus: '0',
      CpusetMems: '0',
      PidsLimit: 33,
    };
    for (const Runtime of runtimes) {
      const { Id } = (await create({ ...settings, Runtime }, '', { Cmd: ['sleep', '1000'] })).json<{ Id: string }>();
      await docker.ok('start', Id);
      const pid = await docker.field(Id, '{{.State.Pid}}');
      const expected = {
        'memory.limit_in_bytes': '67108864',
        'memory.memsw.limit_in_bytes': '100663296',
        'memory.soft_limit_in_bytes': '33554432',
        'cpu.cfs_period_us': '50000',
        'cpu.cfs_quota_us': '25000',
        'cpuset.cpus': '0',
        'cpuset.mems': '0',
        'pids.max': '33',
      };
      for (const [file, value] of Object.entries(expected)) {
        assert.equal(await readLimit(pid, file), value, `${Runtime} ${file}`);
      }
      await docker.ok('rm', '-f', Id);
    }
    assert.equal(await printed('true', { CpuQuota: -5 }), '');
  });

  test('limits of block devices are in the cgroup, or discarded with a warning', async () => {
    const { stdout } = await engine().inside([
      'sh',
      '-c',
      'for d in /dev/vda /dev/sda /dev/nvme0n1 /dev/loop0; do [ -b $d ] && echo $d && break; done',
    ]);
    const device = stdout.trim();
    if (device !== '') {
      const { Id } = (
        await create(
          { BlkioDeviceReadBps: [{ Path: device, Rate: 1 << 20 }], BlkioDeviceWriteIOps: [{ Path: device, Rate: 77 }] },
          '',
          {
            Cmd: ['sleep', '1000'],
          },
        )
      ).json<{ Id: string }>();
      await docker.ok('start', Id);
      const pid = await docker.field(Id, '{{.State.Pid}}');
      assert.match(await readLimit(pid, 'blkio.throttle.read_bps_device'), / 1048576$/);
      assert.match(await readLimit(pid, 'blkio.throttle.write_iops_device'), / 77$/);
      await docker.ok('rm', '-f', Id);
    }
    const exists = (path: string) =>
      stat(path).then(
        () => true,
        () => false,
      );
    if (await exists('/sys/fs/cgroup/cgroup.controllers')) return;
    if (await exists('/sys/fs/cgroup/blkio/blkio.weight')) return;
    assert.match(
      (await warningsOf({ BlkioWeight: 300 })).join(),
      /does not support Block I\/O weight .*Weight discarded/,
    );
    const devices = { BlkioWeightDevice: [{ Path: '/dev/null', Weight: 300 }] };
    assert.match((await warningsOf(devices)).join(), /Weight-device discarded/);
    assert.equal(await printed('true', { BlkioWeight: 300 }), '');
  });

  test('fields of other systems, and of kernels that are gone', async () => {
    assert.match((await warningsOf({ CpuPercent: 50 })).join(), /does not support CPU percent. Percent discarded/);
    const harmless = { CpuCount: 2, KernelMemory: 64 << 20, KernelMemoryTCP: 1, Isolation: 'default' };
    assert.deepEqual(await warningsOf(harmless), []);
    for (const [settings, says] of [
      [{ IOMaximumIOps: 5 }, /QoS maximum IOPs configuration is not supported|Invalid QoS settings/],
      [{ IOMaximumBandwidth: 5 }, /QoS maximum bandwidth configuration is not supported|Invalid QoS settings/],
      [{ Isolation: 'hyperv' }, /invalid isolation/],
      [{ Runtime: 'nothing' }, /unknown or invalid runtime name: nothing/],
      [{ Annotations: { '': 'x' } }, /the empty string is not permitted as an annotation key/],
      [{ CgroupnsMode: 'far' }, /invalid cgroup namespace mode: far/],
      [{ PidMode: 'far' }, /invalid PID mode: far/],
      [{ UTSMode: 'far' }, /invalid UTS mode: far/],
      [{ NanoCpus: -1 }, /range of CPUs is from 0.01/],
      [{ Memory: 1024 }, /Minimum memory limit allowed is 6MB/],
      [{ CpuPeriod: 5 }, /CPU cfs period can not be less than 1ms/],
      [{ CpusetCpus: '0-99' }, /Requested CPUs are not available - requested 0-99/],
      [{ CpusetCpus: '0-2147483648' }, /Invalid value 0-2147483648 for cpuset cpus/],
      [{ OomScoreAdj: 1001 }, /range for oom score adj is \[-1000, 1000\]/],
      [{ CapAdd: ['FLY'] }, /invalid CapAdd/],
    ] as const) {
      const answer = await create(settings);
      assert.equal(answer.status, 400, JSON.stringify(settings));
      assert.match(answer.text, says);
    }
  });

  test('what Docker fills in is shown, and what old clients cannot know is not', async () => {
    const list = async (field: string) => JSON.parse(await inspected({}, `{{json .HostConfig.${field}}}`)) as string[];
    const masked = await list('MaskedPaths');
    assert.ok(masked.includes('/proc/kcore') && masked.includes('/sys/firmware'));
    const readonly = new Set(await list('ReadonlyPaths'));
    assert.deepEqual(readonly, new Set(['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']));
    const labels = '{{json .HostConfig.SecurityOpt}}';
    const cases: readonly (readonly [settings: object, template: string, shown: string, version?: string])[] = [
      [{ Privileged: true }, `{{json .HostConfig.MaskedPaths}} ${labels}`, 'null ["label=disable"]'],
      [{ PidMode: 'host' }, labels, '["label=disable"]'],
      [{ IpcMode: 'host', SecurityOpt: ['label=disable'] }, labels, '["label=disable"]'],
      [{ PidsLimit: -1 }, '{{json .HostConfig.PidsLimit}}', 'null'],
      [{ Annotations: { a: 'b' } }, '{{json .HostConfig.Annotations}}', '{"a":"b"}'],
      [{ Annotations: { a: 'b' } }, '{{json .HostConfig.Annotations}}', 'null', '/v1.42'],
      [{ ConsoleSize: [10, 20] }, '{{json .HostConfig.ConsoleSize}}', '[10,20]'],
      [{ ConsoleSize: [10, 20] }, '{{json .HostConfig.ConsoleSize}}', '[0,0]', '/v1.41'],
      [{ ContainerIDFile: '/tmp/x' }, '{{.HostConfig.ContainerIDFile}}', '/tmp/x'],
    ];
    for (const [settings, template, shown, version] of cases) {
      assert.equal(await inspected(settings, template, version), shown, JSON.stringify(settings));
    }
  });

  test('a umask of its own; bad ones are refused', { skip: isOracle() }, async () => {
    for (const Runtime of runtimes) assert.match(await printed('umask', { Runtime, Umask: 0o27 }), /^0027/, Runtime);
    for (const Umask of [0o1000, -1, '022', 1.5]) assert.equal((await create({ Umask })).status, 400, String(Umask));
  });

  test('covered and read-only paths of its own', async () => {
    for (const Runtime of runtimes) {
      const settings = { Runtime, MaskedPaths: ['/etc/passwd', '/var/www'], ReadonlyPaths: ['/tmp'] };
      const seen = await printed('wc -c < /etc/passwd; ls /var/www | wc -l; touch /tmp/x 2>&1; true', settings);
      assert.match(seen, /^0\n0\ntouch: \/tmp\/x: Read-only file system/, Runtime);
      const bare = { Runtime, MaskedPaths: [], ReadonlyPaths: [] };
      assert.equal(await printed('mount | grep -c "on /proc/"; true', bare), '0');
    }
    assert.equal(await shell('mount | grep -c "on /proc/" || true', '--security-opt=systempaths=unconfined'), '0');
  });

  test('namespaces: process ids and names of the host or of another container', async () => {
    await docker.ok('run', '-d', '--name=other', '--hostname=other', busybox, 'sleep', '1000');
    for (const runtime of runtimes) {
      const own = (flag: string, name: string) => shell(`readlink /proc/self/ns/${name}`, `--runtime=${runtime}`, flag);
      const { stdout: hosts } = await engine().inside(['sh', '-c', 'readlink /proc/self/ns/uts']);
      assert.equal(await own('--uts=host', 'uts'), hosts.trim());
      const first = await shell('head -c 5 /proc/1/cmdline', `--runtime=${runtime}`, '--pid=container:other');
      assert.equal(first, 'sleep');
      const others = await docker.ok('exec', 'other', 'readlink', '/proc/self/ns/pid');
      assert.equal(await own('--pid=container:other', 'pid'), others);
    }
    const mode = await inspected({ PidMode: 'container:other' }, '{{.HostConfig.PidMode}}');
    assert.match(mode, /^container:[0-9a-f]{64}$/);
    await docker.ok('stop', '-t0', 'other');
    const { code, stderr } = await docker('run', '--rm', '--pid=container:other', busybox, 'true');
    assert.equal(code, 125);
    assert.match(stderr, /not running/);
    assert.equal((await create({ UTSMode: 'host' }, '', { Hostname: 'x' })).status, 400);
  });

  test('devices: a node, permissions, rules; what is none', async () => {
    const hasLoop = (await engine().inside(['test', '-c', '/dev/loop-control'])).code === 0;
    for (const runtime of runtimes) {
      const run = (script: string, ...flags: string[]) => shell(script, `--runtime=${runtime}`, ...flags);
      assert.match(await run('ls -l /dev/mine', '--device=/dev/null:/dev/mine'), /^crw-rw-rw- .* 1, +3 /);
      const open = '(: < $d) 2>/dev/null; echo read $?; (: > $d) 2>/dev/null; echo write $?';
      const control = '--device=/dev/loop-control:/dev/mine';
      if (!hasLoop) continue;
      assert.equal(await run(`d=/dev/mine; ${open}`, `${control}:r`), 'read 0\nwrite 1');
      assert.equal(await run(`d=/dev/mine; ${open}`, control), 'read 0\nwrite 0');
      const own = `mknod /tmp/own c 10 237; d=/tmp/own; ${open}`;
      assert.equal(await run(own), 'read 1\nwrite 1');
      assert.equal(await run(own, '--device-cgroup-rule=c 10:237 rm'), 'read 0\nwrite 1');
    }
    for (const [flag, says] of [
      ['--device=/nowhere', /error gathering device information while adding custom device "\/nowhere"/],
      [
        '--device=/etc/passwd',
        /error gathering device information while adding custom device "\/etc\/passwd": not a device node/,
      ],
      ['--gpus=all', /could not select device driver "" with capabilities: \[\[gpu\]\]/],
    ] as const) {
      const { code, stderr } = await docker('run', '--rm', flag, busybox, 'true');
      assert.notEqual(code, 0);
      assert.match(stderr, says);
    }
  });

  test('devices by name: variables, nodes, mounts and groups of a description', async () => {
    const folder = '/var/run/cdi';
    const file = join(folder, `gantry-test-${process.pid}.json`);
    const shared = join(engine().folder, 'shared');
    await mkdir(shared);
    await writeFile(join(shared, 'file'), 'of the device');
    const spec = {
      cdiVersion: '0.7.0',
      kind: 'example.com/thing',
      containerEdits: { env: ['THING=all'] },
      devices: [
        {
          name: 'one',
          containerEdits: {
            deviceNodes: [{ path: '/dev/thing1', hostPath: '/dev/null' }],
            mounts: [{ hostPath: shared, containerPath: '/var/run/thing', options: ['ro', 'bind'] }],
          },
        },
        {
          name: 'two',
          containerEdits: {
            env: ['TWO=yes'],
            additionalGids: [4242],
            deviceNodes: [{ path: '/dev/kmsg', permissions: 'r' }],
          },
        },
      ],
    };
    const write = async (mode: number) => {
      const script = `mkdir -p ${folder}; umask 077; cat > ${file}; chmod ${mode.toString(8)} ${file}`;
      const { code, stderr } = await engine().inside(['sh', '-c', script], { input: JSON.stringify(spec) });
      assert.equal(code, 0, stderr);
    };
    try {
      await write(0o644);
      for (const runtime of runtimes) {
        const flags = [
          `--runtime=${runtime}`,
          '--device=example.com/thing=one',
          '--device=example.com/thing=two',
          '-e',
          'TWO=own',
        ];
        const seen = await shell(
          'echo $THING $TWO; ls -l /dev/thing1 | cut -c1-10; cat /run/thing/file; (echo x > /run/thing/new) 2>/dev/null || echo refused; id -G',
          ...flags,
        );
        assert.equal(seen, 'all own\ncrw-rw-rw-\nof the devicerefused\n0 4242', runtime);
      }
      const missing = await docker('run', '--rm', '--device=example.com/thing=three', busybox, 'true');
      assert.notEqual(missing.code, 0);
      assert.match(missing.stderr, /CDI device injection failed: unresolvable CDI devices example.com\/thing=three/);
      const counted = await create({
        DeviceRequests: [{ Driver: 'cdi', Count: 1, DeviceIDs: ['example.com/thing=one'] }],
      });
      const start = await engine().api('POST', `/containers/${counted.json<{ Id: string }>().Id}/start`);
      assert.match(start.text, /unexpected count in CDI device request/);
      if (!isOracle()) {
        await write(0o666);
        const writable = await docker('run', '--rm', '--device=example.com/thing=one', busybox, 'true');
        assert.match(writable.stderr, /unresolvable CDI devices .*json: it can be written by others than root/);
      }
    } finally {
      await engine().inside(['rm', '-f', file]);
    }
  });

  test('security options: own filters, words, booleans', async () => {
    const noChmod = JSON.stringify({
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [{ names: ['chmod', 'fchmod', 'fchmodat', 'fchmodat2'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 }],
    });
    for (const Runtime of runtimes) {
      assert.equal(
        await printed('chmod 600 /tmp 2>/dev/null; echo $?', { Runtime, SecurityOpt: [`seccomp=${noChmod}`] }),
        '1',
      );
      const show = "awk '/^(NoNewPrivs|Seccomp):/{printf $2}' /proc/self/status";
      assert.equal(
        await printed(show, { Runtime, SecurityOpt: ['seccomp=unconfined', 'no-new-privileges=true'] }),
        '10',
      );
      assert.equal(
        await printed(show, { Runtime, SecurityOpt: ['seccomp=builtin', 'label=disable', 'apparmor=unconfined'] }),
        '02',
      );
    }
    for (const option of ['nonsense', 'color=red', 'no-new-privileges=maybe', 'writable-cgroups=maybe']) {
      const answer = await create({ SecurityOpt: [option] });
      assert.ok(answer.status >= 400, option);
      assert.match(answer.text, /invalid --security-opt/);
    }
  });

  test('old and new ways to say a MAC address and several networks', async () => {
    const mac = '02:42:ac:11:00:99';
    const ask = (version: string, more: object) =>
      engine().api('POST', `${version}/containers/create`, { Image: busybox, Cmd: ['true'], ...more });
    const { Id } = (await ask('/v1.43', { MacAddress: mac })).json<{ Id: string }>();
    assert.equal(
      (await engine().api('GET', `/v1.43/containers/${Id}/json`)).json<{ Config: { MacAddress: string } }>().Config
        .MacAddress,
      mac,
    );
    assert.match((await warningsOf({}, '/v1.44', { MacAddress: mac })).join(), /MacAddress field is now deprecated/);
    assert.match(
      (await ask('/v1.43', { MacAddress: mac, HostConfig: { NetworkMode: 'host' } })).text,
      /mac-address and the network mode/,
    );
    const two = { NetworkingConfig: { EndpointsConfig: { a: {}, b: {} } } };
    assert.match((await ask('/v1.43', two)).text, /cannot be created with multiple network endpoints: a, b/);
    assert.match(
      (await warningsOf({ NetworkMode: 'host', PortBindings: { '80/tcp': [{}] } })).join(),
      /Published ports are discarded/,
    );
    assert.equal((await ask('', { ExposedPorts: { '8000-8002': {} } })).status, 201);
  });

  test('a cgroup parent: absolute or below the root, never outside', async () => {
    const parent = `${engine().paths.cgroupParent}/fields`;
    await docker.ok('run', '-d', '--name=placed', `--cgroup-parent=${parent}`, busybox, 'sleep', '1000');
    const pid = await docker.field('placed', '{{.State.Pid}}');
    assert.match(await readFile(`/proc/${pid}/cgroup`, 'utf8'), new RegExp(`:${parent}/[0-9a-f]{64}\n`));
    await docker.ok('rm', '-f', 'placed');
    const { removeCgroups } = await import('../support/cleanup.ts');
    await removeCgroups(parent);
    if (!isOracle()) assert.equal((await create({ CgroupParent: '../../x' })).status, 400);
  });
});
