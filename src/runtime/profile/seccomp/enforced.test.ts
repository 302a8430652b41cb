/**
 * The profile as the kernel enforces it: a probe makes system calls inside real containers, once through crun, which
 * takes the compiled program, once through runc, which compiles `linux.seccomp` itself.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { newContainerId } from '../../../base/ids.ts';
import type { HostConfig } from '../../../spec/engine/container.ts';
import { emptyHostConfig } from '../../../spec/engine/empty-config.ts';
import { removeCgroup } from '../../../sys/cgroup/cgroup.ts';
import { readCgroupLayout } from '../../../sys/cgroup/layout.ts';
import { readHostFacts } from '../../oci/facts.ts';
import { serializeSpec } from '../../oci/serialize.ts';
import { buildContainerSpec, buildExecProcess } from '../../oci/spec.ts';
import { decide, type SeccompAction } from './model.ts';
import { defaultProfile } from './default-profile.ts';
import { defaultCapabilities } from '../capabilities.ts';
import { archTable } from './syscalls.ts';

const run = promisify(execFile);

function skipReason(): string | false {
  if (process.getuid?.() !== 0) return 'containers need root';
  if (process.arch !== 'x64') return 'the probe knows x86_64 only';
  for (const program of ['/usr/bin/crun', '/usr/sbin/runc']) {
    if (!existsSync(program)) return `${program} is not installed`;
  }
  return false;
}

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

interface Laboratory {
  /** The errno of each call, made by the container's first process or by an exec. */
  readonly ask: (
    runtime: string,
    how: 'run' | 'exec',
    calls: readonly Call[],
    config?: Partial<HostConfig>,
  ) => Promise<number[]>;
  readonly close: () => Promise<void>;
}

async function openLaboratory(): Promise<Laboratory> {
  const base = await mkdtemp(join(tmpdir(), 'seccomp-'));
  const rootfs = join(base, 'rootfs');
  for (const name of ['dev', 'proc', 'sys', 'usr', 'lib', 'lib64'])
    await mkdir(join(rootfs, name), { recursive: true });
  await copyFile(process.execPath, join(rootfs, 'node'));
  const cgroupParent = `/gantry-test-${base.slice(-6)}`;
  const host = await readHostFacts({ cgroupParent, defaults: { noNewPrivileges: false, pidsLimit: undefined } });
  const fresh = { kind: 'new' } as const;
  const mounts = ['/usr', '/lib', '/lib64'].filter(existsSync).map((path) => {
    return { kind: 'bind', source: path, target: path, readOnly: true, recursive: false, propagation: '' } as const;
  });

  const ask: Laboratory['ask'] = async (runtime, how, calls, config = {}) => {
    const id = newContainerId();
    const bundle = join(base, id);
    await mkdir(bundle);
    const hostConfig = { ...emptyHostConfig(), ...config };
    const asking = [
      '/node',
      '-e',
      probe,
      JSON.stringify(calls, (_, value) => (typeof value === 'bigint' ? String(value) : value)),
    ];
    const waiting = ['/node', '-e', 'setInterval(() => {}, 1e6)'];
    const processOf = (args: string[]) => ({
      args,
      env: ['PATH=/bin', 'NODE_NO_WARNINGS=1'],
      cwd: '/',
      user: { uid: 0, gid: 0, additionalGids: [0] },
      tty: false,
      openStdin: false,
      stdinOnce: false,
    });
    const { spec } = await buildContainerSpec(
      {
        id,
        name: 'probe',
        rootfs,
        hostname: 'probe',
        domainname: '',
        hostConfig,
        mounts,
        runtime,
        process: processOf(how === 'run' ? asking : waiting),
        namespaces: { network: fresh, pid: fresh, ipc: fresh, uts: fresh, cgroup: { kind: 'host' } },
        directory: bundle,
        logPath: '',
        logGuardBytes: 0,
        useInit: false,
      },
      host,
    );
    await writeFile(join(bundle, 'config.json'), serializeSpec(spec));
    const call = (...args: string[]) =>
      inPrivateView(host.cgroup === 'hybrid', [runtime, '--root', join(base, 'state'), ...args]);
    if (how === 'run') return parse(await call('run', '--bundle', bundle, id));
    try {
      await call('run', '--detach', '--bundle', bundle, '--pid-file', join(bundle, 'pid'), id);
      const { process: exec } = buildExecProcess({ process: processOf(asking), hostConfig, privileged: false }, host);
      await writeFile(join(bundle, 'exec.json'), serializeSpec(exec));
      return parse(await call('exec', '--process', join(bundle, 'exec.json'), id));
    } finally {
      await call('delete', '--force', id);
    }
  };
  const close = async (): Promise<void> => {
    await removeCgroup(await readCgroupLayout(), cgroupParent);
    await rm(base, { recursive: true, force: true });
  };
  return { ask, close };
}

const parse = (output: string): number[] => JSON.parse(output) as number[];

/** crun refuses a hybrid tree of cgroups: it gets a view of its own without the v2 part. */
async function inPrivateView(hybrid: boolean, command: string[]): Promise<string> {
  const hide = hybrid ? 'mount --make-private /sys/fs/cgroup && umount /sys/fs/cgroup/unified && ' : '';
  // A container in the background would keep the output open: it gets none.
  const output = command.includes('--detach') ? '>/dev/null 2>&1' : '';
  const script = `${hide}exec "$0" "$@" ${output}`;
  const { stdout } = await run('unshare', ['--mount', '--propagation', 'unchanged', 'sh', '-c', script, ...command]);
  return stdout;
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
    defaults: { noNewPrivileges: false, pidsLimit: undefined },
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

test('the kernel answers as the profile says, in run and exec', { skip: skipReason() }, async () => {
  const laboratory = await openLaboratory();
  try {
    const refused = await refusedCalls();
    assert.ok(refused.length > 130, `${refused.length} calls`);
    const calls = refused.map(([call]) => call);
    for (const how of ['run', 'exec'] as const) {
      const answers = await laboratory.ask('crun', how, [...calls, ...permitted]);
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
    const answers = await laboratory.ask(
      'runc',
      'run',
      forRunc.map(([call]) => call),
    );
    for (const [at, [call, errno]] of forRunc.entries()) assert.equal(answers[at], errno, `runc ${call.join(' ')}`);
  } finally {
    await laboratory.close();
  }
});

test('without the filter the same probe sees the calls get through', { skip: skipReason() }, async () => {
  const laboratory = await openLaboratory();
  try {
    const calls: Call[] = [
      [numberOf('io_uring_setup'), 0],
      [numberOf('keyctl'), 0, -3],
      [numberOf('clone3'), 0, 0],
      [numberOf('socket'), 38, 5],
    ];
    const bare = await laboratory.ask('crun', 'run', calls, { SecurityOpt: ['seccomp=unconfined'] });
    assert.ok(bare[0] !== 1 && bare[2] !== 38 && bare[1] !== 1 && bare[3] !== 1, bare.join(' '));
  } finally {
    await laboratory.close();
  }
});
