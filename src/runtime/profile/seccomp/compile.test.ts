import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { runFilter } from './bpf-machine.ts';
import { compileProfile, returnValue } from './compile.ts';
import { defaultProfile } from './default-profile.ts';
import { type Condition, decide, fullMask, intMask, type SeccompProfile } from './model.ts';
import { archTable, type SeccompArch } from './syscalls.ts';

const bases: readonly string[][] = [
  [],
  ['CAP_SYS_ADMIN', 'CAP_SYS_PTRACE'],
  ['CAP_SYS_CHROOT', 'CAP_BPF', 'CAP_PERFMON'],
];

/** Compiled program and model agree on one call. */
function agree(profile: SeccompProfile, program: Uint8Array, arch: SeccompArch, number: number, args: bigint[]): void {
  const ran = runFilter(program, { arch: archTable(arch).audit, number, args });
  const said = returnValue(decide(profile, arch, number, args));
  assert.equal(ran, said, `${arch} ${number} ${args.join(' ')}`);
}

test('the default program agrees with its profile on every number of every processor', () => {
  for (const host of ['x86_64', 'aarch64'] as const) {
    for (const capabilities of bases) {
      const profile = defaultProfile({ arch: host, kernel: [6, 18], capabilities });
      const program = compileProfile(profile);
      assert.ok(program.length / 8 < 1000, `${program.length / 8} instructions`);
      for (const arch of profile.arches) {
        const numbers = [...Array(480).keys(), 0x3fff_ffff, 0x4000_0000, 0x4000_003b, 0xf0005, 0xffff_ffff];
        for (const number of numbers) agree(profile, program, arch, number, [0n]);
      }
    }
  }
});

test('a foreign processor is killed', () => {
  const program = compileProfile(defaultProfile({ arch: 'x86_64', kernel: [6, 1], capabilities: [] }));
  assert.equal(runFilter(program, { arch: archTable('aarch64').audit, number: 0, args: [] }), 0x8000_0000);
});

const word = fc.oneof(
  fc.bigInt(0n, fullMask),
  fc.constantFrom(0n, 1n, 38n, 40n, intMask, intMask + 1n, fullMask, 0x1_0000_0026n, 0x7e02_0000n),
);
const condition: fc.Arbitrary<Condition> = fc.record({
  index: fc.integer({ min: 0, max: 5 }),
  op: fc.constantFrom('ne', 'lt', 'le', 'eq', 'ge', 'gt'),
  value: word,
  mask: fc.oneof(word, fc.constantFrom(fullMask, intMask)),
});
const action = fc.constantFrom(
  { kind: 'allow', data: 0 } as const,
  { kind: 'errno', data: 1 } as const,
  { kind: 'errno', data: 38 } as const,
  { kind: 'log', data: 0 } as const,
  { kind: 'trap', data: 0 } as const,
  { kind: 'kill-thread', data: 0 } as const,
);
const names = [...archTable('x86_64').numberOf.keys()];
const profiles: fc.Arbitrary<SeccompProfile> = fc.record({
  defaultAction: action,
  arches: fc.constantFrom<readonly SeccompArch[]>(['x86_64', 'i386'], ['x86_64'], ['aarch64', 'arm']),
  rules: fc.array(
    fc.record({
      names: fc.array(fc.constantFrom(...names, 'no_such_call'), { minLength: 1, maxLength: 30 }),
      action,
      anyOf: fc.array(fc.array(condition, { minLength: 1, maxLength: 3 }), { maxLength: 3 }),
    }),
    { maxLength: 12 },
  ),
  flags: fc.constant(undefined),
});

test('any program agrees with its profile', () => {
  fc.assert(
    fc.property(profiles, fc.array(word, { minLength: 6, maxLength: 6 }), (profile, args) => {
      const program = compileProfile(profile);
      const named = profile.rules.flatMap((rule) => rule.names);
      for (const arch of profile.arches) {
        for (const name of named) {
          const number = archTable(arch).numberOf.get(name);
          if (number === undefined) continue;
          agree(profile, program, arch, number, args);
          // Arguments next to the limits of the conditions are where comparisons go wrong.
          for (const rule of profile.rules) {
            for (const { index, value } of rule.anyOf.flat()) {
              for (const near of [value, value + 1n, value - 1n]) {
                agree(profile, program, arch, number, args.with(index, BigInt.asUintN(64, near)));
              }
            }
          }
        }
        for (const number of [0, 3, 59, 334, 335, 423, 467, 1000, 0x4000_0000])
          agree(profile, program, arch, number, args);
      }
    }),
    { numRuns: 60 },
  );
});
