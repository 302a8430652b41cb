import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerConfig, HostConfig } from '../../spec/engine/container.ts';
import { emptyContainerConfig, emptyHostConfig } from '../../spec/engine/empty-config.ts';
import { validateCreate } from './validate.ts';

const facts = {
  cpus: 4,
  runtimes: new Set(['crun', 'runc']),
  onlineCpus: '0-3',
  onlineMems: '0',
  blockLimits: { weight: true, weightDevice: true, throttle: true },
};

interface Given {
  name?: string;
  config?: Partial<ContainerConfig>;
  host?: Partial<HostConfig>;
}
const check = ({ name, config, host }: Given): string[] =>
  validateCreate(
    {
      ...(name === undefined ? {} : { name }),
      Config: { ...emptyContainerConfig(), ...config },
      HostConfig: { ...emptyHostConfig(), ...host },
      EndpointsConfig: {},
    },
    facts,
  );

const mib = 1024 * 1024;
const restart = (Name: string, MaximumRetryCount = 0) =>
  ({ RestartPolicy: { Name, MaximumRetryCount } }) as Partial<HostConfig>;

test('what is right passes', () => {
  const good: Given[] = [
    {},
    { name: 'a1' },
    { name: '/web_1.x-y' },
    { config: { StopSignal: 'SIGRTMIN+3', WorkingDir: '/x', Env: ['A=b', 'C', 'D='] } },
    { host: restart('on-failure', 5) },
    { host: restart('always') },
    { host: { Memory: 6 * mib, MemorySwap: -1, MemoryReservation: 6 * mib } },
    { host: { NanoCpus: 4e9 } },
    { host: { CpusetCpus: '0,2-3', CpusetMems: '0' } },
    { host: { ExtraHosts: ['db:10.0.0.1', 'gw:host-gateway', 'six:::1', 'eq=10.0.0.1'] } },
    { host: { Ulimits: [{ Name: 'nofile', Soft: -1, Hard: -1 }] } },
    { host: { Sysctls: { 'net.core.somaxconn': '1', 'kernel.shmmax': '1' } } },
    { host: { NetworkMode: 'container:other' } },
    { host: { Runtime: 'runc' } },
  ];
  for (const given of good) assert.deepEqual(check(given), [], JSON.stringify(given));
});

