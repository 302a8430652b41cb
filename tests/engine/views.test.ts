/** What the engine shows of itself and its containers: version, info, ps, inspect, port, top, diff. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';

engineSuite('what is shown', {}, (engine) => {
  const docker = dockerOf(engine);
  const json = async <T>(...args: string[]) => JSON.parse(await docker.ok(...args)) as T;

  test('version and info', async () => {
    const version = await json<{ Server: Record<string, unknown> }>('version', '--format=json');
    for (const key of [
      'Version',
      'ApiVersion',
      'MinAPIVersion',
      'Os',
      'Arch',
      'KernelVersion',
      'GitCommit',
      'Components',
    ]) {
      assert.ok(version.Server[key] !== undefined, key);
    }
    assert.equal(version.Server['Os'], 'linux');
    assert.match(await docker.ok('version'), /Server:[^]*API version: +1\.\d+ \(minimum version 1\.24\)/);
    await docker.ok('run', '-d', busybox, 'sleep', '1000');
    await docker.ok('create', busybox, 'true');
    const info = await json<Record<string, unknown>>('info', '--format=json');
    assert.deepEqual(
      [
        info['Containers'],
        info['ContainersRunning'],
        info['ContainersPaused'],
        info['ContainersStopped'],
        info['Images'],
      ],
      [2, 1, 0, 1, 1],
    );
    assert.equal(info['DockerRootDir'], engine().paths.dataRoot);
    assert.equal(info['OSType'], 'linux');
    assert.ok(Number(info['NCPU']) > 0 && Number(info['MemTotal']) > 1e8);
    assert.ok(['1', '2'].includes(String(info['CgroupVersion'])));
    const text = await docker('info');
    assert.match(text.stdout, /Server:\n Containers: 2\n  Running: 1\n  Paused: 0\n  Stopped: 1\n/);
    assert.equal(text.code, 0);
    assert.equal((await engine().api('GET', '/_ping')).headers['ostype'], 'linux');
  });

  test('inspect: the fields that people ask for', async () => {
    const id = await docker.ok(
      'run',
      '-d',
      '--name=seen',
      '-p',
      '127.0.0.1:0:80',
      '-e',
      'A=1',
      '--label=x=y',
      '-w',
      '/tmp',
      '--restart=on-failure:3',
      '-v',
      'named:/data',
      '-v',
      '/etc:/host:ro',
      '--memory=32m',
      busybox,
      'sleep',
      '1000',
    );
    const cases: Readonly<Record<string, string | RegExp>> = {
      '{{.Id}}': id,
      '{{.Name}}': '/seen',
      '{{.Path}} {{.Args}}': 'sleep [1000]',
      '{{.Config.Image}}': busybox,
      '{{.Image}}': /^sha256:[0-9a-f]{64}$/,
      '{{.State.Status}} {{.State.Running}} {{.State.Paused}} {{.State.Restarting}} {{.State.Dead}}':
        'running true false false false',
      '{{.State.ExitCode}} {{.State.Error}}': '0 ',
      '{{.State.FinishedAt}}': '0001-01-01T00:00:00Z',
      '{{.State.StartedAt}}': /^\d{4}-\d\d-\d\dT[\d:.]+Z$/,
      '{{.Created}}': /^\d{4}-\d\d-\d\dT[\d:.]+Z$/,
      '{{json .Config.Cmd}} {{json .Config.Entrypoint}}': '["sleep","1000"] null',
      '{{index .Config.Labels "x"}}': 'y',
      '{{.Config.WorkingDir}} {{.Config.Tty}} {{.Config.OpenStdin}} {{.Config.User}}': '/tmp false false ',
      '{{range .Config.Env}}{{println .}}{{end}}': /^A=1$/m,
      '{{.Config.Hostname}}': id.slice(0, 12),
      '{{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}}': 'on-failure:3',
      '{{.HostConfig.Memory}} {{.HostConfig.NetworkMode}} {{.HostConfig.Privileged}}':
        /^33554432 (bridge|default) false$/,
      // The docker client sends them in no order of its own.
      '{{json .HostConfig.Binds}}': /^\["(named:\/data","\/etc:\/host:ro|\/etc:\/host:ro","named:\/data)"\]$/,
      '{{range .Mounts}}{{.Type}}:{{.Name}}:{{.Destination}}:{{.RW}} {{end}}':
        /^(volume:named:\/data:true bind::\/host:false|bind::\/host:false volume:named:\/data:true) $/,
      '{{.NetworkSettings.Networks.bridge.IPAddress}}': /^\d+\.\d+\.\d+\.\d+$/,
      '{{.NetworkSettings.Networks.bridge.Gateway}}': /^\d+\.\d+\.\d+\.\d+$/,
      '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}': /^\d+$/,
      '{{json .HostConfig.LogConfig.Type}} {{.LogPath}}': /^"json-file" .*\/containers\//,
      '{{.RestartCount}} {{.Platform}}': '0 linux',
      '{{len .ExecIDs}}': '0',
    };
    const seen = await Promise.all(Object.keys(cases).map((template) => docker.field('seen', template)));
    Object.values(cases).forEach((expected, at) => {
      const what = Object.keys(cases)[at] ?? '';
      if (typeof expected === 'string') assert.equal(seen[at], expected, what);
      else assert.match(seen[at] ?? '', expected, what);
    });
    const pid = Number(await docker.field('seen', '{{.State.Pid}}'));
    assert.ok(process.kill(pid, 0));
    assert.match(await docker.ok('inspect', '--size', '--format={{.SizeRootFs}}', 'seen'), /^\d+$/);
    const missing = await docker('inspect', 'nobody');
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /No such object: nobody/);
  });

  test('ps: what runs, all, the last ones, ids, formats, sizes', async () => {
    await docker.ok('run', '-d', '--name=first', '-p', '127.0.0.1:8099:80/tcp', busybox, 'sleep', '1000');
    await docker.ok('create', '--name=second', busybox, 'sh', '-c', 'a very long command line that does not fit');
    await docker.ok('run', '--name=third', busybox, 'sh', '-c', 'exit 3').catch(() => undefined);
    const names = async (...args: string[]) => (await docker.ok('ps', '--format={{.Names}}', ...args)).split('\n');
    assert.deepEqual(await names(), ['first']);
    assert.deepEqual(await names('-a'), ['third', 'second', 'first']);
    assert.deepEqual(await names('-n', '2'), ['third', 'second']);
    assert.deepEqual(await names('-l'), ['third']);
    const table = await docker.ok('ps', '-a');
    assert.match(table, /^CONTAINER ID +IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES\n/);
    assert.match(table, /"sh -c 'a very long …" .* Created +second$/m);
    assert.match(table, /"sleep 1000" .* Up .* 127\.0\.0\.1:8099->80\/tcp +first$/m);
    assert.match(table, /"sh -c 'exit 3'" .* Exited \(3\) .* third$/m);
    assert.match(await docker.ok('ps', '-aq'), /^([0-9a-f]{12}\n){2}[0-9a-f]{12}$/);
    assert.match(await docker.ok('ps', '-q', '--no-trunc'), /^[0-9a-f]{64}$/);
    assert.match(await docker.ok('ps', '-s', '--format={{.Size}}'), /^\S+ \(virtual \S+\)$/);
  });

  test('ps filters', async () => {
    await docker.ok('run', '-d', '--name=up', '--label=team=red', '--label=only', busybox, 'sleep', '1000');
    await docker.ok('create', '--name=new', '--label=team=blue', busybox, 'true');
    await docker
      .ok('run', '--name=over', '-v', 'vol:/data', '--network=none', busybox, 'sh', '-c', 'exit 3')
      .catch(() => undefined);
    const id = await docker.field('new', '{{.Id}}');
    const cases: Readonly<Record<string, readonly string[]>> = {
      'status=running': ['up'],
      'status=created': ['new'],
      'status=exited': ['over'],
      'exited=3': ['over'],
      'name=o': ['over'],
      'name=^up$': ['up'],
      'name=ne': ['new'],
      'label=team': ['new', 'up'],
      'label=team=blue': ['new'],
      'label=only': ['up'],
      [`id=${id.slice(0, 6)}`]: ['new'],
      [`ancestor=${busybox}`]: ['over', 'new', 'up'],
      'before=new': ['up'],
      'since=new': ['over'],
      'volume=vol': ['over'],
      'volume=/data': ['over'],
      'network=none': ['over'],
      'network=bridge': ['new', 'up'],
      'is-task=false': ['over', 'new', 'up'],
    };
    const seen = await Promise.all(
      Object.keys(cases).map(async (filter) =>
        (await docker.ok('ps', '-a', '--filter', filter, '--format={{.Names}}')).split('\n'),
      ),
    );
    Object.keys(cases).forEach((filter, at) => assert.deepEqual(seen[at], cases[filter], filter));
    const both = await docker.ok(
      'ps',
      '-a',
      '--filter=status=created',
      '--filter=status=running',
      '--format={{.Names}}',
    );
    assert.equal(both, 'new\nup');
    const unknown = await docker('ps', '--filter=moon=full');
    assert.match(unknown.stderr, /invalid filter 'moon'/);
    const wrong = await docker('ps', '--filter=status=flying');
    assert.match(wrong.stderr, /invalid (filter|value for).*status|flying/i);
  });

  test('resize and port', async () => {
    await docker.ok(
      'run',
      '-dit',
      '--name=terminal',
      '-p',
      '127.0.0.1:8098:80',
      '-p',
      '127.0.0.1:8098:80/udp',
      busybox,
      'sh',
    );
    assert.equal((await engine().api('POST', '/containers/terminal/resize?h=31&w=91')).status, 200);
    assert.equal(
      await docker
        .ok('exec', 'terminal', 'stty', '-F', '/dev/console', 'size')
        .catch(() => docker.ok('exec', 'terminal', 'sh', '-c', 'stty size < /dev/pts/0')),
      '31 91',
    );
    assert.deepEqual((await docker.ok('port', 'terminal')).split('\n').sort(), [
      '80/tcp -> 127.0.0.1:8098',
      '80/udp -> 127.0.0.1:8098',
    ]);
    assert.equal(await docker.ok('port', 'terminal', '80/udp'), '127.0.0.1:8098');
    const none = await docker('port', 'terminal', '81');
    assert.equal(none.code, 1);
    assert.match(none.stderr, /No public port '81(\/tcp)?' published for terminal/i);
    await docker.ok('create', '--name=idle', '-t', busybox);
    assert.equal((await engine().api('POST', '/containers/idle/resize?h=31&w=91')).status, 409);
    assert.equal((await engine().api('POST', '/containers/terminal/resize?h=x&w=1')).status, 400);
  });
});
