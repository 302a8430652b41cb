/** Log drivers that send elsewhere: what arrives, what `docker logs` shows, and what happens when a backend is away. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { type LogBackend, startLogBackend } from '../support/log-backend.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => String(from + at));
const arrived = (backend: LogBackend, count: number) =>
  eventually(`${count} messages arrive`, () => (backend.messages().length >= count ? backend.messages() : undefined));

engineSuite('log drivers', {}, (engine) => {
  const docker = dockerOf(engine);
  const flags = (driver: string, options: Record<string, string>) => [
    `--log-driver=${driver}`,
    ...Object.entries(options).map(([name, value]) => `--log-opt=${name}=${value}`),
  ];

  test('syslog over UDP and TCP; docker logs shows the same', async () => {
    for (const kind of ['udp', 'tcp'] as const) {
      await using backend = await startLogBackend(engine(), kind);
      const options = flags('syslog', {
        'syslog-address': `${kind}://127.0.0.1:${backend.port}`,
        'syslog-facility': 'local3',
        'syslog-format': 'rfc5424micro',
        tag: '{{.ImageName}}/{{.Name}}',
      });
      await docker.ok(
        'run',
        `--name=${kind}`,
        ...options,
        busybox,
        'sh',
        '-c',
        'echo one; sleep 0.05; echo two >&2; sleep 0.05; echo',
      );
      const [one, two] = (await arrived(backend, 2)).map((line) => line.trimEnd());
      const tag = `${busybox}/${kind}`;
      const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)`;
      assert.match(one ?? '', new RegExp(String.raw`^<158>1 ${time} \S+ ${tag} \d+ ${tag} - one$`));
      assert.match(two ?? '', new RegExp(String.raw`^<155>1 ${time} \S+ ${tag} \d+ ${tag} - two$`));
      assert.deepEqual(await docker('logs', kind), { code: 0, stdout: 'one\n\n', stderr: 'two\n' });
    }
  });

  test('syslog to a unix socket', async () => {
    const socket = join(engine().folder, 'log.sock');
    await using backend = await startLogBackend(engine(), 'unixgram', socket);
    const options = flags('syslog', { 'syslog-address': `unixgram://${socket}` });
    const id = await docker.ok('run', '-d', ...options, busybox, 'echo', 'hello');
    const [line] = await arrived(backend, 1);
    assert.match(
      line ?? '',
      new RegExp(String.raw`^<30>\w{3} [ \d]\d \d\d:\d\d:\d\d ${id.slice(0, 12)}\[\d+\]: hello\n$`),
    );
  });

  test('gelf over UDP, also in chunks, and over TCP', async () => {
    for (const kind of ['gelf-udp', 'gelf-tcp'] as const) {
      await using backend = await startLogBackend(engine(), kind);
      const address = { 'gelf-address': `${kind.slice(5)}://127.0.0.1:${backend.port}`, labels: 'team', env: 'TIER' };
      const words = Array.from({ length: 3000 }, () => Math.random().toString(36))
        .join('')
        .slice(0, 12_000);
      const more = ['--label=team=red', '--env=TIER=front', `--name=${kind}`];
      await docker.ok('run', ...more, ...flags('gelf', address), busybox, 'sh', '-c', `echo short; echo ${words} >&2`);
      const found = (await arrived(backend, 2)).map((text) => JSON.parse(text) as Record<string, unknown>);
      const [short, long] = found.toSorted(
        (a, b) => String(a['short_message']).length - String(b['short_message']).length,
      );
      assert.equal(long?.['short_message'], words);
      assert.equal(long?.['level'], 3);
      const { timestamp, host, _container_id, _image_id, _command, _created, ...rest } = short ?? {};
      assert.ok(Math.abs(Number(timestamp) - Date.now() / 1000) < 60);
      assert.equal(typeof host, 'string');
      assert.equal(_container_id, await docker.field(kind, '{{.Id}}'));
      assert.equal(_image_id, await docker.field(kind, '{{.Image}}'));
      assert.match(String(_command), /^sh -c echo short; /);
      assert.match(String(_created), /^\d{4}-/);
      assert.deepEqual(rest, {
        version: '1.1',
        short_message: 'short',
        level: 6,
        _container_name: kind,
        _image_name: busybox,
        _tag: String(_container_id).slice(0, 12),
        _team: 'red',
        _TIER: 'front',
      });
    }
  });

  test('fluentd, with and without acknowledgements; a line of more than 16 KiB goes in parts', async () => {
    for (const kind of ['fluentd', 'fluentd-ack'] as const) {
      await using backend = await startLogBackend(engine(), kind);
      const options = flags('fluentd', {
        'fluentd-address': `127.0.0.1:${backend.port}`,
        'fluentd-sub-second-precision': 'true',
        'fluentd-request-ack': String(kind === 'fluentd-ack'),
        tag: 'docker.{{.Name}}',
      });
      await docker.ok(
        'run',
        `--name=${kind}`,
        ...options,
        busybox,
        'sh',
        '-c',
        `head -c 40000 /dev/zero | tr '\\0' x; echo; echo end`,
      );
      const parts = (await arrived(backend, 4)).map((text) => JSON.parse(text) as Record<string, string>);
      assert.deepEqual(
        parts.map(({ log }) => log?.length),
        [16_384, 16_384, 7232, 3],
      );
      assert.deepEqual(
        parts.map((part) => part['partial_ordinal']),
        ['1', '2', '3', undefined],
      );
      assert.deepEqual(
        parts.map((part) => part['partial_last']),
        ['false', 'false', 'true', undefined],
      );
      assert.equal(new Set(parts.slice(0, 3).map((part) => part['partial_id'])).size, 1);
      const { container_id, time, ...rest } = parts[3] ?? {};
      assert.equal(container_id, await docker.field(kind, '{{.Id}}'));
      assert.ok(Math.abs(Number(time) - Date.now() / 1000) < 60);
      assert.deepEqual(rest, { tag: `docker.${kind}`, container_name: `/${kind}`, source: 'stdout', log: 'end' });
    }
  });

  test('journald: native fields, large entries as files', { skip: isOracle() }, async () => {
    await engine().inside(['sh', '-c', 'mount -t tmpfs none /run && mkdir -p /run/systemd/journal']);
    try {
      await using backend = await startLogBackend(engine(), 'journald', '/run/systemd/journal/socket');
      const big = 'y'.repeat(100_000);
      const labels = ['one', 'two', 'three'].map((name) => `--label=${name}=${big}`);
      const options = [...flags('journald', { labels: 'one,two,three,team' }), '--label=team=red', ...labels];
      await docker.ok('run', '--name=journal', ...options, busybox, 'sh', '-c', 'echo out; sleep 0.05; echo err >&2');
      const [out, err] = (await arrived(backend, 2)).map((text) => JSON.parse(text) as Record<string, string>);
      assert.deepEqual([out?.['ONE'], out?.['TWO'], out?.['THREE']], [big, big, big]);
      assert.deepEqual([out?.['MESSAGE'], out?.['PRIORITY'], out?.['TEAM']], ['out', '6', 'red']);
      assert.deepEqual([err?.['MESSAGE'], err?.['PRIORITY'], err?.['CONTAINER_NAME']], ['err', '3', 'journal']);
      assert.equal(out?.['CONTAINER_ID_FULL'], await docker.field('journal', '{{.Id}}'));
    } finally {
      await engine().inside(['umount', '/run']);
    }
  });

  test('a backend that is away holds nobody up; the last words of a container with --rm arrive', {
    skip: isOracle(),
  }, async () => {
    const before = await startLogBackend(engine(), 'tcp');
    const { port } = before;
    await before[Symbol.asyncDispose]();
    const options = flags('syslog', { 'syslog-address': `tcp://127.0.0.1:${port}`, tag: 't' });
    await docker.ok('run', '--rm', '--name=words', ...options, busybox, 'seq', '1', '100');
    await docker.ok('run', '--name=later', ...options, busybox, 'seq', '101', '200');
    assert.equal(await docker.ok('logs', 'later'), numbers(101, 200).join('\n'));
    await using backend = await startLogBackend(engine(), 'tcp', port);
    const lines = (await arrived(backend, 200)).map((line) => Number(line.split(': ')[1]));
    assert.deepEqual(
      lines.toSorted((a, b) => a - b),
      numbers(1, 200).map(Number),
    );
  });

  test('over kill -9 of the engine nothing is lost and no more doubled than was under way', {
    skip: isOracle(),
  }, async () => {
    await using backend = await startLogBackend(engine(), 'udp');
    const options = flags('syslog', { 'syslog-address': `udp://127.0.0.1:${backend.port}`, tag: 't' });
    const script = 'i=0; while [ $i -lt 600 ]; do i=$((i+1)); echo $i; usleep 2000; done';
    await docker.ok('run', '-d', '--name=lasting', ...options, busybox, 'sh', '-c', script);
    for (let kill = 1; kill <= 2; kill++) {
      await arrived(backend, 100 * kill);
      await engine().stop('SIGKILL');
      await engine().start();
    }
    await docker.ok('wait', 'lasting');
    await eventually('the last one arrives', () => backend.messages().some((line) => line.endsWith(': 600\n')));
    const lines = backend.messages().map((line) => line.trim().split(': ')[1] ?? '');
    assert.deepEqual([...new Set(lines)], numbers(1, 600));
    assert.ok(lines.length <= 602, `${lines.length} messages`);
  });

  test('info lists the drivers', { skip: isOracle() }, async () => {
    const listed = await docker.ok('info', '--format', '{{json .Plugins.Log}}');
    assert.deepEqual(JSON.parse(listed), ['fluentd', 'gelf', 'journald', 'json-file', 'local', 'none', 'syslog']);
  });

  test('settings that are refused', async () => {
    for (const [driver, options, message] of [
      ['nope', {}, /error looking up logging plugin nope: plugin "nope" not found/],
      ['syslog', { nope: '1' }, /unknown log opt 'nope' for syslog log driver/],
      ['syslog', { 'syslog-address': 'http://x' }, /unsupported scheme: 'http'/],
      ['syslog', { 'syslog-facility': 'mars' }, /invalid syslog facility/],
      ['syslog', { 'syslog-format': 'rfc1' }, /Invalid syslog format/],
      ['gelf', {}, /gelf-address is a required parameter/],
      ['gelf', { 'gelf-address': 'udp://h' }, /please provide gelf-address as proto:\/\/host:port/],
      ['gelf', { 'gelf-address': 'udp://h:1', nope: '1' }, /unknown log opt "nope" for gelf log driver/],
      [
        'gelf',
        { 'gelf-address': 'tcp://h:1', 'gelf-compression-type': 'gzip' },
        /compression is only supported on UDP/,
      ],
      [
        'gelf',
        { 'gelf-address': 'udp://h:1', 'gelf-compression-level': '10' },
        /unknown value "10" for log opt "gelf-compression-level"/,
      ],
      [
        'gelf',
        { 'gelf-address': 'udp://h:1', 'gelf-tcp-max-reconnect': '1' },
        /"gelf-tcp-max-reconnect" is only valid for TCP/,
      ],
      ['fluentd', { 'fluentd-address': 'x://h' }, /invalid fluentd-address \(x:\/\/h\): unsupported scheme: 'x'/],
      ['fluentd', { 'fluentd-retry-wait': '1' }, /time: missing unit in duration "1"/],
      ['fluentd', { 'fluentd-async': 'perhaps' }, /strconv.ParseBool: parsing "perhaps": invalid syntax/],
      ['journald', { nope: '1' }, /unknown log opt 'nope' for journald log driver/],
      ['json-file', { mode: 'fast' }, /logger: logging mode not supported: fast/],
    ] as [string, Record<string, string>, RegExp][]) {
      const result = await docker('create', ...flags(driver, options), busybox);
      assert.equal(result.code, 1, message.source);
      assert.match(result.stderr, message);
    }
    assert.equal(await docker.ok('ps', '-aq'), '');
  });
});

const defaults = ['--log-driver=local', '--log-opt=max-size=5m', '--log-opt=max-file=3', '--log-opt=cache-max-file=2'];

engineSuite('the log driver of the engine', { flags: defaults }, (engine) => {
  const docker = dockerOf(engine);

  test('counts for containers that name none; options for those of the same driver, cache options for all', async () => {
    const settings = async (...options: string[]) => {
      const id = await docker.ok('create', ...options, busybox);
      return JSON.parse(await docker.field(id, '{{json .HostConfig.LogConfig}}')) as unknown;
    };
    const engines = { 'max-size': '5m', 'max-file': '3', 'cache-max-file': '2' };
    assert.deepEqual(await settings(), { Type: 'local', Config: engines });
    assert.deepEqual(await settings('--log-driver=local', '--log-opt=max-size=1m'), {
      Type: 'local',
      Config: { ...engines, 'max-size': '1m' },
    });
    assert.deepEqual(await settings('--log-driver=json-file'), {
      Type: 'json-file',
      Config: { 'cache-max-file': '2' },
    });
    assert.deepEqual(await settings('--log-driver=none'), { Type: 'none', Config: { 'cache-max-file': '2' } });
    assert.equal(await docker.ok('info', '--format', '{{.LoggingDriver}}'), 'local');
  });
});
