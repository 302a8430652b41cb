/** The parameters of `POST /build`, one by one; the same with GANTRY_TEST_ORACLE=dockerd. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { type TarMember, tarOf } from '../support/tar.ts';
import { eventually } from '../support/wait.ts';
import { answerOf, openBuild, postBuild, textOf } from './_classic-build.ts';
import { folder, lines } from './_build-folder.ts';
import { busybox, dockerOf } from './_docker.ts';

type Parameters = Readonly<Record<string, string | readonly string[]>>;

const from = `FROM ${busybox}`;
const json = (value: unknown): string => JSON.stringify(value);

/** Parameters, the lines behind FROM, and a line that a command of them prints. */
const told: readonly [title: string, parameters: Parameters, dockerfile: readonly string[], line: RegExp][] = [
  ['nothing at all', {}, ['RUN echo is-$(id -u)'], /^is-0$/m],
  ['buildargs', { buildargs: json({ A: 'x y' }) }, ['ARG A', 'RUN echo "is-$A"'], /^is-x y$/m],
  ['buildargs of null', { buildargs: json({ A: null }) }, ['ARG A=own', 'RUN echo is-$A'], /^is-own$/m],
  ['extrahosts, several', { extrahosts: ['a.x:1.2.3.4', 'b.x:::1'] }, ['RUN cat /etc/hosts'], /^1\.2\.3\.4\s+a\.x$/m],
  [
    'extrahosts of IPv6',
    { extrahosts: ['a.x:1.2.3.4', 'b.x:fd00::5'] },
    ['RUN grep b.x /etc/hosts'],
    /^fd00::5\s+b\.x$/m,
  ],
  ['shmsize', { shmsize: '1048576' }, ['RUN df -k /dev/shm | tail -n 1'], /^shm\s+1024\s/m],
  [
    'ulimits',
    { ulimits: json([{ Name: 'nofile', Soft: 77, Hard: 99 }]) },
    ['RUN echo is-$(ulimit -Sn)-$(ulimit -Hn)'],
    /^is-77-99$/m,
  ],
  ['networkmode none', { networkmode: 'none' }, ['RUN echo is-$(ls /sys/class/net | tr "\\n" ,)'], /^is-lo,$/m],
  ['networkmode host', { networkmode: 'host' }, ['RUN echo is-$(cat /etc/hosts | wc -l)'], /^is-\d/m],
  ['networkmode default', { networkmode: 'default' }, ['RUN ls /sys/class/net'], /^eth0$/m],
  ['networkmode bridge', { networkmode: 'bridge' }, ['RUN ls /sys/class/net/'], /^eth0$/m],
  ['networkmode of a network', { networkmode: 'own-net' }, ['RUN ip -4 addr show eth0'], /inet 10\.77\.3\./],
  [
    'networkmode of a container',
    { networkmode: 'container:neighbour' },
    ['RUN ip -4 addr show eth0 | grep inet'],
    /inet 10\.77\.3\./,
  ],
  [
    'memory',
    { memory: String(64 << 20) },
    [`RUN ${limitOf('memory/memory.limit_in_bytes', 'memory.max')}`],
    /^is-67108864$/m,
  ],
  [
    'memswap',
    { memory: String(64 << 20), memswap: String(96 << 20) },
    [`RUN ${limitOf('memory/memory.memsw.limit_in_bytes', 'memory.swap.max')}`],
    /^is-(100663296|33554432)$/m,
  ],
  ['cpushares', { cpushares: '512' }, [`RUN ${limitOf('cpu/cpu.shares', 'cpu.weight')}`], /^is-(512|20|59)$/m],
  [
    'cpuperiod and cpuquota',
    { cpuperiod: '50000', cpuquota: '25000' },
    [`RUN ${limitOf('cpu/cpu.cfs_quota_us', 'cpu.max')}`],
    /^is-25000( 50000)?$/m,
  ],
  ['cpusetcpus', { cpusetcpus: '0' }, ['RUN grep Cpus_allowed_list /proc/self/status'], /Cpus_allowed_list:\s+0$/m],
  ['cpusetmems', { cpusetmems: '0' }, ['RUN grep Mems_allowed_list /proc/self/status'], /Mems_allowed_list:\s+0$/m],
  ['rm and forcerm', { rm: '1', forcerm: '1' }, ['RUN echo is-there'], /^is-there$/m],
  ['nocache', { nocache: '1' }, ['RUN echo is-made'], /^is-made$/m],
  ['version 1', { version: '1' }, ['RUN echo is-one'], /^is-one$/m],
  ['isolation', { isolation: 'default' }, ['RUN echo is-isolated'], /^is-isolated$/m],
  ['what no engine knows', { nosuch: 'thing' }, ['RUN echo is-anew'], /^is-anew$/m],
];

