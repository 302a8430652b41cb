import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

interface Stats {
  readonly read: string;
  readonly preread: string;
  readonly num_procs: number;
  readonly pids_stats: { readonly current?: number; readonly limit?: number };
  readonly blkio_stats: Readonly<Record<string, { readonly op: string; readonly value: number }[] | null>>;
  readonly cpu_stats: Cpu;
  readonly precpu_stats: Cpu;
  readonly memory_stats: Readonly<Record<string, unknown>>;
  readonly networks?: Readonly<Record<string, { readonly rx_bytes: number }>>;
}
interface Cpu {
  readonly cpu_usage: { readonly total_usage: number; readonly percpu_usage?: readonly number[] };
  readonly system_cpu_usage?: number;
  readonly online_cpus?: number;
  readonly throttling_data: { readonly throttled_periods: number };
}

const never = '0001-01-01T00:00:00Z';

engineSuite('stats', {}, (engine) => {
  const docker = dockerOf(engine);
  const stats = async (name: string, query: string): Promise<Stats> => {
    const answer = await engine().api('GET', `/v1.51/containers/${name}/stats?${query}`);
    assert.equal(answer.status, 200, answer.text);
    return answer.json<Stats>();
  };

  /** The views of a stream, as they come. */
  function follow(name: string) {
    const views: Stats[] = [];
    let isOver = false;
    const options = { socketPath: engine().paths.socket, path: `/v1.51/containers/${name}/stats`, agent: false };
    const call = request(options, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        const lines = (text + chunk.toString()).split('\n');
        text = lines.pop() ?? '';
        views.push(...lines.filter((line) => line.trim() !== '').map((line) => JSON.parse(line) as Stats));
      });
      response.on('end', () => (isOver = true));
      response.on('error', () => undefined);
    });
    call.on('error', () => undefined);
    call.end();
    const sees = (what: string, test: (views: readonly Stats[]) => boolean) =>
      eventually(what, () => test(views), { timeout: 20_000, every: 50 });
    return { sees, isOver: () => isOver, stop: () => call.destroy(), views };
  }

  test('all fields of a running container: two samples, or one', async () => {
    const load = 'dd if=/dev/zero of=/f bs=1M count=4 2>/dev/null; sync; echo alone; while :; do :; done';
    const flags = ['-m', '64m', '--pids-limit', '40', '--cpu-quota', '10000', '--cpu-period', '100000'];
    await docker.ok('run', '-d', '--name', 'busy', ...flags, busybox, 'sh', '-c', load);
    await eventually('only the shell is left', async () => (await docker.ok('logs', 'busy')) === 'alone', {
      timeout: 60_000,
    });
    const two = await stats('busy', 'stream=false');
    assert.ok(Date.parse(two.read) > Date.parse(two.preread));
    assert.ok(Date.parse(two.preread) > 0);
    assert.ok(two.cpu_stats.cpu_usage.total_usage > two.precpu_stats.cpu_usage.total_usage);
    assert.ok((two.cpu_stats.system_cpu_usage ?? 0) > (two.precpu_stats.system_cpu_usage ?? 0));
    assert.ok((two.cpu_stats.online_cpus ?? 0) >= 1);
    assert.equal(two.num_procs, 0);
    assert.deepEqual(two.pids_stats, { current: 1, limit: 40 });
    assert.equal(two.memory_stats['limit'], 64 << 20);
    await eventually('it is throttled', async () => {
      const { cpu_stats } = await stats('busy', 'stream=false&one-shot=true');
      return cpu_stats.throttling_data.throttled_periods > 0;
    });
    const one = await stats('busy', 'stream=false&one-shot=true');
    assert.equal(one.preread, never);
    assert.equal(one.precpu_stats.cpu_usage.total_usage, 0);
    assert.equal(one.precpu_stats.system_cpu_usage, undefined);
    assert.ok(one.networks?.['eth0'] !== undefined);
    assert.deepEqual(Object.keys(one.blkio_stats).sort(), [
      'io_merged_recursive',
      'io_queue_recursive',
      'io_service_bytes_recursive',
      'io_service_time_recursive',
      'io_serviced_recursive',
      'io_time_recursive',
      'io_wait_time_recursive',
      'sectors_recursive',
    ]);
    if (one.cpu_stats.cpu_usage.percpu_usage !== undefined) {
      // cgroup v1: Docker's own set of counters.
      const names = Object.keys(one.memory_stats['stats'] as object);
      assert.equal(names.filter((name) => name.startsWith('total_')).length, 15, names.join(' '));
      assert.ok(names.includes('hierarchical_memsw_limit') && names.includes('total_inactive_file'));
      assert.ok(!('failcnt' in one.memory_stats));
      const ops = (one.blkio_stats['io_service_bytes_recursive'] ?? []).map(({ op }) => op);
      if (ops.length > 0) assert.deepEqual(ops.slice(0, 3), ['Read', 'Write', 'Sync']);
    } else {
      // cgroup v2: Docker's own choice of counters, and of the disks nothing but bytes.
      const names = Object.keys(one.memory_stats['stats'] as object);
      assert.equal(names.length, 31, names.join(' '));
      assert.ok(names.includes('inactive_file') && names.includes('thp_collapse_alloc'));
      assert.deepEqual(Object.keys(one.memory_stats).sort(), ['limit', 'stats', 'usage']);
      const { io_service_bytes_recursive: bytes, ...others } = one.blkio_stats;
      assert.ok(Object.values(others).every((list) => list === null));
      const ops = (bytes ?? []).map(({ op }) => op);
      if (ops.length > 0) assert.deepEqual(ops.slice(0, 2), ['read', 'write']);
    }
  });

  test('a container that does not run has no figures, one on the host’s network no interfaces', async () => {
    await docker.ok('create', '--name', 'idle', busybox, 'true');
    for (const query of ['stream=false', 'stream=false&one-shot=true']) {
      const view = await stats('idle', query);
      assert.deepEqual([view.read, view.preread, view.pids_stats, view.memory_stats], [never, never, {}, {}]);
      assert.ok(Object.values(view.blkio_stats).every((list) => list === null));
    }
    await docker.ok('run', '-d', '--name', 'shares', '--network', 'host', busybox, 'sleep', '1000');
    assert.equal((await stats('shares', 'stream=false&one-shot=true')).networks, undefined);
  });

  test('a stream goes on while the container starts and stops, and ends with its removal', async () => {
    await docker.ok('create', '--name', 'watched', busybox, 'sleep', '1000');
    const stream = follow('watched');
    const isUp = (view: Stats | undefined) => view !== undefined && view.read !== never;
    await stream.sees('a view without figures', (views) => views.length > 0 && !isUp(views.at(-1)));
    await docker.ok('start', 'watched');
    await stream.sees('figures', (views) => isUp(views.at(-1)) && views.at(-1)?.preread !== never);
    await docker.ok('kill', 'watched');
    await stream.sees('none any more', (views) => !isUp(views.at(-1)));
    await docker.ok('start', 'watched');
    await stream.sees('figures again', (views) => isUp(views.at(-1)));
    await docker.ok('rm', '-f', 'watched');
    await eventually('the stream ends', stream.isOver);
    stream.stop();
  });

  test('docker stats of some, of those that run, and of all', async () => {
    await docker.ok('run', '-d', '--name', 'one', busybox, 'sleep', '1000');
    await docker.ok('run', '-d', '--name', 'two', '-m', '32m', busybox, 'sleep', '1000');
    await docker.ok('create', '--name', 'idle', busybox, 'true');
    const rows = async (...args: string[]) =>
      (await docker.ok('stats', '--no-stream', '--format', '{{.Name}} {{.MemUsage}} {{.PIDs}}', ...args))
        .split('\n')
        .sort();
    const [running, ...more] = await rows('two');
    assert.match(running ?? '', /^two .* \/ 32MiB 1$/);
    assert.deepEqual(more, []);
    assert.deepEqual(
      (await rows()).map((row) => row.split(' ')[0]),
      ['one', 'two'],
    );
    const all = await rows('-a');
    assert.deepEqual(
      all.map((row) => row.split(' ')[0]),
      ['idle', 'one', 'two'],
    );
    assert.match(all[0] ?? '', /^idle 0B \/ 0B 0$/);
    assert.match((await docker('stats', '--no-stream', 'nobody')).stderr, /No such container: nobody/);
  });

  test('contradictions and unknown names', async () => {
    await docker.ok('create', '--name', 'idle', busybox, 'true');
    const bad = await engine().api('GET', '/v1.51/containers/idle/stats?stream=true&one-shot=true');
    assert.equal(bad.status, 400);
    assert.match(bad.text, /cannot have stream=true and one-shot=true/);
    assert.equal((await engine().api('GET', '/v1.51/containers/nobody/stats')).status, 404);
  });
});