const refused: [Given, string][] = [
  [{ name: 'x' }, 'Invalid container name (x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed'],
  [{ name: '../x' }, 'Invalid container name (../x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed'],
  [{ name: 'a b' }, 'Invalid container name (a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed'],
  [{ config: { WorkingDir: 'x' } }, "the working directory 'x' is invalid, it needs to be an absolute path"],
  [{ config: { StopSignal: 'NOPE' } }, 'invalid signal: NOPE'],
  [{ config: { Env: ['=x'] } }, 'invalid environment variable: =x'],
  [{ config: { Healthcheck: { Interval: 5 } } }, 'Interval in Healthcheck cannot be less than 1ms'],
  [{ host: { AutoRemove: true, ...restart('always') } }, "can't create 'AutoRemove' container with restart policy"],
  [{ host: restart('no', 2) }, "invalid restart policy: maximum retry count can only be used with 'on-failure'"],
  [{ host: restart('on-failure', -1) }, 'invalid restart policy: maximum retry count cannot be negative'],
  [
    { host: restart('sometimes') },
    "invalid restart policy: unknown policy 'sometimes'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
  ],
  [{ host: { Memory: 6 * mib - 1 } }, 'Minimum memory limit allowed is 6MB'],
  [
    { host: { Memory: 8 * mib, MemorySwap: 7 * mib } },
    'Minimum memoryswap limit should be larger than memory limit, see usage',
  ],
  [{ host: { MemorySwap: 7 * mib } }, 'You should always set the Memory limit when using Memoryswap limit, see usage'],
  [{ host: { MemorySwappiness: 101 } }, 'Invalid value: 101, valid memory swappiness range is 0-100'],
  [{ host: { NanoCpus: 4e9 + 1 } }, 'range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available'],
  [{ host: { NanoCpus: 1e9, CpuQuota: 5000 } }, 'Conflicting options: Nano CPUs and CPU Quota cannot both be set'],
  [{ host: { CpusetCpus: '0-4' } }, 'Requested CPUs are not available - requested 0-4, available: 0-3'],
  [
    { host: { CpusetCpus: '0-2147483648' } },
    'Invalid value 0-2147483648 for cpuset cpus: invalid format: 0-2147483648',
  ],
  [{ host: { CpusetMems: 'x' } }, 'Invalid value x for cpuset mems: invalid format: x'],
  [{ host: { ShmSize: -1 } }, 'SHM size can not be less than 0'],
  [{ host: { OomScoreAdj: 1001 } }, 'Invalid value 1001, range for oom score adj is [-1000, 1000]'],
  [{ host: { BlkioWeight: 9 } }, 'Range of blkio weight is from 10 to 1000'],
  [
    { host: { Ulimits: [{ Name: 'nofile', Soft: 5, Hard: 3 }] } },
    'ulimit soft limit must be less than or equal to hard limit: 5 > 3',
  ],
  [{ host: { Ulimits: [{ Name: '__proto__', Soft: 1, Hard: 1 }] } }, 'invalid ulimit type: __proto__'],
  [{ host: { ExtraHosts: ['db'] } }, 'bad format for add-host: "db"'],
  [{ host: { ExtraHosts: ['db:1.2.3.400'] } }, 'invalid IP address in add-host: "1.2.3.400"'],
  [{ host: { ExtraHosts: ['a b:1.2.3.4'] } }, 'bad format for add-host: "a b:1.2.3.4"'],
  [{ host: { ExtraHosts: ['db:nowhere'] } }, 'invalid IP address in add-host: "nowhere"'],
  [{ host: { UTSMode: 'host' }, config: { Hostname: 'h' } }, 'conflicting options: hostname and the UTS mode'],
  [
    { host: { NetworkMode: 'container:x' }, config: { Hostname: 'h' } },
    'conflicting options: hostname and the network mode',
  ],
  [
    { host: { NetworkMode: 'container:x', PublishAllPorts: true } },
    'conflicting options: port publishing and the container type network mode',
  ],
  [{ host: { PidMode: 'container:' } }, 'invalid PID mode: container:'],
  [{ host: { IpcMode: 'x' } }, 'invalid IPC mode: x'],
  [
    { host: { Sysctls: { 'kernel.core_pattern': '|/x' } } },
    'sysctl "kernel.core_pattern" is not in a separate kernel namespace',
  ],
  [
    { host: { Sysctls: { 'net.a': '1' }, NetworkMode: 'host' } },
    'sysctl "net.a" not allowed in host network namespace',
  ],
  [{ host: { Sysctls: { 'net/../kernel.core_pattern': '1' } } }, 'invalid sysctl "net/../kernel.core_pattern"'],
  [{ host: { Runtime: '/bin/sh' } }, 'unknown or invalid runtime name: /bin/sh'],
  [{ config: { ExposedPorts: { 'x/tcp': {} } } }, 'invalid port specification: "x/tcp"'],
  [{ config: { ExposedPorts: { '80/icmp': {} } } }, 'invalid proto: icmp'],
  [
    { host: { PortBindings: { '80/tcp': [{ HostIp: '', HostPort: '70000' }] } } },
    'invalid port specification: "70000"',
  ],
  [{ host: { Binds: ['/a:/b', '/c:/b/'] } }, 'Duplicate mount point: /b'],
];

test('what is wrong is refused in words that clients know', () => {
  for (const [given, message] of refused) {
    assert.throws(() => check(given), { code: 'invalid', message }, JSON.stringify(given));
  }
});

test('a dangerous combination is a warning', () => {
  assert.equal(check({ host: { OomKillDisable: true } }).length, 1);
});