/** Prints a limit of the command's cgroup, whichever tree the host has. */
function limitOf(first: string, second: string): string {
  return `echo is-$(cat /sys/fs/cgroup/${first} 2>/dev/null || cat /sys/fs/cgroup/${second})`;
}

/** What is refused before anything is built, and why. `mine` is where this engine says more than Docker's. */
const refused: readonly [title: string, parameters: Parameters, status: number, why: RegExp, mine?: true][] = [
  ['buildargs that are no JSON', { buildargs: '{' }, 400, /error reading build ?args/],
  ['buildargs of numbers', { buildargs: json({ A: 1 }) }, 400, /error reading build ?args/],
  ['labels that are a list', { labels: '[]' }, 400, /error reading labels/],
  ['ulimits that are text', { ulimits: '"x"' }, 400, /error reading ulimit/],
  ['cachefrom that is no list', { cachefrom: '{}' }, 400, /error reading cache-?from/],
  ['a version that there is not', { version: '3' }, 400, /invalid version "3"/],
  ['security options', { securityopt: 'x' }, 400, /security options are not supported on linux/],
  ['isolation of another system', { isolation: 'hyperv' }, 400, /unsupported isolation: "hyperv"/],
  ['a name that is none', { t: 'UPPER' }, 400, /invalid (reference format|tag)/],
  ['a second name that is none', { t: ['good', 'bad:'] }, 400, /invalid (reference format|tag)/],
  ['a digest as name', { t: `x@sha256:${'a'.repeat(64)}` }, 400, /cannot contain a digest/, true],
  ['outputs that are no JSON', { outputs: '[' }, 400, /outputs/],
  [
    'two outputs',
    { version: '2', outputs: json([{ Type: 'local' }, { Type: 'tar' }]) },
    400,
    /multiple outputs not supported/,
  ],
  [
    'a network that BuildKit has not',
    { version: '2', networkmode: 'own-net' },
    400,
    /network mode "own-net" not supported/,
  ],
  ['memory that is no number', { memory: 'much' }, 400, /invalid value "much" for memory/, true],
  ['a shm size that is no number', { shmsize: 'x' }, 400, /shm size "x"/, true],
  ['outputs of the classic builder', { outputs: json([{ Type: 'tar' }]) }, 400, /needs version=2/, true],
  ['a session without an id', { version: '2', remote: 'client-session' }, 400, /session/, true],
  ['an upload without an id', { version: '2', remote: 'upload-request' }, 400, /buildid/, true],
];

const flags = isOracle() ? [] : ['--build-context-limit=40m'];

