import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';

const image = 'gantry-test/busybox:1';

/** The fields of `GET /info` in every version, sorted. */
const always = (
  'Architecture CDISpecDirs CPUSet CPUShares CgroupDriver CgroupVersion ContainerdCommit Containers ContainersPaused ' +
  'ContainersRunning ContainersStopped CpuCfsPeriod CpuCfsQuota Debug DefaultRuntime DockerRootDir Driver DriverStatus ' +
  'ExperimentalBuild GenericResources HttpProxy HttpsProxy ID IPv4Forwarding Images IndexServerAddress InitBinary ' +
  'InitCommit Isolation KernelVersion Labels LiveRestoreEnabled LoggingDriver MemTotal MemoryLimit NCPU NEventsListener ' +
  'NFd NGoroutines Name NoProxy OSType OSVersion OomKillDisable OperatingSystem PidsLimit Plugins RegistryConfig ' +
  'RuncCommit Runtimes SecurityOptions ServerVersion SwapLimit Swarm SystemTime Warnings'
).split(' ');

/** Fields that came or went: in which minor API versions they are there. */
const byVersion: readonly (readonly [string, (minor: number) => boolean])[] = [
  ['KernelMemory', (minor) => minor < 42],
  ['BridgeNfIptables', (minor) => minor < 50],
  ['BridgeNfIp6tables', (minor) => minor < 50],
  ['FirewallBackend', (minor) => minor >= 49],
];

/** Where the kernel has the limit; where there is a containerd; this engine's own. */
const sometimes = new Set(['KernelMemoryTCP', 'Containerd', 'Gantry']);

engineSuite(
  'what the engine tells of itself',
  { flags: ['--metrics-addr=127.0.0.1:9323'], runtimes: ['runc'] },
  (engine) => {
    type Info = Record<string, Record<string, unknown>> & { SecurityOptions: string[]; KernelMemoryTCP?: boolean };
    const info = async (minor: number): Promise<Info> => {
      const answer = await engine().api('GET', `/v1.${minor}/info`);
      assert.equal(answer.status, 200);
      return answer.json<Info>();
    };

    test('info has the fields of each API version', async () => {
      for (const minor of [24, 25, 41, 42, 46, 47, 48, 49, 50, 51]) {
        const shown = await info(minor);
        const expected = [...always, ...byVersion.filter(([, isThere]) => isThere(minor)).map(([name]) => name)];
        const fields = Object.keys(shown).filter((name) => !sometimes.has(name));
        assert.deepEqual(fields.sort(), expected.sort(), `API 1.${minor}`);
        assert.equal('Expected' in (shown['RuncCommit'] ?? {}), minor < 49);
        assert.equal('AllowNondistributableArtifactsCIDRs' in (shown['RegistryConfig'] ?? {}), minor < 47);
        assert.equal(shown.SecurityOptions.includes('seccomp'), minor < 25);
        assert.equal(shown.SecurityOptions.includes('name=seccomp,profile=builtin'), minor >= 25);
      }
    });

    test('runc is also known by the name of its shim', async () => {
      const { Runtimes = {} } = await info(51);
      assert.ok('io.containerd.runc.v2' in Runtimes);
      const run = ['run', '--rm', '--runtime=io.containerd.runc.v2', image, 'echo', 'here'];
      assert.equal(await engine().dockerOk(run), 'here');
    });

    test('socket buffers are limited where info says so', async () => {
      const { KernelMemoryTCP = false } = await info(51);
      const body = { Image: image, HostConfig: { KernelMemoryTCP: 4_194_304 } };
      const created = await engine().api('POST', '/v1.51/containers/create', body);
      assert.equal(created.status, 201);
      const { Id, Warnings } = created.json<{ Id: string; Warnings: string[] }>();
      const shown = await engine().api('GET', `/v1.51/containers/${Id}/json`);
      const { HostConfig } = shown.json<{ HostConfig: { KernelMemoryTCP?: number } }>();
      if (KernelMemoryTCP) {
        assert.deepEqual([HostConfig.KernelMemoryTCP, Warnings], [4_194_304, []]);
        // Docker's runtime writes no such limit: runc dropped it.
        if (isOracle()) return;
        const script = 'cat /sys/fs/cgroup/memory/memory.kmem.tcp.limit_in_bytes';
        const limited = await engine().api('POST', '/v1.51/containers/create', {
          Image: image,
          Cmd: ['sh', '-c', script],
          HostConfig: { KernelMemoryTCP: 4_194_304, Runtime: 'crun' },
        });
        const { Id: reader } = limited.json<{ Id: string }>();
        assert.equal(await engine().dockerOk(['start', '-a', reader]), '4194304');
      } else assert.match(Warnings.join(), /kernel memory TCP limit/);
      const old = await engine().api('POST', '/v1.39/containers/create', body);
      const { Id: ignored } = old.json<{ Id: string }>();
      const seen = await engine().dockerOk(['inspect', '-f', '{{.HostConfig.KernelMemoryTCP}}', ignored]);
      assert.equal(seen, '0');
    });

    test('the families of metrics that dashboards use', async () => {
      const check = ['--health-cmd=false', '--health-interval=100ms'];
      const id = await engine().dockerOk(['run', '-d', ...check, image, 'sleep', '1000']);
      const read = () => engine().fetch('http://127.0.0.1:9323/metrics');
      await eventually('a check was made', async () => /health_checks_total [1-9]/.test(await read()));
      await engine().dockerOk(['rm', '-f', id]);
      const text = await read();
      const families = [
        ['container_actions_seconds', 'histogram'],
        ['container_states_containers', 'gauge'],
        ['engine_cpus_cpus', 'gauge'],
        ['engine_info', 'gauge'],
        ['engine_memory_bytes', 'gauge'],
        ['events_subscribers_total', 'gauge'],
        ['events_total', 'counter'],
        ['health_check_start_duration_seconds', 'histogram'],
        ['health_checks_failed_total', 'counter'],
        ['health_checks_total', 'counter'],
        ['network_actions_seconds', 'histogram'],
      ];
      for (const [name = '', type = ''] of families) {
        assert.ok(text.includes(`\n# TYPE engine_daemon_${name} ${type}\n`), name);
      }
      for (const action of ['changes', 'commit', 'create', 'delete', 'start'])
        assert.match(
          text,
          new RegExp(`^engine_daemon_container_actions_seconds_count\\{action="${action}"\\} \\d`, 'm'),
        );
      for (const action of ['allocate', 'release'])
        assert.match(
          text,
          new RegExp(`^engine_daemon_network_actions_seconds_count\\{action="${action}"\\} [1-9]`, 'm'),
        );
      const [labels = ''] = /^engine_daemon_engine_info\{(.*)\} 1$/m.exec(text)?.slice(1) ?? [];
      const names = [...labels.matchAll(/(\w+)="/g)].map(([, name = '']) => name);
      const expected = 'architecture commit daemon_id graphdriver kernel os os_type os_version version';
      assert.deepEqual(names.sort(), expected.split(' '));
      assert.match(text, /^engine_daemon_health_checks_failed_total \d+$/m);
      assert.match(labels, /architecture="(x86_64|aarch64)"/);
      for (const name of ['process_max_fds', 'process_open_fds']) assert.match(text, new RegExp(`^${name} [1-9]`, 'm'));
    });
  },
);
