import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HostConfig } from '../../spec/engine/container.ts';
import { emptyHostConfig } from '../../spec/engine/empty-config.ts';
import { knownCapabilities } from '../profile/capabilities.ts';
import { checkHostConfig } from './check.ts';
import type { HostFacts } from './host.ts';

const host: HostFacts = {
  cgroup: 'v2',
  kernel: [6, 1],
  arch: 'x86_64',
  controllers: new Set(['memory', 'io']),
  swapLimit: true,
  kernelMemoryTcp: true,
  blockLimits: { weight: true, weightDevice: true, throttle: true },
  limits: new Map([['RLIMIT_NOFILE', { soft: 10, hard: 10 }]]),
  canRaiseLimits: false,
  oomScoreAdj: 0,
  capabilities: new Set(knownCapabilities),
  initPath: undefined,
  appArmor: { active: false, defaultProfile: undefined },
  extraMaskedPaths: [],
  cgroupParent: '/gantry-test',
  defaults: { noNewPrivileges: false, pidsLimit: undefined, seccomp: undefined },
  devicesAt: () => Promise.resolve([]),
};
const check = (config: Partial<HostConfig>) => checkHostConfig({ ...emptyHostConfig(), ...config }, host);

test('errors of a start come at create already', async () => {
  const refused: Partial<HostConfig>[] = [
    { CapAdd: ['NOPE'] },
    { SecurityOpt: ['typo'] },
    { SecurityOpt: ['seccomp={"defaultAction":"NOPE"}'] },
    { SecurityOpt: ['apparmor=mine'] },
    { DeviceCgroupRules: ['nope'] },
    { Ulimits: [{ Name: 'nope', Soft: 1, Hard: 1 }] },
    { CgroupParent: '../..' },
    { MaskedPaths: ['relative'] },
  ];
  for (const config of refused) await assert.rejects(check(config), { code: 'invalid' }, JSON.stringify(config));
});

test('what the host cannot give is a warning', async () => {
  assert.deepEqual(
    await check({ Devices: [{ PathOnHost: '/dev/x', PathInContainer: '/dev/x', CgroupPermissions: 'r' }] }),
    [],
  );
  const config = { Ulimits: [{ Name: 'nofile', Soft: 11, Hard: 11 }], OomScoreAdj: -1, MemorySwappiness: 1 };
  assert.equal((await check(config)).length, 3);
});