engineSuite('parameters of POST /build', { flags }, (engine) => {
  const docker = dockerOf(engine);
  const archive = (dockerfile: readonly string[], ...more: readonly TarMember[]): Buffer =>
    tarOf([{ name: 'Dockerfile', body: lines(from, ...dockerfile) }, ...more]);

  test(`${told.length} parameters are known to the commands`, async () => {
    await docker.ok('network', 'create', '--subnet=10.77.3.0/24', 'own-net');
    await docker.ok('run', '-d', '--rm', '--name=neighbour', '--network=own-net', busybox, 'sleep', '1000');
    for (const [title, parameters, dockerfile, line] of told) {
      const answer = await postBuild(engine(), parameters, archive(dockerfile));
      assert.equal(answer.status, 200, `${title}: ${answer.message}`);
      assert.match(textOf(answer), line, title);
      assert.match(textOf(answer), /^Successfully built [0-9a-f]{12}$/m, title);
    }
    await docker.ok('rm', '-f', 'neighbour');
    await docker.ok('network', 'rm', 'own-net');
  });

  test(`${refused.length} requests are refused`, async () => {
    for (const [title, parameters, status, why, mine = false] of refused) {
      if (mine && isOracle()) continue;
      const answer = await postBuild(engine(), parameters, archive(['RUN echo never']));
      // Docker takes some of them for failures of its own.
      const expected = isOracle() ? [status, 500] : [400];
      assert.ok(expected.includes(answer.status), `${title}: ${answer.status} ${textOf(answer)}`);
      assert.match(textOf(answer), why, title);
    }
  });

  test('limits out of range fail the build; they are no part of what is in the cache', async () => {
    const dockerfile = ['RUN echo limited'];
    for (const [parameters, why] of [
      [{ memory: '1000' }, /[Mm]inimum memory limit allowed is 6MB/],
      [{ cpuquota: '1' }, /CPU cfs quota can not be less than 1ms/],
      [{ cpusetcpus: '0-' }, /Invalid value 0- for cpuset cpus/],
      [{ cpusetcpus: '8000' }, /CPUs are not available/],
    ] as const) {
      assert.match(textOf(await postBuild(engine(), parameters, archive(dockerfile))), why);
    }
    await postBuild(engine(), {}, archive(dockerfile));
    const again = await postBuild(engine(), { memory: String(64 << 20) }, archive(dockerfile));
    assert.match(textOf(again), /^ ---> Using cache$/m);
  });

  test('names, labels, the target, the platform and the Dockerfile', async () => {
    const members: TarMember[] = [
      {
        name: 'sub/File',
        body: lines(`${from} AS one`, 'LABEL own=1 both=1', 'RUN echo is-one', 'FROM one AS two', 'RUN echo is-two'),
      },
    ];
    const parameters = {
      dockerfile: 'sub/File',
      target: 'one',
      t: ['many:1', 'many:2', 'example.com:5000/a/b'],
      labels: json({ both: '2', more: 'x' }),
      platform: 'linux',
      pull: '0',
    };
    const answer = await postBuild(engine(), parameters, gzipSync(tarOf(members)));
    assert.match(textOf(answer), /^Successfully tagged (docker\.io\/library\/)?many:2$/m);
    assert.doesNotMatch(textOf(answer), /is-two/);
    const labels = JSON.parse(await docker.ok('inspect', '--format={{json .Config.Labels}}', 'many:2')) as object;
    assert.deepEqual(
      { ...labels, 'io.buildkit': undefined },
      { own: '1', both: '2', more: 'x', 'io.buildkit': undefined },
    );
    await docker.ok('image', 'inspect', 'example.com:5000/a/b:latest');
    for (const [name, why] of [
      ['none', /none/],
      ['../x', /x/],
    ] as const) {
      const missing = await postBuild(engine(), { dockerfile: name }, tarOf(members));
      assert.match(textOf(missing), why);
      assert.doesNotMatch(textOf(missing), /Successfully/);
    }
    assert.match(textOf(await postBuild(engine(), { target: 'nine' }, archive([]))), /nine/);
    assert.match(textOf(await postBuild(engine(), { platform: 'a/b/c/d' }, archive([]))), /a\/b\/c\/d/);
  });

  test('a quiet build tells its id, and what it has printed when it fails', async () => {
    const quiet = await postBuild(engine(), { q: '1' }, archive(['RUN echo heard']));
    assert.match(textOf(quiet), /^sha256:[0-9a-f]{64}\n$/);
    assert.match(
      textOf(await postBuild(engine(), { q: '1' }, archive(['RUN echo heard; exit 3']))),
      /heard[^]*error: /,
    );
  });

  test('what is sent in other ways: no archive, an empty one, another type, wrong logins', async () => {
    for (const body of ['no archive at all', '', Buffer.alloc(1024)]) {
      const answer = await postBuild(engine(), {}, body);
      assert.doesNotMatch(textOf(answer), /Successfully/, String(body.length));
      assert.ok(answer.status >= 400 || /error: /.test(textOf(answer)), textOf(answer));
    }
    const headers = { 'content-type': 'text/plain', 'x-registry-config': '%%%' };
    assert.match(textOf(await postBuild(engine(), {}, archive(['RUN echo typed']), headers)), /Successfully built/);
  });

  test('outputs: nothing but the cache, and what only a client with a session can take', {
    skip: isOracle() && 'this version of Docker looks for an exporter without a name then',
  }, async () => {
    const cacheOnly = await postBuild(
      engine(),
      { version: '2', outputs: json([{ Type: 'cacheonly', Attrs: {} }]), t: 'kept:1' },
      archive(['RUN echo cached-only > /x']),
    );
    assert.equal(cacheOnly.status, 200, cacheOnly.message);
    assert.deepEqual(
      cacheOnly.lines.filter(({ id }) => id === 'moby.image.id'),
      [],
    );
    assert.equal((await docker('image', 'inspect', 'kept:1')).code, 1);
    const named = await postBuild(
      engine(),
      { version: '2', outputs: json([{ Type: 'image', Attrs: null }]), t: 'kept:2' },
      archive([]),
    );
    assert.equal(named.lines.filter(({ id }) => id === 'moby.image.id').length, 1);
    await docker.ok('image', 'inspect', 'kept:2');
    const local = await postBuild(engine(), { version: '2', outputs: json([{ Type: 'local' }]) }, archive([]));
    assert.match(textOf(local), /session/);
  });

  test('a build is given up by its id, and by a client that goes away', async (t) => {
    const running = ['RUN echo began; sleep 987654'];
    const isRunning = async (): Promise<boolean> =>
      (await engine().inside(['sh', '-c', 'grep -lxz 987654 /proc/[0-9]*/cmdline 2>/dev/null'])).stdout !== '';
    const begin = async (parameters: Parameters) => {
      const call = openBuild(engine(), parameters);
      const answer = answerOf(call).catch((error: unknown) => ({ status: 0, message: String(error), lines: [] }));
      call.end(archive(running));
      await eventually('the command runs', isRunning);
      return { call, answer };
    };
    const gone = await begin({ t: 'gone:1' });
    gone.call.destroy();
    await eventually('the command has ended', async () => !(await isRunning()));
    const id = isOracle() ? { version: '2' } : {};
    const named = await begin({ t: 'gone:2', buildid: 'mine', ...id });
    assert.equal((await engine().api('POST', '/build/cancel')).status, 400);
    assert.equal((await engine().api('POST', '/build/cancel?id=another')).status, 200);
    assert.ok(await isRunning());
    assert.equal((await engine().api('POST', '/build/cancel?id=mine')).status, 200);
    assert.match(textOf(await named.answer), /cancell?ed/);
    await eventually('the command has ended', async () => !(await isRunning()));
    // The same by BuildKit's protocol.
    const context = await folder(t, { Dockerfile: lines(from, ...running) });
    const [program, ...first] = gantryProgram;
    const env = { ...process.env, ...engine().clientEnv() };
    const client = spawn(program, [...first, 'build', '-t', 'gone:3', context], { env, stdio: 'ignore' });
    await eventually('the command runs', isRunning);
    client.kill('SIGKILL');
    await eventually('the command has ended', async () => !(await isRunning()));
    for (const name of ['gone:1', 'gone:2', 'gone:3']) assert.equal((await docker('image', 'inspect', name)).code, 1);
    assert.equal((await engine().api('POST', '/build/cancel?id=mine')).status, 200);
  });

  test('extended attributes of files, and rights of programs among them, do not count and do not come along', async () => {
    const rights = Buffer.alloc(20);
    rights.writeUInt32LE(0x02000001, 0);
    rights.writeUInt32LE(1 << 13, 4);
    const program = { name: 'bb', mode: 0o755, body: await readFile('/bin/busybox') };
    const dockerfile = ['COPY bb /opt/busybox', 'USER 1000', 'RUN /opt/busybox grep CapEff /proc/self/status'];
    const xattrs = { 'security.capability': rights, 'user.own': Buffer.from('x') };
    const first = await postBuild(engine(), {}, archive(dockerfile, { ...program, xattrs }));
    assert.match(textOf(first), /^CapEff:\s+0{16}$/m);
    if (isOracle()) return;
    assert.match(textOf(await postBuild(engine(), {}, archive(dockerfile, program))), /^ ---> Using cache$/m);
  });

  test('contexts over the limit of the engine are refused, by either protocol', {
    skip: isOracle() && 'Docker has no such limit',
  }, async (t) => {
    const why = /the build context is larger than 41943040 bytes, the engine's limit \(--build-context-limit\)/;
    const large = await postBuild(engine(), {}, archive([], { name: 'large', body: Buffer.alloc(41 << 20) }));
    assert.deepEqual([large.status, why.test(large.message)], [400, true], large.message);
    const context = await folder(t, { Dockerfile: lines(from, 'COPY large /'), large: '' });
    await truncate(join(context, 'large'), 41 << 20);
    const [program, ...first] = gantryProgram;
    const { code, stderr } = await run(program, [...first, 'build', context], { env: engine().clientEnv() });
    assert.deepEqual([code, why.test(stderr)], [1, true], stderr);
    await truncate(join(context, 'large'), 39 << 20);
    const fits = await run(program, [...first, 'build', '-t', 'fits:1', context], { env: engine().clientEnv() });
    assert.equal(fits.code, 0, fits.stderr);
  });

  test('an archive may come in a request of its own', async () => {
    const call = openBuild(engine(), { version: '2', remote: 'upload-request', buildid: 'up', t: 'up:1' });
    const answer = answerOf(call);
    call.end();
    const upload = await postBuild(
      engine(),
      { version: '2', buildid: 'upload-request:up' },
      archive(['COPY f /f'], { name: 'f', body: 'sent' }),
    );
    assert.deepEqual([upload.status, upload.lines], [200, []]);
    assert.equal(textOf(await answer), '');
    assert.equal(await docker.ok('run', '--rm', 'up:1', 'cat', '/f'), 'sent');
  });
});
