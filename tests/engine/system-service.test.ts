import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { dockerClient } from '../support/docker-client.ts';
import { isOracle, startEngine } from '../support/engine.ts';
import { needsRoot } from '../support/skip.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { makeCertificates } from './_certificates.ts';

const folder = await mkdtemp(join(tmpdir(), 'gt-service-'));
after(() => rm(folder, { recursive: true }));
const skip = needsRoot();
if (skip === false) await makeCertificates(folder);
const file = (name: string): string => join(folder, name);
const configFile = file('daemon.json');
await writeFile(configFile, JSON.stringify({ labels: ['colour=green'] }));

const tlsFlags = [
  '--host=tcp://127.0.0.1:2376',
  '--tlsverify',
  `--tlscacert=${file('ca.pem')}`,
  `--tlscert=${file('server.pem')}`,
  `--tlskey=${file('server-key.pem')}`,
  '--metrics-addr=127.0.0.1:9323',
  `--config-file=${configFile}`,
];

engineSuite('an engine behind TLS', { flags: tlsFlags, skip }, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);
  /** The docker client, in the engine's namespace, with a certificate of `name`. */
  const overTls = (name: string | undefined, ...words: string[]) => {
    const own = name === undefined ? [] : [`--tlscert=${file(`${name}.pem`)}`, `--tlskey=${file(`${name}-key.pem`)}`];
    const tls = ['--tlsverify', `--tlscacert=${file('ca.pem')}`, ...own];
    return engine().inside([dockerClient(), '-H', 'tcp://127.0.0.1:2376', ...tls, ...words], {
      env: { HOME: folder, DOCKER_CONFIG: engine().paths.clientConfig },
    });
  };

  test('clients with a certificate of its CA are served, streams too', async () => {
    const { code, stdout, stderr } = await overTls('client', 'run', '--rm', 'gantry-test/busybox:1', 'echo', 'hello');
    assert.deepEqual([code, stdout, stderr], [0, 'hello\n', '']);
  });

  test('others are not: no certificate, one of another CA, no TLS, an old version of it', async () => {
    const none = await overTls(undefined, 'version');
    assert.notEqual(none.code, 0);
    assert.match(none.stderr, /certificate required|bad certificate|tls/i);
    const rogue = await overTls('rogue', 'version');
    assert.notEqual(rogue.code, 0);
    assert.match(rogue.stderr, /unknown certificate authority|unknown ca|bad certificate|tls/i);
    const plain = await engine().inside([dockerClient(), '-H', 'tcp://127.0.0.1:2376', 'version']);
    assert.notEqual(plain.code, 0);
    const old = ['openssl', 's_client', '-connect', '127.0.0.1:2376', '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'];
    const oldVersion = await engine().inside(old, { input: '' });
    assert.notEqual(oldVersion.code, 0);
  });

  test('metrics are told in Prometheus’s text format', async () => {
    await docker('run', '--rm', 'gantry-test/busybox:1', 'true');
    const text = await engine().fetch('http://127.0.0.1:9323/metrics');
    assert.match(text, /^engine_daemon_engine_info\{.*\} 1$/m);
    assert.match(text, /^engine_daemon_engine_cpus_cpus \d+$/m);
    assert.match(text, /^engine_daemon_container_states_containers\{state="running"\} 0$/m);
    assert.match(text, /^engine_daemon_container_actions_seconds_count\{action="start"\} \d+$/m);
    assert.match(text, /^process_resident_memory_bytes \d/m);
    for (const line of text.trimEnd().split('\n'))
      assert.match(line, /^(# (HELP|TYPE) |[a-z_]+(\{.*\})? [-+0-9.eInf]+$)/);
    assert.equal(await engine().fetch('http://127.0.0.1:9323/'), '404 page not found');
  });

  test('SIGHUP reloads what may change, and tells an event; a wrong file changes nothing', async () => {
    const labels = () => docker('info', '-f', '{{.Labels}}');
    assert.equal(await labels(), '[colour=green]');
    const since = String(Math.floor(Date.now() / 1000));
    try {
      await writeFile(configFile, JSON.stringify({ labels: ['colour=blue'], 'max-concurrent-downloads': 7 }));
      process.kill(engine().pid, 'SIGHUP');
      await eventually('the labels have changed', async () => (await labels()) === '[colour=blue]');
      await writeFile(configFile, '{"labels": ["colour=red"], "nonsense": 1}');
      process.kill(engine().pid, 'SIGHUP');
      await eventually('the mistake is logged', async () => /nonsense/.test(await engine().logText()));
      assert.equal(await labels(), '[colour=blue]');
    } finally {
      await writeFile(configFile, JSON.stringify({ labels: ['colour=green'] }));
    }
    const span = ['--since', since, '--until', String(Math.floor(Date.now() / 1000) + 1)];
    const told = await docker('events', ...span, '--filter', 'type=daemon', '--format', '{{json .}}');
    const [event] = told
      .split('\n')
      .map((line) => JSON.parse(line) as { Action: string; Actor: { Attributes: Record<string, string> } });
    assert.equal(event?.Action, 'reload');
    assert.equal(event?.Actor.Attributes['max-concurrent-downloads'], '7');
    assert.equal(event?.Actor.Attributes['labels'], '["colour=blue"]');
    const own = await docker(
      'info',
      '-f',
      '{{.DefaultRuntime}} {{if eq .CgroupVersion "2"}}private{{else}}host{{end}}',
    );
    const { 'default-runtime': runtime, 'default-cgroupns-mode': mode, features } = event?.Actor.Attributes ?? {};
    assert.deepEqual([`${runtime} ${mode}`, features], [own, 'map[]']);
    process.kill(engine().pid, 'SIGHUP');
    await eventually('the labels are back', async () => (await labels()) === '[colour=green]');
  });
});

