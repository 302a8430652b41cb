import { runtimesForm, ulimitsForm } from './forms.ts';
import { always, bytes, list, map, number, objects, type Setting, text, toggle, whenOff } from './setting.ts';

const noRealTime = always('real-time budgets are not given to the cgroup of this engine');

/** What containers begin with. */
export const containerSettings: readonly Setting[] = [
  text('userns-remap', 'User namespace of containers that name none: default, or USER[:GROUP] of /etc/subuid'),
  text('userns-auto-user', 'User whose ids of /etc/subuid containers with a user namespace of their own get', {
    own: 'setting',
  }),
  text('cgroup-parent', 'Cgroup that holds the containers'),
  text('default-runtime', 'OCI runtime of containers that name none'),
  objects('add-runtime', 'Another OCI runtime: NAME=PATH', { key: 'runtimes', form: runtimesForm }),
  text('log-driver', 'Log driver of containers that name none'),
  map('log-opt', 'Options of the log driver: max-size, max-file, ...', { key: 'log-opts' }),
  bytes('default-shm-size', 'Size of /dev/shm of containers that name none'),
  text('default-ipc-mode', 'IPC mode of containers that name none: private or shareable'),
  text('default-cgroupns-mode', 'Cgroup namespace of containers that name none: private or host'),
  objects('default-ulimit', 'Limits of containers that name none: NAME=SOFT[:HARD]', {
    key: 'default-ulimits',
    form: ulimitsForm,
  }),
  toggle('init', 'Run an init in containers that do not say'),
  text('init-path', 'Program to run as init'),
  toggle('no-new-privileges', 'Set no-new-privileges for containers that do not say'),
  text('seccomp-profile', 'Filter of system calls: builtin, unconfined or a file'),
  list('cdi-spec-dir', 'Directories of CDI specifications', { key: 'cdi-spec-dirs' }),
  list('exec-opt', 'Options of the runtime: native.cgroupdriver', { key: 'exec-opts', note: execOptionNote }),
  number('oom-score-adjust', "The engine's own score for the out-of-memory killer", {
    note: always('it is set where the engine is started: OOMScoreAdjust= of its unit'),
  }),
  number('cpu-rt-period', 'Real-time period of the containers in microseconds', { note: noRealTime }),
  number('cpu-rt-runtime', 'Real-time budget of the containers in microseconds', { note: noRealTime }),
  toggle('userland-proxy', 'Forward published ports by a process where the kernel cannot', {
    note: whenOff('the kernel forwards wherever it can; ::1 is always forwarded by a process'),
  }),
  text('userland-proxy-path', 'Program that forwards ports', {
    note: always("this engine forwards ports by a part of its own, not by Docker's program"),
  }),
];

function execOptionNote(value: unknown): string | undefined {
  const systemd = (value as readonly string[]).includes('native.cgroupdriver=systemd');
  return systemd ? 'cgroups are made directly (cgroupfs), never by systemd' : undefined;
}
