import {
  allow,
  type Condition,
  ENOSYS,
  EPERM,
  errno,
  intMask,
  type SeccompProfile,
  type SeccompRule,
} from './model.ts';
import { archesOfHost } from './syscalls.ts';

/**
 * What a container may ask of the kernel without special rights, by purpose. Everything else is refused: what is not
 * listed is either useless in a container, or has let containers out before. Calls that only some processors have stand
 * beside their kin; a processor without them passes over the name. `64`, `32` and `_time64` variants are the same call
 * for another width of its numbers.
 */
const always: Readonly<Record<string, string>> = {
  'open and close':
    'open openat openat2 creat close close_range dup dup2 dup3 fcntl fcntl64 pipe pipe2 ' +
    'name_to_handle_at memfd_create memfd_secret',
  'read and write':
    'read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 lseek _llseek ioctl ' +
    'sendfile sendfile64 splice tee vmsplice copy_file_range readahead cachestat',
  'size, place and durability of files':
    'truncate truncate64 ftruncate ftruncate64 fallocate fadvise64 fadvise64_64 arm_fadvise64_64 flock sync syncfs ' +
    'fsync fdatasync sync_file_range sync_file_range2 arm_sync_file_range',
  'asynchronous files, the old way (io_uring is not here: it acts behind the back of this filter)':
    'io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64',
  'what files are like':
    'stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx access faccessat faccessat2 ' +
    'statfs statfs64 fstatfs fstatfs64 statmount listmount readlink readlinkat getdents getdents64 getcwd',
  'change names and directories':
    'mkdir mkdirat rmdir rename renameat renameat2 link linkat unlink unlinkat symlink symlinkat ' +
    'mknod mknodat chdir fchdir',
  'owners, modes, times and attributes':
    'chmod fchmod fchmodat fchmodat2 chown chown32 fchown fchown32 lchown lchown32 fchownat umask ' +
    'utime utimes futimesat utimensat utimensat_time64 ' +
    'getxattr lgetxattr fgetxattr getxattrat setxattr lsetxattr fsetxattr setxattrat ' +
    'listxattr llistxattr flistxattr listxattrat removexattr lremovexattr fremovexattr removexattrat',
  'watch files': 'inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark',
  'wait for events':
    'select _newselect pselect6 pselect6_time64 poll ppoll ppoll_time64 epoll_create epoll_create1 ' +
    'epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd eventfd2 ' +
    'signalfd signalfd4 timerfd_create timerfd_settime timerfd_settime64 timerfd_gettime timerfd_gettime64',
  memory:
    'brk mmap mmap2 munmap mremap mprotect madvise mincore msync mlock mlock2 mlockall munlock munlockall ' +
    'remap_file_pages membarrier mseal map_shadow_stack pkey_alloc pkey_free pkey_mprotect process_mrelease',
  'begin and end of processes and threads (clone has a rule of its own)':
    'fork vfork execve execveat exit exit_group wait4 waitid waitpid set_tid_address ' +
    'set_robust_list get_robust_list rseq restart_syscall pidfd_open',
  'locks between threads': 'futex futex_time64 futex_waitv futex_wake futex_wait futex_requeue',
  'who a process is':
    'getpid getppid gettid getpgid getpgrp setpgid getsid setsid getuid getuid32 geteuid geteuid32 ' +
    'getgid getgid32 getegid getegid32 getresuid getresuid32 getresgid getresgid32 getgroups getgroups32',
  'change who a process is (the kernel asks for a capability where it has to)':
    'setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid setresuid32 ' +
    'setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32 capget capset',
  'give up rights': 'seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self prctl',
  signals:
    'kill tkill tgkill pidfd_send_signal rt_sigaction rt_sigprocmask rt_sigpending rt_sigsuspend rt_sigreturn ' +
    'rt_sigtimedwait rt_sigtimedwait_time64 rt_sigqueueinfo rt_tgsigqueueinfo sigaltstack sigprocmask sigreturn pause',
  'time and timers (setting the clock is not here; adjtimex only reads without the capability)':
    'time times gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 clock_adjtime ' +
    'clock_adjtime64 adjtimex clock_nanosleep clock_nanosleep_time64 nanosleep alarm getitimer setitimer ' +
    'timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64',
  'limits and scheduling':
    'getrlimit ugetrlimit setrlimit prlimit64 getrusage getpriority setpriority ioprio_get ioprio_set getcpu ' +
    'sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam sched_setparam ' +
    'sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min sched_rr_get_interval ' +
    'sched_rr_get_interval_time64',
  'about the system': 'uname sysinfo getrandom',
  'sockets (socket and socketcall have rules of their own)':
    'socketpair bind connect listen accept accept4 shutdown getsockname getpeername getsockopt setsockopt ' +
    'send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64',
  'message queues, semaphores and shared memory of the IPC namespace':
    'ipc msgget msgsnd msgrcv msgctl semget semop semctl semtimedop semtimedop_time64 shmget shmat shmdt shmctl ' +
    'mq_open mq_unlink mq_timedsend mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64 mq_notify mq_getsetattr',
  'threads of single processors': 'arch_prctl modify_ldt set_thread_area get_thread_area set_tls cacheflush breakpoint',
};

