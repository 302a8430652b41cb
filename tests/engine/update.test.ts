import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { isUnified, readLimit, sharesText } from '../support/limits.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

const MiB = 1 << 20;

engineSuite('update of limits and restart policies', {}, (engine) => {
  const docker = dockerOf(engine);
  const update = async (name: string, body: unknown, version = ''): Promise<[number, unknown]> => {
    const answer = await engine().api('POST', `${version}/containers/${name}/update`, body);
    const value = answer.json<{ message?: string; Warnings?: string[] | null }>();
    return [answer.status, value.message ?? value.Warnings];
  };
  const limit = async (name: string, file: string): Promise<string> =>
    readLimit(await docker.field(name, '{{.State.Pid}}'), file);
  const memory = async (name: string): Promise<[number, number]> => [
    Number(await limit(name, 'memory.limit_in_bytes')),
    Number(await limit(name, 'memory.memsw.limit_in_bytes')),
  ];
  const long = async (name: string, ...flags: string[]): Promise<string> =>
    docker.ok('run', '-d', '--name', name, ...flags, busybox, 'sleep', '1000');

  test('memory and swap of a running container: up, down, and past each other', async () => {
    await long('live', '-m', '64m', '--memory-swap', '64m');
    assert.deepEqual(await memory('live'), [64 * MiB, 64 * MiB]);
    await docker.ok('update', '-m', '128m', '--memory-swap', '256m', 'live');
    assert.deepEqual(await memory('live'), [128 * MiB, 256 * MiB]);
    await docker.ok('update', '-m', '32m', '--memory-swap', '48m', 'live');
    assert.deepEqual(await memory('live'), [32 * MiB, 48 * MiB]);
    // Docker's runtime writes these two in an order that the kernel refuses.
    if (isOracle()) return;
    await docker.ok('update', '-m', '300m', '--memory-swap', '-1', 'live');
    assert.equal((await memory('live'))[0], 300 * MiB);
    assert.ok((await memory('live'))[1] > 2 ** 50);
    await docker.ok('update', '--memory-reservation', '20m', 'live');
    assert.equal(await limit('live', 'memory.soft_limit_in_bytes'), String(20 * MiB));
    assert.equal(
      await docker.field('live', '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.MemoryReservation}}'),
      `${300 * MiB} -1 ${20 * MiB}`,
    );
  });

  test('processors, processes, and the event', async () => {
    const since = Date.now() / 1000;
    await long('live');
    await docker.ok('update', '-c', '512', '--cpuset-cpus', '0', '--pids-limit', '40', 'live');
    assert.equal(await limit('live', 'cpu.shares'), sharesText(512));
    assert.equal(await limit('live', 'cpuset.cpus'), '0');
    assert.equal(await limit('live', 'pids.max'), '40');
    await docker.ok('update', '--cpus', '0.5', 'live');
    assert.equal(await limit('live', 'cpu.cfs_quota_us'), '50000');
    await docker.ok('update', '--cpus', '1.5', '--pids-limit', '-1', 'live');
    assert.equal(await limit('live', 'cpu.cfs_quota_us'), '150000');
    assert.equal(await limit('live', 'pids.max'), 'max');
    assert.equal(await docker.field('live', '{{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}'), '1500000000 0');
    await long('quota', '--cpu-period', '50000', '--cpu-quota', '25000');
    await docker.ok('update', '--cpu-period', '20000', '--cpu-quota', '10000', 'quota');
    assert.equal(await limit('quota', 'cpu.cfs_period_us'), '20000');
    assert.equal(await limit('quota', 'cpu.cfs_quota_us'), '10000');
    const range = ['--since', String(since), '--until', String(Date.now() / 1000 + 0.001)];
    const told = await docker.ok(
      'events',
      ...range,
      '--filter',
      'event=update',
      '--format',
      '{{.Actor.Attributes.name}}',
    );
    assert.equal(told, 'live\nlive\nlive\nquota');
  });

  test('a stopped container gets its limits with its next start, a paused one at once', async () => {
    await docker.ok('create', '--name', 'later', '-m', '64m', busybox, 'sleep', '1000');
    await docker.ok('update', '-m', '32m', '--memory-swap', '40m', '--pids-limit', '30', 'later');
    await docker.ok('start', 'later');
    assert.deepEqual(await memory('later'), [32 * MiB, 40 * MiB]);
    assert.equal(await limit('later', 'pids.max'), '30');
    await docker.ok('pause', 'later');
    await docker.ok('update', '--pids-limit', '31', 'later');
    assert.equal(await limit('later', 'pids.max'), '31');
    assert.equal(await docker.field('later', '{{.State.Status}}'), 'paused');
  });

  test('what contradicts itself or what is set is refused, and nothing changes', async () => {
    const id = await long('live', '-m', '64m', '--cpus', '1');
    const before = await docker.field('live', '{{json .HostConfig}}');
    const refusals: [unknown, number, string][] = [
      [{ Memory: 1 * MiB }, 400, 'Minimum memory limit allowed is 6MB'],
      [{ MemoryReservation: 1 * MiB }, 400, 'Minimum memory reservation allowed is 6MB'],
      [
        { Memory: 32 * MiB, MemorySwap: 16 * MiB },
        400,
        'Minimum memoryswap limit should be larger than memory limit, see usage',
      ],
      [
        { Memory: 32 * MiB, MemoryReservation: 64 * MiB },
        400,
        'Minimum memory limit can not be less than memory reservation limit, see usage',
      ],
      [
        { Memory: 500 * MiB },
        409,
        `Cannot update container ${id}: Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time`,
      ],
      [
        { CpuQuota: 5000 },
        409,
        `Cannot update container ${id}: Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set`,
      ],
      [
        { CpuPeriod: 5000 },
        409,
        `Cannot update container ${id}: Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set`,
      ],
      [{ CpuQuota: 10 }, 400, 'CPU cfs quota can not be less than 1ms (i.e. 1000)'],
      [{ CpuPeriod: 10 }, 400, 'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)'],
      [{ NanoCpus: 10 ** 9, CpuQuota: 5000 }, 400, 'Conflicting options: Nano CPUs and CPU Quota cannot both be set'],
      [{ NanoCpus: 10 ** 9, CpuPeriod: 5000 }, 400, 'Conflicting options: Nano CPUs and CPU Period cannot both be set'],
      [{ CpusetCpus: 'x' }, 400, 'Invalid value x for cpuset cpus: invalid format: x'],
      [
        { RestartPolicy: { Name: 'sometimes' } },
        400,
        "invalid restart policy: unknown policy 'sometimes'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
      ],
      [
        { RestartPolicy: { Name: 'always', MaximumRetryCount: 3 } },
        400,
        "invalid restart policy: maximum retry count can only be used with 'on-failure'",
      ],
    ];
    for (const [body, status, message] of refusals) {
      assert.deepEqual(await update('live', body), [status, message], JSON.stringify(body));
    }
    for (const body of [{ Memory: 'much' }, { PidsLimit: 1.5 }, { RestartPolicy: 'always' }, '[1]', '{"Memory":']) {
      assert.equal((await update('live', body))[0], 400, JSON.stringify(body));
    }
    assert.equal(await docker.field('live', '{{json .HostConfig}}'), before);
    assert.deepEqual(await update('nobody', { PidsLimit: 5 }), [404, 'No such container: nobody']);
    assert.deepEqual(await update('live', {}), [200, null]);
    const temporary = await long('temporary', '--rm');
    assert.deepEqual(await update('temporary', { RestartPolicy: { Name: 'always' } }), [
      409,
      `Cannot update container ${temporary}: Restart policy cannot be updated because AutoRemove is enabled for the container`,
    ]);
    await long('quota', '--cpu-quota', '20000');
    assert.match(String((await update('quota', { NanoCpus: 10 ** 9 }))[1]), /Nano CPUs cannot be updated as CPU Quota/);
  });

  // With cgroup v2 the kernel takes such a limit and kills, with Docker, too.
  test('memory cannot go below what is used', { skip: isUnified && 'cgroup v2' }, async () => {
    const fill = 'head -c 40m /dev/zero | tail -c 40m | (sleep 0.2; echo full; exec sleep 1000) & exec sleep 1000';
    await docker.ok('run', '-d', '--name', 'full', '-m', '200m', '--memory-swap', '200m', busybox, 'sh', '-c', fill);
    await eventually('the memory is used', async () => {
      const used = Number(await limit('full', 'memory.usage_in_bytes'));
      return used > 35 * MiB;
    });
    const [status, message] = await update('full', { Memory: 8 * MiB, MemorySwap: 8 * MiB });
    assert.notEqual(status, 200);
    assert.match(String(message), /Cannot update container .*memory/);
    if (!isOracle()) assert.deepEqual(await memory('full'), [200 * MiB, 200 * MiB]);
    assert.equal(await docker.field('full', '{{.HostConfig.Memory}}'), String(200 * MiB));
  });

  test('a new restart policy counts at the next end', async () => {
    await docker.ok('run', '-d', '--name', 'phoenix', busybox, 'sleep', '1000');
    await docker.ok('update', '--restart', 'always', 'phoenix');
    const pid = await docker.field('phoenix', '{{.State.Pid}}');
    process.kill(Number(pid), 'SIGKILL');
    await docker.becomes('phoenix', '{{.RestartCount}} {{.State.Status}}', '1 running');
    await docker.ok('update', '--restart', 'no', 'phoenix');
    process.kill(Number(await docker.field('phoenix', '{{.State.Pid}}')), 'SIGKILL');
    await docker.becomes('phoenix', '{{.State.Status}}', 'exited');
  });

  test('limits and policy outlive the engine', { skip: isOracle() }, async () => {
    await long('live', '-m', '64m');
    await docker.ok('update', '-m', '32m', '--restart', 'unless-stopped', 'live');
    await engine().stop('SIGKILL');
    await engine().start();
    assert.equal(
      await docker.field('live', '{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}}'),
      `${32 * MiB} unless-stopped`,
    );
    assert.deepEqual(await memory('live'), [32 * MiB, 128 * MiB]);
    await docker.ok('update', '-m', '48m', 'live');
    assert.deepEqual(await memory('live'), [48 * MiB, 128 * MiB]);
  });

  test('device limits come and go', { skip: isOracle() }, async () => {
    await long('live');
    const device = ['/dev/loop0', '/dev/vda', '/dev/sda', '/dev/nvme0n1'].find((path) => existsSync(path)) ?? '';
    const files = async () => limit('live', 'blkio.throttle.read_bps_device');
    assert.deepEqual(await update('live', { BlkioDeviceReadBps: [{ Path: device, Rate: 1048576 }] }), [200, null]);
    assert.match(await files(), /^\d+:\d+ 1048576$/);
    assert.deepEqual(await update('live', { BlkioDeviceReadBps: [{ Path: device, Rate: 0 }] }), [200, null]);
    assert.equal(await files(), '');
    const [status, message] = await update('live', { BlkioDeviceReadBps: [{ Path: '/nowhere', Rate: 5 }] });
    assert.equal(status, 400);
    assert.match(String(message), /\/nowhere/);
  });

  test('old clients: kernel memory is dropped, no limit of processes before 1.40', async () => {
    await long('live');
    assert.deepEqual(await update('live', { KernelMemory: 64 * MiB }, '/v1.41'), [200, null]);
    await update('live', { PidsLimit: 77 }, '/v1.39');
    assert.equal(await limit('live', 'pids.max'), 'max');
    assert.deepEqual(await update('live', { KernelMemory: 64 * MiB }, '/v1.44'), [200, null]);
  });
});
