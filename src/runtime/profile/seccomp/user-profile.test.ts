import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from './model.ts';
import { parseUserProfile } from './user-profile.ts';

const input = { arch: 'x86_64', kernel: [6, 1], capabilities: ['CAP_CHOWN'] } as const;
const parse = (profile: unknown) =>
  parseUserProfile(typeof profile === 'string' ? profile : JSON.stringify(profile), input);

test('actions, errnos, conditions and filters', () => {
  const profile = parse({
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 13,
    archMap: [
      { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] },
      { architecture: 'SCMP_ARCH_S390X', subArchitectures: null },
    ],
    syscalls: [
      { names: ['read', 'no_such'], action: 'SCMP_ACT_ALLOW' },
      { name: 'write', action: 'SCMP_ACT_ERRNO', errnoRet: 5 },
      { names: ['open'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_SYS_ADMIN'] } },
      { names: ['close'], action: 'SCMP_ACT_ALLOW', includes: { arches: ['amd64'], minKernel: '5.0' } },
      { names: ['stat'], action: 'SCMP_ACT_ALLOW', excludes: { caps: ['CAP_CHOWN'] } },
      {
        names: ['personality'],
        action: 'SCMP_ACT_ALLOW',
        args: [
          { index: 0, value: 0, op: 'SCMP_CMP_EQ' },
          { index: 0, value: 8, op: 'SCMP_CMP_EQ' },
        ],
      },
      {
        names: ['clone'],
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: 0, value: 2114060288, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
      },
    ],
  });
  assert.deepEqual(profile.arches, ['x86_64', 'i386']);
  const says = (number: number, ...args: bigint[]) => {
    const { kind, data } = decide(profile, 'x86_64', number, args);
    return kind === 'errno' ? data : kind;
  };
  assert.equal(says(0), 'allow');
  assert.equal(says(1), 5);
  assert.equal(says(2), 13);
  assert.equal(says(3), 'allow');
  assert.equal(says(4), 13);
  assert.equal(says(135, 8n), 'allow');
  assert.equal(says(135, 9n), 13);
  assert.equal(says(56, 17n), 'allow');
  assert.equal(says(56, 0x10000000n), 13);
  assert.equal(says(999), 38);
});

test('a list of what is forbidden lets new calls through, but not the x32 way around it', () => {
  const profile = parse({
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [{ names: ['mkdir'], action: 'SCMP_ACT_ERRNO' }],
  });
  assert.equal(decide(profile, 'x86_64', 999, []).kind, 'allow');
  assert.deepEqual(decide(profile, 'x86_64', 83, []), { kind: 'errno', data: 1 });
  assert.deepEqual(decide(profile, 'x86_64', 0x4000_0000 + 83, []), { kind: 'errno', data: 38 });
});

test('values of 64 bits are read exactly', () => {
  const profile = parse(
    '{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":18446744073709551615,"op":"SCMP_CMP_EQ"}]}]}',
  );
  assert.equal(decide(profile, 'x86_64', 0, [0n, 0xffff_ffff_ffff_ffffn]).kind, 'allow');
  assert.equal(decide(profile, 'x86_64', 0, [0n, 0xffff_ffff_ffff_fffen]).kind, 'errno');
});

test('what is malformed is named', () => {
  const ok = { defaultAction: 'SCMP_ACT_ALLOW' };
  const rule = (more: object) => ({ ...ok, syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW', ...more }] });
  const cases: [unknown, RegExp][] = [
    ['{', /^Decoding seccomp profile failed: /],
    ['[]', /the profile must be an object/],
    [{}, /defaultAction must be a string/],
    [{ defaultAction: 'ALLOW' }, /defaultAction: unknown action "ALLOW"/],
    [{ ...ok, syscalls: {} }, /syscalls must be an array/],
    [{ ...ok, syscalls: [7] }, /syscalls\[0\] must be an object/],
    [rule({ names: [7] }), /syscalls\[0\]\.names\[0\] must be a string/],
    [rule({ name: 'x' }), /use either 'name' or 'names'/],
    [rule({ action: 'x' }), /syscalls\[0\]\.action: unknown action "x"/],
    [rule({ action: 'SCMP_ACT_ERRNO', errnoRet: 1e9 }), /errnoRet is not in the range/],
    [rule({ args: [{ index: 6, op: 'SCMP_CMP_EQ' }] }), /syscalls\[0\]\.args\[0\]\.index/],
    [rule({ args: [{ index: 0, op: 'EQ' }] }), /unknown operator "EQ"/],
    [rule({ args: [{ index: 0, value: -1, op: 'SCMP_CMP_EQ' }] }), /args\[0\]\.value must be/],
    [rule({ includes: { minKernel: 'x' } }), /minKernel: invalid kernel version "x"/],
    [{ ...ok, architectures: ['SCMP_ARCH_X86'], archMap: [{ architecture: 'x' }] }, /use either 'architectures'/],
  ];
  for (const [profile, message] of cases) {
    assert.throws(() => parse(profile), { code: 'invalid', message }, JSON.stringify(profile));
  }
  assert.throws(() => parse({ defaultAction: 'SCMP_ACT_NOTIFY' }), { code: 'not-implemented' });
});
