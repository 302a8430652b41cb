import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOracle, type TestEngine } from '../support/engine.ts';
import { testImage } from '../support/images.ts';
import { type SuiteOptions, engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';

/**
 * A little of everything that depends on the host: the OCI runtime, the cgroups, the way layers are kept. The whole suite
 * runs once with each in `./test --long`; this part of it always, and in the virtual machine with another kernel.
 */
const variants: readonly { readonly name: string; readonly options: SuiteOptions }[] = [
  { name: 'the engine as it chooses', options: {} },
  { name: 'runc', options: { flags: ['--default-runtime=runc'] } },
  { name: 'layers as directories', options: { flags: ['--storage-driver=dir'], skip: isOracle() && 'an addition' } },
];

for (const { name, options } of variants) engineSuite(`smoke: ${name}`, options, smoke);

function smoke(engine: () => TestEngine): void {
  const docker = (...args: readonly string[]) => engine().dockerOk(args);
  const image = async (): Promise<string> => (await testImage('busybox')).name;
  const exec = (id: string, script: string) => docker('exec', id, 'sh', '-c', script);

  test('run: output, exit code, input and removal', async () => {
    const script = 'cat; echo err >&2; exit 7';
    const result = await engine().docker(['run', '--rm', '-i', await image(), 'sh', '-c', script], { input: 'in' });
    assert.deepEqual(result, { code: 7, stdout: 'in', stderr: 'err\n' });
    assert.equal(await docker('ps', '-aq'), '');
  });

  test('exec, logs, top, stop and start again', async () => {
    const id = await docker('run', '-d', await image(), 'sh', '-c', 'echo begun; echo x >> /f; exec sleep 1000');
    await eventually('it logs', async () => (await docker('logs', id)) === 'begun');
    assert.equal(await exec(id, 'cat /f; hostname'), `x\n${id.slice(0, 12)}`);
    assert.match(await docker('top', id), /sleep 1000/);
    await docker('stop', '-t0', id);
    assert.equal(await docker('inspect', '--format={{.State.ExitCode}}', id), '137');
    await docker('start', id);
    assert.equal(await exec(id, 'cat /f'), 'x\nx');
    assert.match(await docker('diff', id), /A \/f/);
  });

  test('limits are in the cgroup, stats tell the use, pause stops everything', async () => {
    const limits = ['--memory=64m', '--cpus=0.5', '--pids-limit=40'];
    const id = await docker('run', '-d', ...limits, await image(), 'sh', '-c', 'while :; do usleep 1000; done');
    const read = (v1: string, v2: string) =>
      exec(id, `cat /sys/fs/cgroup/${v1} 2>/dev/null || cat /sys/fs/cgroup/${v2}`);
    assert.equal(await read('memory/memory.limit_in_bytes', 'memory.max'), String(64 << 20));
    assert.equal(await read('pids/pids.max', 'pids.max'), '40');
    assert.match(await read('cpu/cpu.cfs_quota_us', 'cpu.max'), /^50000( 100000)?$/);
    const stats = async () =>
      (await engine().api('GET', `/containers/${id}/stats?stream=0&one-shot=1`)).json<{
        cpu_stats: { cpu_usage: { total_usage: number } };
        memory_stats: { limit: number };
      }>();
    const first = await stats();
    assert.equal(first.memory_stats.limit, 64 << 20);
    const use = async () => (await stats()).cpu_stats.cpu_usage.total_usage;
    await eventually('it uses the processor', async () => (await use()) > first.cpu_stats.cpu_usage.total_usage);
    await docker('pause', id);
    const paused = await use();
    assert.equal(await use(), paused);
    assert.equal(await docker('inspect', '--format={{.State.Status}}', id), 'paused');
    await docker('unpause', id);
    await eventually('it goes on', async () => (await use()) > paused);
  });

  test('a volume, a tmpfs and a published port', async () => {
    const mounts = ['-v', 'data:/data', '--tmpfs=/scratch:size=1m', '-p', '127.0.0.1:18080:80'];
    const script = 'echo hello > /data/index.html; exec httpd -f -p 80 -h /data';
    const id = await docker('run', '-d', ...mounts, await image(), 'sh', '-c', script);
    assert.match(await exec(id, 'df -k /scratch | tail -n 1'), / 1024 /);
    assert.equal(await eventually('it serves', () => engine().fetch('http://127.0.0.1:18080/')), 'hello');
    await docker('rm', '-f', id);
    assert.equal(await docker('run', '--rm', '-v', 'data:/data', await image(), 'cat', '/data/index.html'), 'hello');
  });

  test('the engine is killed and finds its container again; an image is made of it', async () => {
    const id = await docker('run', '-d', await image(), 'sh', '-c', 'echo made > /made; rm /bin/cat; exec sleep 1000');
    await engine().stop('SIGKILL');
    await engine().start();
    assert.equal(await exec(id, 'read -r line < /made; echo "$line"'), 'made');
    await docker('commit', id, 'smoke:1');
    const script = '[ -e /bin/cat ] || echo gone; read -r line < /made; echo "$line"';
    assert.equal(await docker('run', '--rm', 'smoke:1', 'sh', '-c', script), 'gone\nmade');
  });
}