/** Calls that come with a capability: without it the kernel refuses most of them too, but its code is not reached. */
const withCapability: Readonly<Record<string, string>> = {
  CAP_DAC_READ_SEARCH: 'open_by_handle_at',
  CAP_SYS_ADMIN:
    'bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules ' +
    'lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname ' +
    'sethostname setns syslog umount umount2 unshare',
  CAP_SYS_BOOT: 'reboot',
  CAP_SYS_CHROOT: 'chroot',
  CAP_SYS_MODULE: 'delete_module init_module finit_module',
  CAP_SYS_PACCT: 'acct',
  CAP_SYS_PTRACE: 'kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace',
  CAP_SYS_RAWIO: 'iopl ioperm',
  CAP_SYS_TIME: 'settimeofday stime clock_settime clock_settime64',
  CAP_SYS_TTY_CONFIG: 'vhangup',
  CAP_SYS_NICE: 'get_mempolicy mbind set_mempolicy set_mempolicy_home_node',
  CAP_SYSLOG: 'syslog',
  CAP_BPF: 'bpf',
  CAP_PERFMON: 'perf_event_open',
};

/** Since Linux 4.8 a traced process cannot slip past its filter any more (seccomp(2), CAVEATS). */
const tracing = 'ptrace process_vm_readv process_vm_writev';

const words = (text: string): string[] => text.split(' ');

/** A test of an `int` argument: the kernel never sees the upper half, so neither does the test. */
const int = (index: number, op: Condition['op'], value: number): Condition => ({
  index,
  op,
  value: BigInt(value),
  mask: intMask,
});

const AF_ALG = 38;
/** Kernel cryptography (AF_ALG, a source of holes) and virtual machine sockets (AF_VSOCK, 40) stay closed. */
const socketFamilies: readonly (readonly Condition[])[] = [
  [int(0, 'lt', AF_ALG)],
  // AF_KCM 41, AF_QIPCRTR, AF_SMC, AF_XDP, AF_MCTP 45; and AF_NFC 39.
  ...[39, 41, 42, 43, 44, 45].map((family) => [int(0, 'eq', family)]),
];

/**
 * The 32-bit socketcall(2) hides the family behind a pointer, which a filter cannot follow: with it, number 1 (socket)
 * stays closed. C libraries use socket(2) itself since Linux 4.3.
 */
const socketcallNumbers: readonly (readonly Condition[])[] = [[int(0, 'ne', 1)]];

/** Linux, with 32-bit addresses, uname as of 2.6, both; and 0xffffffff, which only asks (personality(2)). */
const personalities = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff].map((value) => [int(0, 'eq', value)]);

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET (clone(2)). */
const namespaceFlags = 0x7e02_0000n;

export interface ProfileInput {
  readonly arch: 'x86_64' | 'aarch64';
  /** Linux major and minor version. */
  readonly kernel: readonly [number, number];
  /** The container's bounding set. */
  readonly capabilities: readonly string[];
}

/** The filter of a container that asks for none: calls that are not allowed fail with EPERM. */
export function defaultProfile({ arch, kernel, capabilities }: ProfileInput): SeccompProfile {
  const rules: SeccompRule[] = [];
  const permit = (names: readonly string[], anyOf: SeccompRule['anyOf'] = []): void => {
    rules.push({ names, action: allow, anyOf });
  };
  permit(Object.values(always).flatMap(words));
  if (kernel[0] > 4 || (kernel[0] === 4 && kernel[1] >= 8)) permit(words(tracing));
  for (const capability of capabilities) {
    const names = withCapability[capability];
    if (names !== undefined) permit(words(names));
  }
  permit(['socket'], socketFamilies);
  permit(['socketcall'], socketcallNumbers);
  permit(['personality'], personalities);
  if (!capabilities.includes('CAP_SYS_ADMIN')) {
    permit(['clone'], [[{ index: 0, op: 'eq', value: 0n, mask: namespaceFlags }]]);
    // Its flags are behind a pointer. ENOSYS makes C libraries fall back to clone(2).
    rules.push({ names: ['clone3'], action: errno(ENOSYS), anyOf: [] });
  }
  return { defaultAction: errno(EPERM), arches: archesOfHost(arch), rules, flags: undefined };
}
