/** A launcher with a root file system out of the host's static busybox, for tests that need real containers. */
import { copyFileSync, existsSync, linkSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Latch } from '../../base/async.ts';
import { newContainerId } from '../../base/ids.ts';
import { silentLogger } from '../../base/log.ts';
import type { Launcher, LaunchProcess, LaunchRequest, StdioSink } from '../../spec/contract/launch.ts';
import type { HostConfig } from '../../spec/engine/container.ts';
import { emptyHostConfig } from '../../spec/engine/empty-config.ts';
import { removeCgroup } from '../../sys/cgroup/cgroup.ts';
import { readCgroupLayout } from '../../sys/cgroup/layout.ts';
import { readHostFacts } from '../oci/facts.ts';
import { openLauncher } from './launcher.ts';

/** Why containers of these runtimes cannot run here; false when they can. */
export function skipReason(runtimes: readonly string[]): string | false {
  if (process.getuid?.() !== 0) return 'containers need root';
  for (const program of ['busybox', 'conmon', ...runtimes]) {
    const places = ['/bin', '/usr/bin', '/usr/sbin'].map((directory) => `${directory}/${program}`);
    if (!places.some((path) => existsSync(path))) return `${program} is not installed`;
  }
  return false;
}

export interface Fixture {
  readonly launcher: Launcher;
  readonly state: string;
  readonly cgroupParent: string;
  readonly request: (runtime: string, process: LaunchProcess, settings?: Partial<HostConfig>) => LaunchRequest;
  /** A second engine over the same state. */
  readonly another: () => Promise<Launcher>;
  readonly close: () => Promise<void>;
}

export async function launcherFixture(): Promise<Fixture> {
  const base = mkdtempSync(join(tmpdir(), 'launcher-'));
  const rootfs = join(base, 'rootfs');
  for (const name of ['bin', 'dev', 'proc', 'sys', 'etc', 'tmp']) mkdirSync(join(rootfs, name), { recursive: true });
  copyFileSync('/bin/busybox', join(rootfs, 'bin/busybox'));
  for (const name of ['sh', 'true', 'sleep', 'cat', 'stty', 'head', 'tr']) {
    linkSync(join(rootfs, 'bin/busybox'), join(rootfs, 'bin', name));
  }
  const cgroupParent = `/gantry-test-${base.slice(-6)}`;
  const host = await readHostFacts({
    cgroupParent,
    defaults: { noNewPrivileges: false, pidsLimit: undefined, seccomp: undefined },
  });
  const state = join(base, 'state');
  const another = () => openLauncher({ stateDirectory: state, host, log: silentLogger });
  const request: Fixture['request'] = (runtime, process, settings = {}) => {
    const id = newContainerId();
    const directory = join(base, id);
    mkdirSync(directory, { mode: 0o700 });
    const fresh = { kind: 'new' } as const;
    return {
      id,
      name: 'test',
      rootfs,
      hostname: 'test',
      domainname: '',
      process,
      hostConfig: hostConfig(settings),
      mounts: [],
      namespaces: { network: fresh, pid: fresh, ipc: fresh, uts: fresh, cgroup: { kind: 'host' } },
      directory,
      logPath: join(directory, 'container.log'),
      logGuardBytes: 0,
      runtime,
      useInit: false,
    };
  };
  const close = async () => {
    await removeCgroup(await readCgroupLayout(), cgroupParent);
    rmSync(base, { recursive: true, force: true });
  };
  return { launcher: await another(), state, cgroupParent, request, another, close };
}

export const processOf = (args: string[], more: Partial<LaunchProcess> = {}): LaunchProcess => ({
  args,
  env: ['PATH=/bin'],
  cwd: '/',
  user: { uid: 0, gid: 0, additionalGids: [] },
  tty: false,
  openStdin: false,
  stdinOnce: false,
  ...more,
});

/** Docker's defaults. */
export const hostConfig = (settings: Partial<HostConfig> = {}): HostConfig => ({
  ...emptyHostConfig(),
  LogConfig: { Type: 'json-file', Config: {} },
  NetworkMode: 'none',
  RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
  ...settings,
});

/** A client that keeps what it gets. */
export function collect(): StdioSink & {
  text(stream: 1 | 2): string;
  ended: Promise<void>;
  until(text: string): Promise<void>;
} {
  const parts: Record<1 | 2, Buffer[]> = { 1: [], 2: [] };
  const end = new Latch();
  const waiting: { text: string; resolve: () => void }[] = [];
  const text = (stream: 1 | 2) => Buffer.concat(parts[stream]).toString();
  return {
    write: (stream, bytes) => {
      parts[stream].push(Buffer.from(bytes));
      for (const wait of waiting) if (text(1).includes(wait.text)) wait.resolve();
    },
    end: () => end.set(),
    text,
    ended: end.wait(),
    until: (wanted) => new Promise((resolve) => waiting.push({ text: wanted, resolve })),
  };
}
