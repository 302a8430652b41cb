/** `docker run`: exit codes, and what the process in the container sees of the flags. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';

engineSuite('the flags of docker run', {}, (engine) => {
  const docker = dockerOf(engine);
  /** What `sh -c script` prints in a container that is run with `flags`. */
  const shell = (script: string, ...flags: string[]) => docker.ok('run', '--rm', ...flags, busybox, 'sh', '-c', script);

  test('passes on the exit code of the process', async () => {
    const codes = await Promise.all(
      [0, 1, 3, 126, 127, 255].map(async (code) => {
        const result = await docker('run', '--rm', busybox, 'sh', '-c', `exit ${code}`);
        assert.equal(result.stderr, '');
        return result.code;
      }),
    );
    assert.deepEqual(codes, [0, 1, 3, 126, 127, 255]);
  });

  test('keeps stdout and stderr apart', async () => {
    const result = await docker('run', '--rm', busybox, 'sh', '-c', 'echo out; echo err >&2');
    assert.deepEqual(result, { code: 0, stdout: 'out\n', stderr: 'err\n' });
  });

  test('answers 125 when the engine refuses, 126 and 127 when the command cannot run', async () => {
    const cases: readonly (readonly [number, RegExp, readonly string[]])[] = [
      [125, /Minimum memory limit allowed is 6MB/, ['-m', '1m', busybox, 'true']],
      [
        125,
        /No such image|pull access denied|not found|connection refused|no such host/i,
        ['127.0.0.1:1/none', 'true'],
      ],
      [126, /permission denied/i, [busybox, '/etc/passwd']],
      [126, /is a directory|permission denied/i, [busybox, '/etc']],
      [127, /executable file not found in \$PATH/, [busybox, 'no-such-command']],
      [127, /no such file or directory/i, [busybox, '/no/such/command']],
    ];
    await Promise.all(
      cases.map(async ([code, says, args]) => {
        const result = await docker('run', '--rm', ...args);
        assert.equal(result.code, code, `${args.join(' ')}: ${result.stderr}`);
        assert.match(result.stderr, says);
        assert.match(result.stderr, /^docker: /m);
      }),
    );
    assert.equal(await docker.ok('ps', '-aq'), '');
  });

  test('answers 137 after SIGKILL and 143 after SIGTERM', async () => {
    const killed = docker('run', '--name=killed', busybox, 'sleep', '1000');
    const stopped = docker('run', '--name=stopped', '--init', busybox, 'sleep', '1000');
    await Promise.all(['killed', 'stopped'].map((name) => untilRunning(name)));
    await Promise.all([docker.ok('kill', 'killed'), docker.ok('stop', 'stopped')]);
    assert.equal((await killed).code, 137);
    assert.equal((await stopped).code, 143);
    assert.equal(await docker.field('killed', '{{.State.Status}} {{.State.ExitCode}}'), 'exited 137');
    assert.equal(await docker.field('stopped', '{{.State.Status}} {{.State.ExitCode}}'), 'exited 143');
  });

  const untilRunning = async (name: string) => {
    for (;;) if ((await docker('inspect', '--format={{.State.Running}}', name)).stdout === 'true\n') return;
  };

  test('sets the environment: image, --env, --env-file, the caller', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gantry-env-'));
    const file = join(folder, 'env');
    await writeFile(file, '# a comment\nFROM_FILE=one two\nBOTH=file\n\nHOME_OF_CALLER\nEMPTY=\n');
    const output = await engine().dockerOk(
      [
        'run',
        '--rm',
        '--env-file',
        file,
        '-e',
        'BOTH=flag',
        '-e',
        'CALLER',
        '-e',
        'UNSET',
        '--hostname=box',
        busybox,
        'env',
      ],
      { env: { CALLER: 'given', HOME_OF_CALLER: 'file-caller' } },
    );
    await rm(folder, { recursive: true });
    const env = new Map(output.split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]));
    assert.deepEqual(Object.fromEntries(env), {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOSTNAME: 'box',
      HOME: '/root',
      FROM_FILE: 'one two',
      BOTH: 'flag',
      CALLER: 'given',
      HOME_OF_CALLER: 'file-caller',
      EMPTY: '',
    });
  });

  test('makes and enters the working directory', async () => {
    const [made, linked, relative] = await Promise.all([
      shell('pwd; stat -c %u:%a .', '-w', '/not/yet/there'),
      shell('pwd', '-w', '/var/run'),
      docker('run', '--rm', '-w', 'relative', busybox, 'true'),
    ]);
    assert.equal(made, '/not/yet/there\n0:755');
    assert.equal(linked, '/run');
    assert.equal(relative.code, 125);
    assert.match(relative.stderr, /working directory 'relative' is invalid, it needs to be an absolute path/);
  });

  test('names the host', async () => {
    const [named, full, byId] = await Promise.all([
      shell('hostname; cat /etc/hostname', '--hostname=kettle'),
      shell(
        'hostname; hostname -d; grep -c "kettle.example.org kettle" /etc/hosts; cat /proc/sys/kernel/domainname',
        '--hostname=kettle.example.org',
        '--domainname=dom',
      ),
      docker.ok('run', '--rm', '--cidfile=/dev/stdout', busybox, 'hostname').catch(String),
    ]);
    assert.equal(named, 'kettle\nkettle');
    assert.match(full, /^kettle.example.org\n/);
    assert.match(full, /\ndom$/);
    assert.match(byId, /cidfile|exist/i);
    const id = await docker.ok('create', busybox, 'hostname');
    assert.equal(await docker.ok('start', '-a', id), id.slice(0, 12));
  });

  test('resolves users and groups', async () => {
    const show = 'echo $(id -u):$(id -g):$(id -G | tr " " ,):$HOME';
    const cases: readonly (readonly [readonly string[], string])[] = [
      [[], '0:0:0:/root'],
      [['-u', 'user'], '1000:1000:1000,2000:/home'],
      [['-u', '1000'], '1000:1000:1000,2000:/home'],
      [['-u', 'user:nogroup'], '1000:65534:65534:/home'],
      [['-u', '1234:4321'], '1234:4321:4321:/'],
      [['-u', '1234'], '1234:0:0:/'],
      [['-u', 'user', '--group-add=3000', '--group-add=nogroup'], '1000:1000:1000,2000,3000,65534:/home'],
    ];
    const seen = await Promise.all(cases.map(([flags]) => shell(show, ...flags)));
    assert.deepEqual(
      seen,
      cases.map(([, expected]) => expected),
    );
  });

  test('refuses unknown users and groups', async () => {
    const [user, group] = await Promise.all([
      docker('run', '--rm', '-u', 'stranger', busybox, 'true'),
      docker('run', '--rm', '-u', 'user:strangers', busybox, 'true'),
    ]);
    assert.equal(user.code, 125);
    assert.match(user.stderr, /unable to find user stranger: no matching entries in passwd file/);
    assert.equal(group.code, 125);
    assert.match(group.stderr, /unable to find group strangers: no matching entries in group file/);
  });

  test('takes labels, entrypoint and arguments', async () => {
    const labels = docker.ok('create', '--label=a=1', '--label', 'b', '--label=c=x=y', busybox);
    const [id, entry, cleared] = await Promise.all([
      labels,
      docker.ok('run', '--rm', '--entrypoint=echo', busybox, 'one', 'two words'),
      docker('run', '--rm', '--entrypoint=', busybox, 'sh', '-c', 'echo cleared'),
    ]);
    assert.equal(await docker.field(id, '{{json .Config.Labels}}'), '{"a":"1","b":"","c":"x=y"}');
    assert.equal(entry, 'one two words');
    assert.equal(cleared.stdout, 'cleared\n');
  });

  test('writes hosts and resolv.conf', async () => {
    const flags = ['--add-host=db:10.1.2.3', '--add-host=up:host-gateway'];
    const hosts = await shell('cat /etc/hosts', ...flags, '--hostname=me');
    assert.match(hosts, /^127\.0\.0\.1\s+localhost$/m);
    assert.match(hosts, /^10\.1\.2\.3\s+db$/m);
    assert.match(hosts, /^\d+\.\d+\.\d+\.1\s+up$/m);
    assert.match(hosts, /^\d+\.\d+\.\d+\.\d+\s+me$/m);
    const resolv = await shell(
      'cat /etc/resolv.conf',
      '--dns=10.9.8.7',
      '--dns=10.9.8.6',
      '--dns-search=example.org',
      '--dns-option=ndots:3',
    );
    assert.match(resolv, /^nameserver 10\.9\.8\.7\nnameserver 10\.9\.8\.6$/m);
    assert.match(resolv, /^search example\.org$/m);
    assert.match(resolv, /^options ndots:3$/m);
  });

  test('mounts tmpfs and /dev/shm with their sizes, the root read-only', async () => {
    const script = 'grep -E " /(scratch|dev/shm) " /proc/mounts; touch /scratch/a && echo wrote; touch /b 2>&1';
    const output = await docker(
      'run',
      '--rm',
      '--read-only',
      '--tmpfs=/scratch:size=2m,mode=700',
      '--shm-size=3m',
      busybox,
      'sh',
      '-c',
      script,
    );
    assert.match(output.stdout, /^tmpfs \/scratch tmpfs rw,nosuid,nodev,noexec,.*size=2048k,mode=700/m);
    assert.match(output.stdout, /^shm \/dev\/shm tmpfs rw,nosuid,nodev,noexec,.*size=3072k/m);
    assert.match(output.stdout, /^wrote$/m);
    assert.match(output.stdout, /\/b: Read-only file system/);
    assert.equal(output.code, 1);
  });

  test('runs an init that reaps and forwards', async () => {
    const script = 'cat /proc/1/comm; (sleep 0.01 & exec sleep 0.1) ; sleep 0.3; ps -o stat,comm | grep -c "^Z" ; true';
    const [bare, helped] = await Promise.all([shell(script), shell(script, '--init')]);
    assert.match(bare, /^sh\n/);
    assert.match(helped, /^(docker-init|tini|catatonit|dumb-init)\n0$/);
  });

  test('sets ulimits', async () => {
    const output = await shell(
      'ulimit -n; ulimit -Hn; ulimit -c; ulimit -Hu',
      '--ulimit=nofile=100:200',
      '--ulimit=core=0',
      '--ulimit=nproc=77',
    );
    assert.equal(output, '100\n200\n0\n77');
  });

  test('removes what it ran with --rm, with its anonymous volumes', async () => {
    await docker.ok('run', '--rm', '-v', '/data', busybox, 'touch', '/data/file');
    assert.equal(await docker.ok('ps', '-aq'), '');
    assert.equal(await docker.ok('volume', 'ls', '-q'), '');
  });
});