engineSuite(
  'an engine on plain TCP',
  { flags: ['--host=tcp://127.0.0.1:2375', '--insecure-tcp'], skip: skip || (isOracle() && 'Docker has no such flag') },
  (engine) => {
    /** One request by hand: what a browser would send. */
    async function status(...headers: string[]): Promise<string> {
      const request = `${['POST /v1.44/containers/prune HTTP/1.1', ...headers, 'Content-Length: 0', 'Connection: close'].join('\r\n')}\r\n\r\n`;
      const script = `require('net').connect(2375, '127.0.0.1', function () { this.write(${JSON.stringify(request)}) }).pipe(process.stdout)`;
      const { stdout } = await engine().inside([process.execPath, '-e', script]);
      return stdout.split('\r\n', 1)[0] ?? '';
    }

    test('serves clients, and warns of itself', async () => {
      const { stdout } = await engine().inside([
        dockerClient(),
        '-H',
        'tcp://127.0.0.1:2375',
        'info',
        '-f',
        '{{json .Warnings}}',
      ]);
      assert.match(stdout, /API is accessible on tcp:\/\/127\.0\.0\.1:2375 without encryption/);
    });

    test('refuses web pages: other hosts’ names, other origins, cross-site requests', async () => {
      assert.match(await status('Host: 127.0.0.1:2375'), / 200 /);
      assert.match(await status('Host: localhost:2375'), / 200 /);
      assert.match(await status('Host: docker:2375'), / 200 /);
      assert.match(await status('Host: evil.example:2375'), / 403 /);
      assert.match(await status('Host: 127.0.0.1:2375', 'Origin: http://evil.example'), / 403 /);
      assert.match(await status('Host: 127.0.0.1:2375', 'Origin: null'), / 403 /);
      assert.match(await status('Host: 127.0.0.1:2375', 'Sec-Fetch-Site: cross-site'), / 403 /);
      assert.match(await status('Host: 127.0.0.1:2375', 'Origin: http://127.0.0.1:2375'), / 200 /);
    });

    test('answers others while connections send their heads for ever', async () => {
      const script = `
      const net = require('net'), http = require('http');
      const slow = Array.from({ length: 300 }, () => net.connect(2375, '127.0.0.1', function () { this.write('GET /_ping HTTP/1.1\\r\\nX-A: ') }));
      for (const one of slow) one.on('error', () => {});
      setInterval(() => slow.forEach((one) => one.write('a')), 50);
      const ping = () => new Promise((done) => { const began = performance.now(); http.get('http://127.0.0.1:2375/_ping', (answer) => answer.resume().on('end', () => done(performance.now() - began))) });
      const huge = () => new Promise((done) => http.get('http://127.0.0.1:2375/_ping', { headers: { 'x-huge': 'a'.repeat(200000) } }, (answer) => done(answer.statusCode)).on('error', () => done('reset')));
      (async () => { const times = []; for (let at = 0; at < 200; at++) times.push(await ping()); times.sort((a, b) => a - b); console.log(times[197], await huge()); process.exit() })();`;
      const { stdout } = await engine().inside([process.execPath, '-e', script]);
      const [p99 = '', huge = ''] = stdout.trim().split(' ');
      assert.ok(Number(p99) < 200, `99 of 100 pings within ${p99} ms`);
      assert.ok(huge === '431' || huge === 'reset', huge);
    });
  },
);

