import assert from 'node:assert/strict';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';

const image = 'gantry-test/busybox:1';

/** What a process of a container may do and see: the same whether it was run or came by exec. */
engineSuite('isolation', { images: ['busybox', 'debian'], runtimes: ['runc'] }, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);
  const shell = (script: string) => [image, 'sh', '-c', script];
  /** What the script says in a new container, and by exec in one that runs. */
  async function everywhere(script: string, ...flags: string[]): Promise<Record<'run' | 'exec' | 'runc', string>> {
    const id = await docker('run', '-d', ...flags, image, 'sleep', '1000');
    const [ran, exec, runc] = await Promise.all([
      docker('run', '--rm', ...flags, ...shell(script)),
      docker('exec', id, 'sh', '-c', script),
      docker('run', '--rm', '--runtime=runc', ...flags, ...shell(script)),
    ]);
    return { run: ran, exec, runc };
  }
  async function sameEverywhere(script: string, expected: string, ...flags: string[]): Promise<void> {
    assert.deepEqual(await everywhere(script, ...flags), { run: expected, exec: expected, runc: expected });
  }
  const dockersCapabilities = '00000000a80425fb';
  const none = '0000000000000000';
  const capabilities = 'awk \'/^Cap/{printf "%s ", $2}\' /proc/self/status';

  test("Docker's capabilities, none of them inheritable or ambient", () =>
    sameEverywhere(
      capabilities,
      `${none} ${dockersCapabilities} ${dockersCapabilities} ${dockersCapabilities} ${none} `,
    ));

  test('a user who is not root has none', () =>
    sameEverywhere(capabilities, `${none} ${none} ${none} ${dockersCapabilities} ${none} `, '--user', '1000'));

  test('dropped capabilities are gone in exec too; a privileged exec has all, when it asks', async () => {
    await sameEverywhere(capabilities, `${none} ${none} ${none} ${none} ${none} `, '--cap-drop', 'ALL');
    const id = await docker('run', '-d', image, 'sleep', '1000');
    const all = await docker('exec', '--privileged', id, 'sh', '-c', capabilities);
    const ofThisHost = /^CapBnd:\s+(\w+)$/m.exec(await readFile('/proc/self/status', 'utf8'))?.[1];
    assert.equal(all.split(' ')[2], ofThisHost);
  });

  test('a filter of system calls is on', async () => {
    await sameEverywhere("awk '/^Seccomp:/{print $2}' /proc/self/status", '2');
    assert.equal(
      await docker(
        'run',
        '--rm',
        '--security-opt',
        'seccomp=unconfined',
        ...shell("awk '/^Seccomp:/{print $2}' /proc/self/status"),
      ),
      '0',
    );
    const calls = [
      'unshare -m true',
      'unshare -n true',
      'unshare -U true',
      'mount -t tmpfs none /mnt',
      'mount --bind /tmp /home',
      'umount /proc',
      'swapon /etc/passwd',
      'hwclock -w',
      'chroot / mount -t proc proc /tmp',
      'dmesg',
      'reboot -f',
      'insmod /etc/passwd',
      'sysctl -w kernel.hostname=x',
      'ip link add x type dummy',
    ];
    const script = calls.map((call) => `${call} >/dev/null 2>&1; echo "$? ${call}"`).join('\n');
    for (const shown of Object.values(await everywhere(script))) {
      for (const line of shown.split('\n')) assert.doesNotMatch(line, /^0 /);
    }
  });

  test('system calls that only a program of its own can try', async () => {
    // perl of the small Debian: syscall numbers of x86-64 that the profile must answer with EPERM or ENOSYS.
    const forbidden = {
      io_uring_setup: 425,
      userfaultfd: 323,
      bpf: 321,
      perf_event_open: 298,
      keyctl: 250,
      add_key: 248,
      kexec_load: 246,
      open_by_handle_at: 304,
      ptrace_ok: 101,
      clone3: 435,
      move_mount: 429,
      fsopen: 430,
      setns: 308,
      init_module: 175,
    };
    const program = Object.entries(forbidden)
      .map(([name, call]) => `$! = 0; syscall(${call}, -1, 0, 0, 0, 0); printf("%s %d\\n", "${name}", $!);`)
      .join(' ');
    const shown = await docker('run', '--rm', 'gantry-test/debian:1', 'perl', '-e', program);
    const errors = new Map(shown.split('\n').map((line) => line.split(' ') as [string, string]));
    for (const name of Object.keys(forbidden).filter((key) => key !== 'ptrace_ok' && key !== 'clone3')) {
      assert.equal(errors.get(name), '1', `${name}: EPERM`);
    }
    assert.equal(errors.get('clone3'), '38', 'clone3: ENOSYS, so that libc takes clone');
    const sockets =
      'use Socket; for (2, 1, 16, 38, 40) { printf("%d:%d ", $_, socket(my $s, $_, $_ == 16 ? SOCK_RAW : SOCK_STREAM, 0) ? 0 : $!) }';
    const families = await docker('run', '--rm', 'gantry-test/debian:1', 'perl', '-e', sockets);
    assert.match(families, /^2:0 1:0 /);
    assert.match(families, / 38:(1|22|94) 40:(1|22|94) /);
  });

  test('masked paths are empty, read-only ones cannot be written', async () => {
    const masked = [
      '/proc/kcore',
      '/proc/keys',
      '/proc/timer_list',
      '/proc/interrupts',
      '/proc/latency_stats',
      '/proc/sched_debug',
    ];
    const folders = ['/proc/acpi', '/proc/scsi', '/sys/firmware', '/sys/devices/virtual/powercap', '/proc/asound'];
    const script = [
      ...masked.map((path) => `[ -e ${path} ] && head -c 1 ${path} | wc -c || echo 0`),
      ...folders.map((path) => `[ -d ${path} ] && ls ${path} | wc -l || echo 0`),
      ...[
        '/proc/sys/kernel/domainname',
        '/proc/sysrq-trigger',
        '/proc/irq/x',
        '/proc/bus/x',
        '/proc/fs/x',
        '/sys/x',
        '/sys/kernel/x',
      ].map((path) => `(echo h > ${path}) 2>/dev/null && echo written || echo 0`),
    ].join('\n');
    await sameEverywhere(
      script,
      Array<string>(masked.length + folders.length + 7)
        .fill('0')
        .join('\n'),
    );
  });

  test('/sys and every cgroup in it are read-only; limits cannot be lifted', async () => {
    const script =
      'awk \'$2 ~ "^/sys" { split($4, o, ","); if (o[1] != "ro" && $3 != "tmpfs") print $2 }\' /proc/mounts; ' +
      'for f in $(find /sys/fs/cgroup -name memory.limit_in_bytes -o -name memory.max -o -name pids.max); do ' +
      'mkdir ${f%/*}/x 2>/dev/null && echo made; (echo -1 > $f) 2>/dev/null && echo lifted; done; true';
    await sameEverywhere(script, '', '-m', '64m');
  });

  test('mount options of /proc, /dev and the rest', async () => {
    const script =
      'awk \'$2 == "/proc" || $2 == "/dev" || $2 == "/dev/shm" || $2 == "/dev/mqueue" { print $2, $4 }\' /proc/mounts';
    const { run: shown, runc } = await everywhere(script);
    for (const text of [shown, runc]) {
      const options = new Map(text.split('\n').map((line) => line.split(' ') as [string, string]));
      assert.match(options.get('/proc') ?? '', /nosuid,nodev,noexec/);
      assert.match(options.get('/dev') ?? '', /nosuid,.*size=65536k,mode=755/);
      assert.match(options.get('/dev/shm') ?? '', /nosuid,nodev,noexec,.*size=65536k/);
      assert.match(options.get('/dev/mqueue') ?? '', /nosuid,nodev,noexec/);
    }
  });

  test('device nodes can be made, but not opened', async () => {
    const devices = ['b 254 0', 'b 7 0', 'c 1 1', 'c 10 229', 'c 1 11', 'c 10 232'];
    const script = [
      ...devices.map(
        (device, at) => `mknod /tmp/d${at} ${device} && (head -c 1 /tmp/d${at}) 2>&1 | grep -c 'not permitted'`,
      ),
      'mknod /tmp/null c 1 3 && echo x > /tmp/null && echo ok',
      'mknod /tmp/random c 1 9 && head -c 4 /tmp/random | wc -c',
    ].join('\n');
    await sameEverywhere(script, [...devices.map(() => '1'), 'ok', '4'].join('\n'));
  });

  test('--device opens exactly that device', async () => {
    const script =
      'head -c 1 /dev/given | wc -c; mknod /tmp/l b 7 0; head -c 1 /tmp/l 2>&1 | grep -c "not permitted"; (echo x > /dev/given) 2>&1 | grep -c "not permitted"';
    const shown = await docker(
      'run',
      '--rm',
      '--device',
      '/dev/kmsg:/dev/given:r',
      '--cap-add',
      'SYSLOG',
      ...shell(script),
    );
    assert.equal(shown, '1\n1\n1');
  });

  test('other processes, interfaces, mounts and messages of the host are out of sight', async () => {
    await sameEverywhere(
      '[ $(ls -d /proc/[0-9]* | wc -l) -le 6 ] && echo few; ls /sys/class/net | tr "\\n" " "; hostname | wc -c',
      'few\neth0 lo 13',
    );
    const mounts = await docker('run', '--rm', image, 'cat', '/proc/mounts');
    assert.doesNotMatch(mounts, new RegExp(`${engine().folder}/(?!data/(mounts|layers|snapshots|containers))`));
    // No pipes: the shell itself, which is process 1, would have their ends open for a moment.
    const open = await docker('run', '--rm', image, 'sh', '-c', 'ls /proc/1/fd; ls -l /proc/1/fd; true');
    assert.match(open, /^0\n1\n2\ntotal /);
    assert.doesNotMatch(open, /gantry/);
  });

  test('no-new-privileges, and a profile that does not exist', async () => {
    const script = "awk '/NoNewPrivs/{print $2}' /proc/self/status";
    assert.deepEqual(await everywhere(script, '--security-opt', 'no-new-privileges'), {
      run: '1',
      exec: '1',
      runc: '1',
    });
    for (const option of ['seccomp=/nowhere.json', 'no-such-option', 'no-new-privileges:maybe']) {
      const { code } = await engine().docker(['run', '--rm', '--security-opt', option, image, 'true']);
      assert.notEqual(code, 0, option);
    }
  });

  test('the data of the engine is closed to other users', async () => {
    const { dataRoot, execRoot, socket } = engine().paths;
    await docker('run', '-d', image, 'sleep', '1000');
    assert.equal((await stat(dataRoot)).mode & 0o7777, 0o710);
    const open = await run('find', [dataRoot, '-mindepth', '1', '-maxdepth', '1', '-perm', '/077']);
    assert.equal(open.stdout, '', 'what is directly below is for root only');
    assert.equal((await stat(socket)).mode & 0o777, 0o660);
    const walk = (folder: string) => run('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', 'ls', folder]);
    for (const folder of [dataRoot, execRoot, join(dataRoot, 'containers'), join(execRoot, 'containers')]) {
      assert.notEqual((await walk(folder)).code, 0, `${folder} cannot be listed`);
    }
  });

  test('secrets of requests are in no log and no event', async () => {
    const secret = 'canary-secret-5f2a';
    const since = String(Math.floor(Date.now() / 1000) - 1);
    await docker('run', '--rm', '-e', `PASSWORD=${secret}`, image, 'true');
    const id = await docker('run', '-d', image, 'sleep', '1000');
    await docker('exec', '-e', `PASSWORD=${secret}`, id, 'true');
    const config = join(engine().folder, 'with-login');
    await mkdir(config, { recursive: true });
    const auth = Buffer.from(`user:${secret}`).toString('base64');
    await writeFile(join(config, 'config.json'), JSON.stringify({ auths: { '127.0.0.1:1': { auth } } }));
    const pull = await engine().docker(['--config', config, 'pull', '127.0.0.1:1/none']);
    assert.equal(pull.code, 1);
    await engine().docker([
      '--config',
      config,
      'run',
      '--rm',
      '-e',
      `PASSWORD=${secret}`,
      '-v',
      'relative/x:/x',
      image,
    ]);
    const events = await docker('events', '--since', since, '--until', String(Math.floor(Date.now() / 1000) + 1));
    assert.ok(events.includes('exec_start'));
    for (const text of [await engine().logText(), events, pull.stderr]) {
      assert.ok(!text.includes(secret) && !text.includes(auth));
    }
    const records = await readFile(join(engine().paths.dataRoot, 'state.db'));
    assert.ok(!records.includes(auth), 'credentials are not kept');
  });
});
