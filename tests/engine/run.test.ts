import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { testImage } from '../support/images.ts';
import { readLimit } from '../support/limits.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';

const { name: image } = await testImage('busybox');

engineSuite('run through the docker client', {}, (engine) => {
  const runs = (...args: string[]): Promise<string> => engine().dockerOk(['run', '--rm', ...args]);

  test('both outputs and the exit code come through', async () => {
    const result = await engine().docker(['run', '--rm', image, 'sh', '-c', 'echo out; echo err >&2; exit 3']);
    assert.deepEqual(result, { code: 3, stdout: 'out\n', stderr: 'err\n' });
  });

  test('stdin is passed on to its end', async () => {
    const { stdout } = await engine().docker(['run', '--rm', '-i', image, 'wc', '-c'], { input: 'x'.repeat(300_000) });
    assert.equal(stdout.trim(), '300000');
  });

  test('a megabyte of output arrives whole', async () => {
    const { stdout } = await engine().docker(['run', '--rm', image, 'sh', '-c', 'seq 1 150000']);
    assert.equal(stdout, Array.from({ length: 150_000 }, (_, at) => `${at + 1}\n`).join(''));
  });

  for (const [what, args, code] of [
    ['a bad option for the engine', ['--memory', '1k', image, 'true'], 125],
    ['a file that cannot be executed', [image, '/etc/passwd'], 126],
    ['a command that is not there', [image, 'no-such-command'], 127],
    ['a kill', ['--init', image, 'sh', '-c', 'kill -9 $$'], 137],
    ['a terminate', ['--init', image, 'sh', '-c', 'kill -TERM $$'], 143],
  ] as const) {
    test(`exit code ${code} for ${what}`, async () => {
      const result = await engine().docker(['run', '--rm', ...args]);
      assert.equal(result.code, code, result.stderr);
      if (code < 128) assert.match(result.stderr, /docker: Error response from daemon/);
    });
  }

  test('environment: image, options, file, in this order', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gantry-env-'));
    const file = join(folder, 'env');
    await writeFile(file, '# comment\nFROM_FILE=a b\nBOTH=file\n');
    const shown = await runs('--env-file', file, '-e', 'BOTH=option', '-e', 'EMPTY=', image, 'env');
    await rm(folder, { recursive: true });
    for (const line of ['FROM_FILE=a b', 'BOTH=option', 'EMPTY=', 'HOME=/root']) {
      assert.ok(shown.split('\n').includes(line), `${line} in:\n${shown}`);
    }
    assert.match(shown, /^PATH=.*\/bin$/m);
    assert.match(shown, /^HOSTNAME=[0-9a-f]{12}$/m);
  });

  test('user by name, with its groups, and by number', async () => {
    const groups = '/^(Uid|Gid|Groups):/{$1=$1; print}';
    const shown = await runs('--user', 'user', image, 'awk', groups, '/proc/self/status');
    assert.equal(shown.trim(), 'Uid: 1000 1000 1000 1000\nGid: 1000 1000 1000 1000\nGroups: 1000 2000');
    const byNumber = await runs('--user', '1234:4321', image, 'awk', groups, '/proc/self/status');
    assert.equal(byNumber.trim(), 'Uid: 1234 1234 1234 1234\nGid: 4321 4321 4321 4321\nGroups: 4321');
  });

  test('working directory, host name, labels, extra hosts, dns', async () => {
    assert.equal(await runs('-w', '/made/here', image, 'pwd'), '/made/here');
    assert.equal(await runs('--hostname', 'a-name', image, 'hostname'), 'a-name');
    assert.match(await runs('--add-host', 'db:10.1.2.3', image, 'cat', '/etc/hosts'), /^10\.1\.2\.3\s+db$/m);
    assert.match(await runs('--dns', '10.9.8.7', image, 'cat', '/etc/resolv.conf'), /^nameserver 10\.9\.8\.7$/m);
  });

  test('--read-only leaves only tmpfs and volumes writable', async () => {
    const script = 'touch /root/x 2>/dev/null && echo root; touch /scratch/x && echo scratch';
    assert.equal(await runs('--read-only', '--tmpfs', '/scratch', image, 'sh', '-c', script), 'scratch');
  });

  test('--init reaps orphans', async () => {
    assert.match(await runs('--init', image, 'cat', '/proc/1/comm'), /init|tini|catatonit/);
  });

  test('binds and named volumes; a volume outlives its container', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gantry-bind-'));
    await writeFile(join(folder, 'file'), 'from the host');
    assert.equal(
      await runs('-v', `${folder}:/data`, image, 'sh', '-c', 'cat /data/file; echo back > /data/new'),
      'from the host',
    );
    assert.equal(await readFile(join(folder, 'new'), 'utf8'), 'back\n');
    const denied = await engine().docker(['run', '--rm', '-v', `${folder}:/data:ro`, image, 'touch', '/data/x']);
    assert.equal(denied.code, 1);
    await rm(folder, { recursive: true });

    await runs('-v', 'kept:/data', image, 'sh', '-c', 'echo kept > /data/file');
    assert.equal(await runs('-v', 'kept:/data', image, 'cat', '/data/file'), 'kept');
    assert.equal(await engine().dockerOk(['volume', 'ls', '-q']), 'kept');
  });

  test('a new volume is filled with what the image has there', async () => {
    assert.match(await runs('-v', 'filled:/var/www', image, 'cat', '/var/www/index.html'), /served from a container/);
  });

  test('the socket can be given to a container', {
    skip: isOracle() && 'dockerd is not at the default path',
  }, async () => {
    const socket = engine().paths.socket;
    const request = 'printf "GET /_ping HTTP/1.0\\r\\n\\r\\n" | nc local:/var/run/docker.sock';
    const shown = await engine().docker([
      'run',
      '--rm',
      '-v',
      `${socket}:/var/run/docker.sock`,
      image,
      'sh',
      '-c',
      `test -S /var/run/docker.sock && echo socket || ${request}`,
    ]);
    assert.equal(shown.stdout, 'socket\n');
  });

  test('memory, processors and pids arrive in the cgroup', async () => {
    const id = await engine().dockerOk([
      'run',
      '-d',
      '-m',
      '64m',
      '--cpus',
      '0.5',
      '--pids-limit',
      '77',
      image,
      'sleep',
      '1000',
    ]);
    const pid = await engine().dockerOk(['inspect', '-f', '{{.State.Pid}}', id]);
    const limits = ['memory.limit_in_bytes', 'cpu.cfs_quota_us', 'cpu.cfs_period_us', 'pids.max'];
    const found = await Promise.all(limits.map((file) => readLimit(pid, file)));
    assert.deepEqual(found, [String(64 << 20), '50000', '100000', '77']);
  });

  test('out of memory is told', async () => {
    const { code } = await engine().docker([
      'run',
      '--name',
      'eater',
      '-m',
      '16m',
      '--memory-swap',
      '16m',
      image,
      'sh',
      '-c',
      'tail /dev/zero',
    ]);
    assert.equal(code, 137);
    assert.equal(
      await engine().dockerOk(['inspect', '-f', '{{.State.OOMKilled}} {{.State.ExitCode}}', 'eater']),
      'true 137',
    );
  });

  test('--restart on-failure:2 starts three times in all', async () => {
    await engine().dockerOk([
      'run',
      '-d',
      '--name',
      'restarting',
      '--restart',
      'on-failure:2',
      image,
      'sh',
      '-c',
      'echo once more; exit 1',
    ]);
    await eventually('the policy gives up', async () => {
      const state = await engine().dockerOk(['inspect', '-f', '{{.State.Status}} {{.RestartCount}}', 'restarting']);
      return state === 'exited 2';
    });
    assert.equal(await engine().dockerOk(['logs', 'restarting']), 'once more\nonce more\nonce more');
  });

  test("a published port is reached through localhost and the host's address", async () => {
    await engine().dockerOk([
      'run',
      '-d',
      '--name',
      'web',
      '-p',
      '127.0.0.1:8080:80',
      '-p',
      '8081:80',
      image,
      'httpd',
      '-f',
      '-h',
      '/var/www',
    ]);
    assert.match(await engine().dockerOk(['port', 'web', '80']), /^127\.0\.0\.1:8080$/m);
    const fetched = (url: string): Promise<string> => eventually(`${url} answers`, () => engine().fetch(url));
    assert.match(await fetched('http://127.0.0.1:8080/'), /served from a container/);
    const gateway = await engine().dockerOk(['inspect', '-f', '{{.NetworkSettings.Networks.bridge.Gateway}}', 'web']);
    assert.match(await fetched(`http://${gateway}:8081/`), /served from a container/);
    const address = await engine().dockerOk(['inspect', '-f', '{{.NetworkSettings.Networks.bridge.IPAddress}}', 'web']);
    assert.match(await runs(image, 'wget', '-q', '-O', '-', `http://${address}/`), /served from a container/);
    assert.match(await runs(image, 'wget', '-q', '-O', '-', `http://${gateway}:8081/`), /served from a container/);
  });

  test('networks none, host and container:', async () => {
    assert.equal(await runs('--network', 'none', image, 'ls', '/sys/class/net'), 'lo');
    const inHost = await runs('--network', 'host', image, 'cat', '/proc/net/dev');
    assert.doesNotMatch(inHost, /eth0/);
    await engine().dockerOk(['run', '-d', '--name', 'first', image, 'sleep', '1000']);
    const own = await engine().dockerOk(['exec', 'first', 'ip', '-4', 'addr', 'show', 'eth0']);
    assert.equal(await runs('--network', 'container:first', image, 'ip', '-4', 'addr', 'show', 'eth0'), own);
  });

  test("capabilities: Docker's fourteen, none to inherit, and what --cap-add and --cap-drop say", async () => {
    const show = ['awk', '/^Cap(Inh|Eff|Bnd|Amb)/{print $2}', '/proc/self/status'];
    const none = '0000000000000000';
    assert.deepEqual((await runs(image, ...show)).split('\n'), [none, '00000000a80425fb', '00000000a80425fb', none]);
    assert.deepEqual((await runs('--cap-drop', 'ALL', '--cap-add', 'CHOWN', image, ...show)).split('\n').slice(1, 3), [
      '0000000000000001',
      '0000000000000001',
    ]);
  });

  test('what a container must not see or change', async () => {
    const script = [
      'cat /proc/kcore 2>/dev/null | head -c1 | wc -c',
      'echo x 2>/dev/null > /proc/sys/kernel/domainname; echo $?',
      'ls /sys/firmware | wc -l',
      'mount -t tmpfs none /mnt 2>/dev/null; echo $?',
      'test -w /sys/fs && touch /sys/fs/x 2>/dev/null; echo $?',
    ].join('; ');
    const [kcore, sysctl, firmware, mount, sys] = (await runs(image, 'sh', '-c', script)).split('\n');
    assert.equal(kcore, '0');
    assert.notEqual(sysctl, '0');
    assert.equal(firmware, '0');
    assert.notEqual(mount, '0');
    assert.notEqual(sys, '0');
  });
});
