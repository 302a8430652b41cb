/**
 * The profile as the kernel enforces it: a probe makes system calls inside real containers, once through crun, which
 * takes the compiled program, once through runc, which compiles `linux.seccomp` itself.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HostConfig } from '../../spec/engine/container.ts';
import { defaultCapabilities } from '../profile/capabilities.ts';
import { defaultProfile } from '../profile/seccomp/default-profile.ts';
import { decide, type SeccompAction } from '../profile/seccomp/model.ts';
import { archTable } from '../profile/seccomp/syscalls.ts';
import { type Laboratory, openLaboratory, skipReason } from './_laboratory.ts';
import { readHostFacts } from './facts.ts';

const skip = process.arch === 'x64' ? skipReason() : 'the probe knows x86_64 only';

/** A system call of the probe: its number and up to three arguments. */
type Call = readonly [number: number, ...args: (number | bigint)[]];

/** Makes each call and prints its errno, 0 for success. Runs as CommonJS inside the container. */
const probe = `
const ffi = require('node:ffi');
const { functions: c } = ffi.dlopen(null, {
  syscall: { arguments: ['i64', 'u64', 'u64', 'u64', 'u64', 'u64', 'u64'], return: 'i64' },
  __errno_location: { arguments: [], return: 'pointer' },
});
const errno = c.__errno_location();
const results = JSON.parse(process.argv[1]).map(([number, ...args]) => {
  const full = [0, 1, 2, 3, 4, 5].map((at) => BigInt.asUintN(64, BigInt(args[at] ?? 0)));
  return c.syscall(BigInt(number), ...full) < 0n ? ffi.getInt32(errno) : 0;
});
console.log(JSON.stringify(results));
`;

/** The errno of each call. */
function ask(
  laboratory: Laboratory,
  runtime: string,
  how: 'run' | 'exec',
  calls: readonly Call[],
  config?: Partial<HostConfig>,
): Promise<number[]> {
  const text = JSON.stringify(calls, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
  return laboratory.ask({ runtime, how, script: probe, argument: text, config }) as Promise<number[]>;
}

const numberOf = (name: string): number => {
  const number = archTable('x86_64').numberOf.get(name);
  assert.ok(number !== undefined, name);
  return number;
};
const errnoOf = ({ kind, data }: SeccompAction): number | undefined => (kind === 'errno' ? data : undefined);

/** Calls that the profile refuses whatever their arguments, and some that it refuses for theirs, with the errno. */
async function refusedCalls(): Promise<[Call, number][]> {
  const { kernel } = await readHostFacts({
    cgroupParent: '/',
    defaults: { noNewPrivileges: false, pidsLimit: undefined, seccomp: undefined },
  });
  const profile = defaultProfile({ arch: 'x86_64', kernel, capabilities: defaultCapabilities });
  // uretprobe and uprobe serve the kernel's own trampolines: it ends any other caller, past all filters.
  const numbers = [...Array(480).keys(), 1000, 0x4000_0000, 0x4000_003b].filter((one) => one !== 335 && one !== 336);
  const all: Call[] = numbers.map((number) => [number, -1]);
  all.push(
    ...[38, 40, 46, 0x1_0000_0026n].map((family): Call => [numberOf('socket'), family, 1]),
    ...[1, 0x40000].map((value): Call => [numberOf('personality'), value]),
    ...[0x1000_0000, 0x2000_0000, 0x4000_0000, 0x0002_0000].map((flag): Call => [numberOf('clone'), flag]),
  );
  return all.flatMap((call): [Call, number][] => {
    const args = call.slice(1).map((value) => BigInt.asUintN(64, BigInt(value)));
    const errno = errnoOf(decide(profile, 'x86_64', call[0], args));
    return errno === undefined ? [] : [[call, errno]];
  });
}

/** Calls that must get through to the kernel. */
const permitted: readonly Call[] = [
  [numberOf('getpid')],
  [numberOf('uname'), 0],
  [numberOf('socket'), 2, 1],
  [numberOf('socket'), 1, 1],
  [numberOf('personality'), 0xffff_ffff],
  [numberOf('chroot'), 0],
  [numberOf('memfd_create'), 0],
  [numberOf('statx'), 0],
];

test('the kernel answers as the profile says, in run and exec', { skip }, async () => {
  const laboratory = await openLaboratory();
  try {
    const refused = await refusedCalls();
    assert.ok(refused.length > 130, `${refused.length} calls`);
    const calls = refused.map(([call]) => call);
    for (const how of ['run', 'exec'] as const) {
      const answers = await ask(laboratory, 'crun', how, [...calls, ...permitted]);
      for (const [at, [call, errno]] of refused.entries())
        assert.equal(answers[at], errno, `crun ${how} ${call.join(' ')}`);
      for (const [at, call] of permitted.entries()) {
        const answer = answers[calls.length + at];
        assert.ok(answer !== 1 && answer !== 38, `crun ${how} ${call.join(' ')}: ${answer}`);
      }
    }
    // runc has its own idea of which numbers are too new: only calls that libseccomp knows by name are compared.
    const named = new Set(
      ['clone3', 'keyctl', 'bpf', 'unshare', 'mount', 'io_uring_setup', 'userfaultfd', 'setns'].map(numberOf),
    );
    const forRunc = refused.filter(
      ([[number, ...args]]) => named.has(number) || (number === numberOf('socket') && args.length === 2),
    );
    assert.ok(forRunc.length > named.size);
    const answers = await ask(
      laboratory,
      'runc',
      'run',
      forRunc.map(([call]) => call),
    );
    for (const [at, [call, errno]] of forRunc.entries()) assert.equal(answers[at], errno, `runc ${call.join(' ')}`);
  } finally {
    await laboratory.close();
  }
});

test('without the filter the same probe sees the calls get through', { skip }, async () => {
  const laboratory = await openLaboratory();
  try {
    const calls: Call[] = [
      [numberOf('io_uring_setup'), 0],
      [numberOf('keyctl'), 0, -3],
      [numberOf('clone3'), 0, 0],
      [numberOf('socket'), 38, 5],
    ];
    const bare = await ask(laboratory, 'crun', 'run', calls, { SecurityOpt: ['seccomp=unconfined'] });
    assert.ok(bare[0] !== 1 && bare[2] !== 38 && bare[1] !== 1 && bare[3] !== 1, bare.join(' '));
  } finally {
    await laboratory.close();
  }
});