const activate = `use Socket; $^F = 100; my $path = shift; my $name = shift;
socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die; bind($s, sockaddr_un($path)) or die $!; listen($s, 128) or die;
require POSIX; POSIX::dup2(fileno($s), 3); $ENV{LISTEN_PID} = $$; $ENV{LISTEN_FDS} = 1; $ENV{LISTEN_FDNAMES} = $name; exec(@ARGV);`;

const listen = `use Socket; $| = 1; my $path = shift;
socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die; bind($s, sockaddr_un($path)) or die $!; print "listening\\n";
while (defined(recv($s, my $text, 4096, 0))) { $text =~ s/\\n/ /g; print "$text\\n"; }`;

describe('an engine that a service manager starts', { skip: skip || (isOracle() && 'started otherwise') }, () => {
  const gantryd = join(import.meta.dirname, '../../build/bin/gantryd');

  test('serves the socket that was opened for it, which stays behind', async () => {
    const path = file('activated.sock');
    const program = ['perl', '-e', activate, path, 'api', gantryd];
    await using engine = await startEngine({ program, flags: ['--host=fd://api'] });
    const { code, stdout } = await engine.docker(['-H', `unix://${path}`, 'version', '-f', '{{.Server.Version}}']);
    assert.deepEqual([code, stdout.trim() !== ''], [0, true]);
    await engine.stop();
    assert.ok((await stat(path)).isSocket());
  });

  test('tells when it is ready, reloads and stops, and that it is alive', async () => {
    const path = file('notify.sock');
    const listener = spawn('perl', ['-e', listen, path]);
    let told = '';
    listener.stdout.on('data', (chunk: Buffer) => (told += chunk.toString()));
    const hears = (what: RegExp) => eventually(`the manager hears ${what}`, () => what.test(told));
    try {
      await hears(/listening/);
      await using engine = await startEngine({ env: { NOTIFY_SOCKET: path, WATCHDOG_USEC: '200000' } });
      await hears(/READY=1 MAINPID=\d+/);
      await hears(/WATCHDOG=1/);
      process.kill(engine.pid, 'SIGHUP');
      await hears(/RELOADING=1 MONOTONIC_USEC=\d+[^]*READY=1/);
      await engine.stop();
      await hears(/STOPPING=1/);
    } finally {
      listener.kill();
    }
  });

  test('does not start when nobody opened a socket for fd://, saying so', async () => {
    await assert.rejects(startEngine({ flags: ['--host=fd://'] }), /no sockets found via socket activation/);
  });

  test('takes what test harnesses give to dockerd', async () => {
    const program = [join(import.meta.dirname, '../../build/bin/dockerd')];
    const words =
      '--containerd=/run/nothing.sock --containerd-namespace=a --containerd-plugins-namespace=b --iptables=false ' +
      '--ip6tables=false --userland-proxy=false --feature=containerd-snapshotter=true --default-ipc-mode=private ' +
      '--exec-opt=native.cgroupdriver=cgroupfs --log-format=text';
    const flags = words.split(' ');
    await using engine = await startEngine({ program, flags });
    assert.equal((await engine.docker(['version'])).code, 0);
    const log = await engine.logText();
    for (const flag of ['containerd', 'containerd-namespace', 'iptables', 'ip6tables', 'userland-proxy']) {
      assert.equal(log.split(`--${flag} has no effect`).length, 2, flag);
    }
    assert.match(log, /^time=\S+ level=info msg=serving/m);
  });
});
