import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultCapabilities, knownCapabilities } from '../capabilities.ts';
import { defaultProfile } from './default-profile.ts';
import { decide, type SeccompAction } from './model.ts';
import { archTable, type SeccompArch } from './syscalls.ts';

function verdict(name: string, args: bigint[] = [], capabilities = defaultCapabilities, arch: SeccompArch = 'x86_64') {
  const number = archTable(arch).numberOf.get(name);
  assert.ok(number !== undefined, name);
  const host = arch === 'aarch64' || arch === 'arm' ? 'aarch64' : 'x86_64';
  return shown(decide(defaultProfile({ arch: host, kernel: [6, 1], capabilities }), arch, number, args));
}
const shown = ({ kind, data }: SeccompAction): string => (kind === 'errno' ? `errno ${data}` : kind);

test('what is dangerous stays closed, whatever the processor', () => {
  const closed =
    'io_uring_setup io_uring_enter io_uring_register userfaultfd keyctl add_key request_key kexec_load bpf ' +
    'perf_event_open mount umount2 unshare setns pivot_root swapon swapoff reboot init_module finit_module ' +
    'delete_module acct quotactl open_by_handle_at move_pages mbind set_mempolicy get_mempolicy kcmp pidfd_getfd ' +
    'process_madvise fanotify_init fsopen fsmount fsconfig move_mount open_tree settimeofday clock_settime syslog ' +
    'sethostname setdomainname vhangup nfsservctl lookup_dcookie';
  for (const arch of ['x86_64', 'i386', 'aarch64', 'arm'] as const) {
    for (const name of closed.split(' ')) {
      if (archTable(arch).numberOf.has(name))
        assert.equal(verdict(name, [], defaultCapabilities, arch), 'errno 1', `${arch} ${name}`);
    }
  }
  for (const name of ['iopl', 'ioperm', 'vm86', 'vm86old', 'uselib', '_sysctl', 'stime']) {
    assert.equal(verdict(name, [], defaultCapabilities, 'i386'), 'errno 1', name);
  }
});

test('no capability opens io_uring, keys, userfaultfd or kexec', () => {
  const never = 'io_uring_setup userfaultfd keyctl add_key request_key kexec_load kexec_file_load'.split(' ');
  for (const name of never) assert.equal(verdict(name, [], knownCapabilities), 'errno 1', name);
});

test('capabilities open their calls, and only theirs', () => {
  const cases: [string, string[]][] = [
    ['CAP_SYS_ADMIN', ['mount', 'unshare', 'setns', 'clone3', 'bpf', 'perf_event_open']],
    ['CAP_BPF', ['bpf']],
    ['CAP_PERFMON', ['perf_event_open']],
    ['CAP_DAC_READ_SEARCH', ['open_by_handle_at']],
    ['CAP_SYS_TIME', ['clock_settime']],
    ['CAP_SYSLOG', ['syslog']],
    ['CAP_SYS_CHROOT', ['chroot']],
  ];
  for (const [capability, calls] of cases) {
    for (const name of calls) {
      assert.equal(verdict(name, [], [capability]), 'allow', name);
      assert.notEqual(verdict(name, [], []), 'allow', name);
    }
  }
});

test('clone makes processes and threads, but no namespaces; clone3 is not there', () => {
  const flags: [bigint, string][] = [
    [17n, 'allow'],
    [0x3d0f00n, 'allow'],
    [0x1_0000_0011n, 'allow'],
    ...[0x2000000n, 0x4000000n, 0x8000000n, 0x10000000n, 0x20000000n, 0x40000000n, 0x20000n].map(
      (flag): [bigint, string] => [flag | 17n, 'errno 1'],
    ),
  ];
  for (const [value, wanted] of flags) assert.equal(verdict('clone', [value]), wanted, value.toString(16));
  assert.equal(verdict('clone3'), 'errno 38');
  assert.equal(verdict('clone', [0x10000000n], ['CAP_SYS_ADMIN']), 'allow');
});

test('sockets by family: no kernel cryptography, no virtual machine sockets, not by garbage in the upper half either', () => {
  const cases: [bigint, string][] = [
    [1n, 'allow'],
    [2n, 'allow'],
    [16n, 'allow'],
    [37n, 'allow'],
    [38n, 'errno 1'],
    [39n, 'allow'],
    [40n, 'errno 1'],
    [41n, 'allow'],
    [45n, 'allow'],
    [46n, 'errno 1'],
    [0x1_0000_0026n, 'errno 1'],
    [0xffff_ffff_0000_0002n, 'allow'],
  ];
  for (const [family, wanted] of cases) assert.equal(verdict('socket', [family]), wanted, String(family));
  assert.equal(verdict('socketcall', [1n], defaultCapabilities, 'i386'), 'errno 1');
  assert.equal(verdict('socketcall', [3n], defaultCapabilities, 'i386'), 'allow');
});

test('personality', () => {
  for (const value of [0n, 8n, 0x20000n, 0x20008n, 0xffff_ffffn])
    assert.equal(verdict('personality', [value]), 'allow');
  for (const value of [1n, 0x40000n, 0x400000n]) assert.equal(verdict('personality', [value]), 'errno 1');
});

test('numbers that are not known yet answer ENOSYS, x32 too', () => {
  const profile = defaultProfile({ arch: 'x86_64', kernel: [6, 1], capabilities: defaultCapabilities });
  for (const number of [467, 1000, 0x4000_0000, 0x4000_003b, 0xffff_ffff]) {
    assert.equal(shown(decide(profile, 'x86_64', number, [])), 'errno 38', String(number));
  }
});

test('a kernel that lets a traced process slip past its filter allows no tracing', () => {
  const old = defaultProfile({ arch: 'x86_64', kernel: [4, 7], capabilities: defaultCapabilities });
  assert.equal(shown(decide(old, 'x86_64', 101, [])), 'errno 1');
  assert.equal(verdict('ptrace'), 'allow');
});

test('every name of the profile is a system call of some processor', () => {
  const profile = defaultProfile({ arch: 'x86_64', kernel: [6, 1], capabilities: knownCapabilities });
  const known = new Set(
    (['x86_64', 'i386', 'aarch64', 'arm'] as const).flatMap((arch) => [...archTable(arch).numberOf.keys()]),
  );
  const strange = profile.rules.flatMap((rule) => rule.names).filter((name) => !known.has(name));
  assert.deepEqual(strange, []);
});
