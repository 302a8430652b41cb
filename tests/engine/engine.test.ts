/** The engine as a process: its socket, its lock, its signals, what it says and refuses. */
import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { repository } from '../support/docker-client.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

const program = join(repository, 'build/bin/gantryd');

engineSuite('the engine process', {}, (engine) => {
  const docker = dockerOf(engine);

  test('its socket, data root and pid file', async () => {
    const { socket, dataRoot, pidFile } = engine().paths;
    const mode = async (path: string) => (await stat(path)).mode & 0o7777;
    assert.equal((await mode(socket)).toString(8), '660');
    assert.equal((await mode(dataRoot)).toString(8), '710');
    assert.equal(Number(await readFile(pidFile, 'utf8')), engine().pid);
    const group = /^docker:[^:]*:(\d+)/m.exec(await readFile('/etc/group', 'utf8'))?.[1];
    assert.equal((await stat(socket)).gid, Number(group ?? 0));
  });

  test('one engine per data root', async () => {
    const { dataRoot, execRoot, folder } = { ...engine().paths, folder: engine().folder };
    const flags = [
      `--data-root=${dataRoot}`,
      `--exec-root=${execRoot}`,
      `--host=unix://${folder}/second.sock`,
      `--pidfile=${folder}/second.pid`,
    ];
    const second = await engine().inside([program, ...flags], { timeout: 20_000 });
    assert.notEqual(second.code, 0);
    assert.match(second.stdout + second.stderr, /another engine|already (runs|in use|running)|in use by/i);
    assert.equal((await engine().api('GET', '/_ping')).status, 200);
    await assert.rejects(stat(`${folder}/second.sock`));
    await assert.rejects(stat(`${folder}/second.pid`));
  });

  test('a socket that another engine listens on is not taken', async () => {
    const { folder } = engine();
    const flags = [
      `--data-root=${folder}/other`,
      `--exec-root=${folder}/other-run`,
      `--host=unix://${engine().paths.socket}`,
      `--pidfile=${folder}/other.pid`,
    ];
    const second = await engine().inside([program, ...flags], { timeout: 20_000 });
    assert.notEqual(second.code, 0);
    assert.match(second.stdout + second.stderr, /gantry\.sock/);
    assert.equal((await engine().api('GET', '/_ping')).status, 200);
  });

  test('bad flags and configuration are named', async () => {
    const flag = await engine().inside([program, '--no-such-flag'], { timeout: 20_000 });
    assert.notEqual(flag.code, 0);
    assert.match(flag.stderr, /no-such-flag/);
    const file = await engine().inside([program, '--config-file=/does/not/exist.json'], { timeout: 20_000 });
    assert.notEqual(file.code, 0);
    assert.match(file.stderr, /\/does\/not\/exist\.json/);
  });

  test('SIGTERM and SIGINT end it with 0 and leave containers running, also with clients connected', async () => {
    await docker.ok('run', '-d', '--name=stays', busybox, 'sh', '-c', 'while :; do date; usleep 50000; done');
    const pid = await docker.field('stays', '{{.State.Pid}}');
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const followers = [
        docker('logs', '-f', 'stays'),
        docker('events'),
        docker('wait', 'stays'),
        docker('attach', '--no-stdin', 'stays'),
      ];
      await eventually('the follower is there', async () => (await docker.ok('logs', '--tail=1', 'stays')) !== '');
      await engine().stop(signal);
      await Promise.all(followers);
      await assert.rejects(stat(engine().paths.socket));
      await assert.rejects(stat(engine().paths.pidFile));
      await engine().start();
      assert.equal(await docker.field('stays', '{{.State.Status}} {{.State.Pid}}'), `running ${pid}`);
    }
  });

  test('unknown paths, methods and operations', async () => {
    const api = engine().api.bind(engine());
    const cases: readonly (readonly [string, string, number, RegExp])[] = [
      ['GET', '/nothing', 404, /page not found/],
      ['GET', '/v1.41/nothing/at/all', 404, /page not found/],
      ['PATCH', '/containers/json', 404, /page not found/],
      ['GET', '/v1.23/info', 400, /client version 1\.23 is too old\. Minimum supported API version is 1\.24/],
      ['GET', '/v9.99/info', 400, /client version 9\.99 is too new\. Maximum supported API version is 1\.\d+/],
      ['POST', '/swarm/init', 501, /SwarmInit|not implemented|swarm/i],
    ];
    for (const [method, path, status, says] of cases) {
      const answer = await api(method, path);
      assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
      assert.match(answer.json<{ message: string }>().message, says);
    }
  });

  test('requests that are refused, with the name of the wrong field', async () => {
    const cases: readonly (readonly [unknown, number, RegExp])[] = [
      ['{"Image": "x"', 400, /JSON/i],
      ['', 400, /JSON|EOF/i],
      [{ Image: 5 }, 400, /Image/],
      [{ Image: busybox, Cmd: 'true' }, 201, /Id/],
      [{ Image: busybox, Cmd: { a: 1 } }, 400, /Cmd/],
      [{ Image: busybox, Labels: ['a'] }, 400, /Labels/],
      [{ Image: busybox, HostConfig: { Memory: 'much' } }, 400, /Memory/],
      [{ Image: busybox, HostConfig: { Binds: 'a:b' } }, 400, /Binds/],
      [{ Image: busybox, HostConfig: { PortBindings: { '80/tcp': [{ HostPort: 80 }] } } }, 400, /HostPort/],
      [{ Image: busybox, HostConfig: { PortBindings: { '80/xyz': [{ HostPort: '80' }] } } }, 400, /xyz|port/i],
      [{ Image: busybox, HostConfig: { NetworkMode: 'nowhere' } }, 201, /Id/],
      [
        { Image: busybox, HostConfig: { NetworkMode: 'host', PortBindings: { '80/tcp': [{ HostPort: '8097' }] } } },
        201,
        /Id/,
      ],
      [{ Image: busybox, HostConfig: { Memory: 64 << 20, MemorySwap: 32 << 20 } }, 400, /swap/i],
      [{ Image: busybox, HostConfig: { NanoCpus: 1e18 } }, 400, /CPU/i],
      [{ Image: busybox, HostConfig: { CpusetCpus: '0-999' } }, 400, /cpus/i],
      [{ Image: busybox, HostConfig: { NanoCpus: 1e9, CpuQuota: 5 } }, 400, /conflicting|nano/i],
      [{ Image: busybox, StopSignal: 'SIGMOON' }, 400, /SIGMOON/],
      [{ Image: busybox, HostConfig: { ShmSize: -1 } }, 400, /shm/i],
      [
        { Image: busybox, HostConfig: { RestartPolicy: { Name: 'always', MaximumRetryCount: 2 } } },
        400,
        /maximum retry count/,
      ],
      [{ Image: 'gantry/UPPER' }, 400, /invalid reference format/],
      [{ Image: 'gantry-test/none:1' }, 404, /No such image: gantry-test\/none:1/],
      [{ Image: busybox, Unknown: { deep: [1] }, HostConfig: { Strange: true } }, 201, /Id/],
    ];
    for (const [body, status, says] of cases) {
      const answer = await engine().api('POST', '/containers/create', body);
      assert.equal(answer.status, status, `${JSON.stringify(body)}: ${answer.text}`);
      assert.match(answer.text, says);
    }
    const log = await engine().logText();
    assert.doesNotMatch(log, /"level":"error"/);
  });
});
