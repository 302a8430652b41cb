/** What a container may use and do: cgroup limits, capabilities, seccomp, devices. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { removeCgroups } from '../support/cleanup.ts';
import { readLimit, sharesText } from '../support/limits.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

engineSuite('limits and privileges', {}, (engine) => {
  const docker = dockerOf(engine);
  const shell = (script: string, ...flags: string[]) => docker.ok('run', '--rm', ...flags, busybox, 'sh', '-c', script);
  const pidOf = async (name: string) => Number(await docker.field(name, '{{.State.Pid}}'));

  test('memory, swap, processors, weights and pids are set in the cgroup', async () => {
    const flags = [
      '-m',
      '64m',
      '--memory-swap=96m',
      '--cpus=1.5',
      '--cpuset-cpus=0',
      '--cpu-shares=512',
      '--pids-limit=50',
    ];
    await docker.ok('run', '-d', '--name=limited', ...flags, busybox, 'sleep', '1000');
    const pid = await pidOf('limited');
    const expected = {
      'memory.limit_in_bytes': '67108864',
      'memory.memsw.limit_in_bytes': '100663296',
      'cpu.cfs_quota_us': '150000',
      'cpuset.cpus': '0',
      'cpu.shares': sharesText(512),
      'pids.max': '50',
    };
    for (const [file, value] of Object.entries(expected)) assert.equal(await readLimit(pid, file), value, file);
    const view = '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}';
    assert.equal(await docker.field('limited', view), '67108864 100663296 1500000000 50');
  });

  test('the pids limit is felt', async () => {
    const result = await docker(
      'run',
      '--rm',
      '--pids-limit=5',
      busybox,
      'sh',
      '-c',
      'for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait',
    );
    assert.match(result.stderr, /can't fork/);
  });

  test('running out of memory: killed, OOMKilled, event oom before die', async () => {
    const flags = ['--name=hungry', '-m', '16m', '--memory-swap=16m'];
    const result = await docker('run', ...flags, busybox, 'sh', '-c', 'x=y; while :; do x=$x$x; done');
    assert.equal(result.code, 137);
    assert.equal(
      await docker.field('hungry', '{{.State.OOMKilled}} {{.State.Status}} {{.State.ExitCode}}'),
      'true exited 137',
    );
    const events = await docker.ok(
      'events',
      '--since=0',
      '--until',
      String(Date.now() / 1000),
      '--filter=container=hungry',
      '--format={{.Action}}',
    );
    assert.match(events, /\bstart\noom\ndie$/);
    await docker.ok('create', '--name=fed', busybox, 'true');
    await docker.ok('start', '-a', 'fed');
    assert.equal(await docker.field('fed', '{{.State.OOMKilled}}'), 'false');
  });

  test('a child that runs out of memory does not end the container, and sets OOMKilled', async () => {
    const script = 'sh -c "x=y; while :; do x=\\$x\\$x; done"; echo survived $?';
    const result = await docker('run', '--name=parent', '-m', '16m', '--memory-swap=16m', busybox, 'sh', '-c', script);
    assert.equal(result.stdout, 'survived 137\n');
    assert.equal(result.code, 0);
    assert.equal(await docker.field('parent', '{{.State.OOMKilled}}'), 'true');
  });

  test('the cgroup lies below --cgroup-parent, and the container sees it as the root', async () => {
    const parent = `${engine().paths.cgroupParent}/own`;
    await docker.ok('run', '-d', '--name=placed', `--cgroup-parent=${parent}`, busybox, 'sleep', '1000');
    await docker.ok('run', '-d', '--name=default', busybox, 'sleep', '1000');
    for (const [name, above] of [
      ['placed', parent],
      ['default', engine().paths.cgroupParent],
    ] as const) {
      const id = await docker.field(name, '{{.Id}}');
      const lines = (await readFile(`/proc/${await pidOf(name)}/cgroup`, 'utf8')).trim().split('\n');
      const places = new Set(lines.map((line) => line.split(':').slice(2).join(':')));
      assert.ok(places.has(`${above}/${id}`), lines.join('\n'));
    }
    await docker.ok('rm', '-f', 'placed', 'default');
    // As with Docker, a parent that a user names stays.
    await removeCgroups(parent);
  });

  test('capabilities', async () => {
    const show = `awk '/^Cap(Inh|Prm|Eff|Bnd|Amb)/{printf "%s ", $2}' /proc/self/status`;
    const none = '0000000000000000';
    const set = (mask: string, effective = mask) => `${none} ${effective} ${effective} ${mask} ${none}`;
    const docker14 = '00000000a80425fb';
    const [plain, user, added, dropped, some, privileged] = await Promise.all([
      shell(show),
      shell(show, '-u', '1000'),
      shell(show, '--cap-add=NET_ADMIN', '--cap-add=cap_sys_time'),
      shell(show, '--cap-drop=ALL'),
      shell(show, '--cap-drop=all', '--cap-add=chown'),
      shell(show, '--privileged'),
    ]);
    assert.equal(plain.trim(), set(docker14));
    assert.equal(user.trim(), set(docker14, none));
    assert.equal(added.trim(), set('00000000aa0435fb'));
    assert.equal(dropped.trim(), set(none));
    assert.equal(some.trim(), set('0000000000000001'));
    const own = /^CapBnd:\s+(\w+)/m.exec(await readFile('/proc/self/status', 'utf8'))?.[1] ?? '';
    assert.equal(privileged.trim().split(' ')[3], own);
    const unknown = await docker('run', '--rm', '--cap-add=FLY', busybox, 'true');
    assert.equal(unknown.code, 125);
    assert.match(unknown.stderr, /invalid CapAdd: unknown capability: "CAP_FLY"/);
  });

  test('no-new-privileges and seccomp', async () => {
    const show = "awk '/^(NoNewPrivs|Seccomp):/{printf $2}' /proc/self/status";
    const [plain, hardened, unconfined, privileged] = await Promise.all([
      shell(show),
      shell(show, '--security-opt=no-new-privileges'),
      shell(show, '--security-opt=seccomp=unconfined'),
      shell(show, '--privileged'),
    ]);
    assert.deepEqual([plain, hardened, unconfined, privileged], ['02', '12', '00', '00']);
    const bad = await docker('run', '--rm', '--security-opt=nonsense', busybox, 'true');
    assert.equal(bad.code, 125);
    assert.match(bad.stderr, /invalid (--)?security-opt/i);
    const namespaces = 'unshare -U true 2>/dev/null; echo $?';
    assert.notEqual(await shell(namespaces, '-u', '1000'), '0');
  });

  test('paths that a container must not see or write, unless privileged', async () => {
    const script =
      'for f in /proc/kcore /proc/keys /proc/timer_list; do [ ! -e $f ] || head -c 1 $f 2>/dev/null | wc -c; done; ' +
      'ls -A /sys/firmware /proc/scsi 2>/dev/null | grep -v : | wc -w; ' +
      '(echo 1 > /proc/sys/net/ipv4/ip_forward) 2>/dev/null; echo sysctl $?; ' +
      '(echo h > /proc/sysrq-trigger) 2>/dev/null; echo sysrq $?; d=/sys/fs/cgroup; [ ! -d $d/pids ] || d=$d/pids; mkdir $d/x 2>/dev/null; echo cgroup $?';
    const seen = (await shell(script)).split('\n');
    assert.ok(
      seen.slice(0, -3).every((line) => line.trim() === '0'),
      seen.join('\n'),
    );
    assert.deepEqual(seen.slice(-3), ['sysctl 1', 'sysrq 1', 'cgroup 1']);
    assert.equal(await shell('(echo 1 > /proc/sys/net/ipv4/ip_forward); echo $?', '--privileged'), '0');
  });

  test('devices: the usual ones, given ones, all of a privileged container', async () => {
    const list = await shell(
      'ls /dev; echo x > /dev/null; head -c 4 /dev/urandom | wc -c; mknod /tmp/sda b 8 0 && head -c1 /tmp/sda || echo refused',
    );
    for (const name of [
      'fd',
      'full',
      'mqueue',
      'null',
      'ptmx',
      'pts',
      'random',
      'shm',
      'stderr',
      'stdin',
      'stdout',
      'tty',
      'urandom',
      'zero',
    ]) {
      assert.match(list, new RegExp(`^${name}$`, 'm'));
    }
    assert.match(list, /^refused$/m);
    assert.doesNotMatch(list, /^(kmsg|mem|sda|loop0)$/m);
  });

  test('sysctls of its own namespaces', async () => {
    const [set, refused] = await Promise.all([
      shell(
        'cat /proc/sys/net/core/somaxconn /proc/sys/kernel/shmmax',
        '--sysctl=net.core.somaxconn=321',
        '--sysctl=kernel.shmmax=65536',
      ),
      docker('run', '--rm', '--sysctl=kernel.panic=1', busybox, 'true'),
    ]);
    assert.equal(set, '321\n65536');
    assert.equal(refused.code, 125);
    assert.match(refused.stderr, /sysctl 'kernel.panic(=1)?' is not allowed/);
  });

  test('a change of limits shows in the stats', async () => {
    await docker.ok('run', '-d', '--name=watched', '-m', '32m', busybox, 'sleep', '1000');
    const text = await docker.ok('stats', '--no-stream', '--format', '{{.Name}} {{.MemUsage}} {{.PIDs}}', 'watched');
    assert.match(text, /^watched .* \/ 32MiB 1$/);
    await eventually('its only process', async () =>
      (await docker.ok('exec', 'watched', 'sh', '-c', 'ls -d /proc/[0-9]*')).startsWith('/proc/1'),
    );
  });
});
