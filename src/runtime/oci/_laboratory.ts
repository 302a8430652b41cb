/** Real containers that run a script and print what it found, for tests of what a specification does in the kernel. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type ContainerId, newContainerId } from '../../base/ids.ts';
import type { LaunchProcess, LaunchRequest } from '../../spec/contract/launch.ts';
import { emptyHostConfig } from '../../spec/engine/empty-config.ts';
import type { HostConfig } from '../../spec/engine/container.ts';
import { removeCgroup } from '../../sys/cgroup/cgroup.ts';
import { readCgroupLayout } from '../../sys/cgroup/layout.ts';
import { readHostFacts } from './facts.ts';
import type { HostFacts } from './host.ts';
import { serializeSpec } from './serialize.ts';
import { buildContainerSpec, buildExecProcess } from './spec.ts';

const run = promisify(execFile);

/** Why real containers cannot run here; false when they can. */
export function skipReason(): string | false {
  if (process.getuid?.() !== 0) return 'containers need root';
  for (const program of ['/usr/bin/crun', '/usr/sbin/runc']) {
    if (!existsSync(program)) return `${program} is not installed`;
  }
  return false;
}

export interface Question {
  readonly runtime: string;
  /** As the container's first process, or as an exec beside it. */
  readonly how: 'run' | 'exec';
  /** A CommonJS script for Node; it prints one JSON value. `process.argv[1]` is `argument`. */
  readonly script: string;
  readonly argument?: string;
  readonly config?: Partial<HostConfig> | undefined;
  readonly uid?: number;
}

export interface Laboratory {
  /** What the script printed. */
  readonly ask: (question: Question) => Promise<unknown>;
  readonly close: () => Promise<void>;
}

/** The containers' root holds Node and the host's libraries, read-only. */
export async function openLaboratory(): Promise<Laboratory> {
  const base = await mkdtemp(join(tmpdir(), 'laboratory-'));
  const rootfs = join(base, 'rootfs');
  for (const name of ['dev', 'proc', 'sys', 'tmp', 'usr', 'lib', 'lib64']) {
    await mkdir(join(rootfs, name), { recursive: true });
  }
  await copyFile(process.execPath, join(rootfs, 'node'));
  const cgroupParent = `/gantry-test-${base.slice(-6)}`;
  const host = await readHostFacts({
    cgroupParent,
    defaults: { noNewPrivileges: false, pidsLimit: undefined, seccomp: undefined },
  });
  const ask = async (question: Question): Promise<unknown> => {
    const id = newContainerId();
    const bundle = join(base, id);
    await mkdir(bundle);
    const runtime = (...args: string[]): Promise<string> =>
      inPrivateView(host.cgroup === 'hybrid', [question.runtime, '--root', join(base, 'state'), ...args]);
    return JSON.parse(await answer(question, id, { rootfs, bundle, host, runtime }));
  };
  const close = async (): Promise<void> => {
    await removeCgroup(await readCgroupLayout(), cgroupParent);
    await rm(base, { recursive: true, force: true });
  };
  return { ask, close };
}

interface Place {
  readonly rootfs: string;
  readonly bundle: string;
  readonly host: HostFacts;
  readonly runtime: (...args: string[]) => Promise<string>;
}

async function answer(question: Question, id: ContainerId, { rootfs, bundle, host, runtime }: Place): Promise<string> {
  const asking = processOf(['/node', '-e', question.script, question.argument ?? ''], question.uid ?? 0);
  const waiting = processOf(['/node', '-e', 'setInterval(() => {}, 1e6)'], question.uid ?? 0);
  const hostConfig = { ...emptyHostConfig(), ...question.config };
  const request = requestOf(id, rootfs, question.how === 'run' ? asking : waiting, hostConfig);
  const { spec } = await buildContainerSpec(request, host);
  await writeFile(join(bundle, 'config.json'), serializeSpec(spec));
  if (question.how === 'run') return runtime('run', '--bundle', bundle, id);
  try {
    await runtime('run', '--detach', '--bundle', bundle, '--pid-file', join(bundle, 'pid'), id);
    const { process } = buildExecProcess({ process: asking, hostConfig, privileged: false }, host);
    await writeFile(join(bundle, 'exec.json'), serializeSpec(process));
    return await runtime('exec', '--process', join(bundle, 'exec.json'), id);
  } finally {
    await runtime('delete', '--force', id);
  }
}

const processOf = (args: string[], uid: number): LaunchProcess => ({
  args,
  env: ['PATH=/bin', 'NODE_NO_WARNINGS=1'],
  cwd: '/',
  user: { uid, gid: uid, additionalGids: [uid] },
  tty: false,
  openStdin: false,
  stdinOnce: false,
});

function requestOf(id: ContainerId, rootfs: string, process: LaunchProcess, hostConfig: HostConfig): LaunchRequest {
  const fresh = { kind: 'new' } as const;
  const mounts = ['/usr', '/lib', '/lib64'].filter(existsSync).map((path) => {
    return { kind: 'bind', source: path, target: path, readOnly: true, recursive: false, propagation: '' } as const;
  });
  return {
    id,
    name: 'laboratory',
    rootfs,
    hostname: 'laboratory',
    domainname: '',
    process,
    hostConfig,
    mounts,
    namespaces: { network: fresh, pid: fresh, ipc: fresh, uts: fresh, cgroup: { kind: 'host' } },
    directory: rootfs,
    logPath: '',
    logGuardBytes: 0,
    runtime: '',
    useInit: false,
  };
}

/** crun refuses a hybrid tree of cgroups: it gets a view of its own without the v2 part. */
async function inPrivateView(hybrid: boolean, command: string[]): Promise<string> {
  const hide = hybrid ? 'mount --make-private /sys/fs/cgroup && umount /sys/fs/cgroup/unified && ' : '';
  // A container in the background would keep the output open: it gets none.
  const output = command.includes('--detach') ? '>/dev/null 2>&1' : '';
  const script = `${hide}exec "$0" "$@" ${output}`;
  const { stdout } = await run('unshare', ['--mount', '--propagation', 'unchanged', 'sh', '-c', script, ...command]);
  return stdout;
}
