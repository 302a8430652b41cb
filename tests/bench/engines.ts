import { type ChildProcess, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, open, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endProcesses, removeCgroups } from '../support/cleanup.ts';
import { repository, unpackPackages } from '../support/docker-client.ts';
import { makeNamespaces, type Namespaces } from '../support/namespaces.ts';
import { ended, must, run } from '../support/run.ts';
import { eventually } from '../support/wait.ts';

/** An engine under measurement, in namespaces of its own. */
export interface Peer extends AsyncDisposable {
  readonly name: string;
  readonly socket: string;
  readonly folder: string;
  readonly namespaces: Namespaces;
  /** Processes whose memory is the engine's own, monitors of containers left out. */
  enginePids(): Promise<readonly number[]>;
  /** Processes that stand beside each container. */
  monitorPids(): Promise<readonly number[]>;
}

interface Starter {
  readonly name: string;
  /** Words that the command lines of the engine's own processes start with, and those of its monitors. */
  readonly engineWords: readonly string[];
  readonly monitorWord: string;
  /** The cgroup that it puts containers into when it does not take one by a flag. */
  readonly ownCgroup?: string;
  /** Prepares the folder; returns the command line to run inside the namespaces, and its environment. */
  prepare(folder: string, socket: string): Promise<{ command: readonly string[]; env: Record<string, string> }>;
}

const cgroupOf = (folder: string): string => `/gantry-bench-${folder.slice(-6)}`;

const gantryWith = (name: string, ...more: readonly string[]): Starter => ({
  name,
  engineWords: ['gantryd'],
  monitorWord: 'conmon',
  async prepare(folder, socket) {
    const flags = [`--data-root=${folder}/data`, `--exec-root=${folder}/run`, `--host=unix://${socket}`];
    const command = [join(repository, 'build/bin/gantryd'), ...flags, `--cgroup-parent=${cgroupOf(folder)}`, ...more];
    return { command, env: {} };
  },
});

const dockerd: Starter = {
  name: 'dockerd',
  engineWords: ['dockerd', 'containerd'],
  monitorWord: 'containerd-shim',
  async prepare(folder, socket) {
    const programs = unpackPackages('sid', 'dockerd', ['docker.io', 'containerd']);
    const flags = [`--data-root=${folder}/data`, `--exec-root=${folder}/run`, `--host=unix://${socket}`];
    const more = [`--pidfile=${folder}/dockerd.pid`, `--userland-proxy-path=${programs}/usr/sbin/docker-proxy`];
    return {
      command: ownRun([`${programs}/usr/sbin/dockerd`, ...flags, ...more, `--cgroup-parent=${cgroupOf(folder)}`]),
      env: { PATH: `${programs}/usr/bin:${programs}/usr/sbin:${process.env['PATH'] ?? ''}` },
    };
  },
};

const podmanPackages = (
  'podman netavark aardvark-dns golang-github-containers-common golang-github-containers-image ' +
  'libsubid4 libgpgme11 libassuan0 libdevmapper1.02.1'
).split(' ');

const podman: Starter = {
  name: 'podman',
  ownCgroup: '/libpod_parent',
  engineWords: ['podman'],
  monitorWord: 'conmon',
  async prepare(folder, socket) {
    const programs = unpackPackages('bookworm', 'podman', podmanPackages);
    const settings = join(folder, '.config/containers');
    await cp(join(programs, 'etc/containers'), settings, { recursive: true });
    // Podman raises limits that this host may not let it raise: those of this process do.
    const files = await must('sh', ['-c', 'ulimit -Hn']);
    const limits = `"nofile=${files}:${files}", "nproc=4096:4096"`;
    const containers = `cgroup_parent = "${cgroupOf(folder)}"\ndefault_ulimits = [${limits}]\n`;
    const engine = `cgroup_manager = "cgroupfs"\nhelper_binaries_dir = ["${programs}/usr/lib/podman"]\nevents_logger = "file"\n`;
    const network = `network_backend = "netavark"\nnetwork_config_dir = "${folder}/networks"\n`;
    const storage = `driver = "overlay"\ngraphroot = "${folder}/data"\nrunroot = "${folder}/run"\n`;
    const sections = `[containers]\n${containers}[engine]\n${engine}[network]\n${network}`;
    await writeFile(join(settings, 'containers.conf'), sections);
    await writeFile(join(settings, 'storage.conf'), `[storage]\n${storage}`);
    const plain = '[[registry]]\nlocation = "127.0.0.1:5000"\ninsecure = true\n';
    await writeFile(join(settings, 'registries.conf'), plain);
    const libraries = ['usr/lib', 'lib'].map((part) => join(programs, part, `${machine()}-linux-gnu`)).join(':');
    return {
      command: ownRun([`${programs}/usr/bin/podman`, 'system', 'service', '--time=0', `unix://${socket}`]),
      env: {
        HOME: folder,
        LD_LIBRARY_PATH: libraries,
        CONTAINERS_CONF: join(settings, 'containers.conf'),
        CONTAINERS_REGISTRIES_CONF: join(settings, 'registries.conf'),
        CONTAINERS_STORAGE_CONF: join(settings, 'storage.conf'),
      },
    };
  },
};

const machine = (): string => (process.arch === 'arm64' ? 'aarch64' : 'x86_64');

/** crun 1.8 refuses hosts that mount cgroup v1 controllers beside a v2 tree: in the private namespace the latter goes. */
const withoutHybridTree = 'if [ -d /sys/fs/cgroup/unified ]; then umount /sys/fs/cgroup/unified; fi';

/** The command with a tmpfs of its own on /run: fixed names there would meet those of the host's engines. */
const ownRun = (command: readonly string[]): readonly string[] => [
  'sh',
  '-c',
  `mount -t tmpfs none /run; ${withoutHybridTree}; exec "$@"`,
  'sh',
  ...command,
];

const starters = {
  gantry: gantryWith('gantry'),
  'gantry-dir': gantryWith('gantry-dir', '--storage-driver=dir'),
  dockerd,
  podman,
} as const;
export type PeerName = keyof typeof starters;

/**
 * Starts an engine; resolves when it answers `/_ping`.
 * @throws Error with its log when it does not.
 */
export async function startPeer(name: PeerName): Promise<Peer> {
  const starter: Starter = starters[name];
  const folder = await realpath(await mkdtemp(join(tmpdir(), `gantry-bench-${name}-`)));
  for (const part of ['data', 'run']) await mkdir(join(folder, part));
  const socket = join(folder, 'engine.sock');
  const { command, env } = await starter.prepare(folder, socket);
  const namespaces = await makeNamespaces();
  const log = await open(join(folder, 'log'), 'a');
  const [program, ...args] = namespaces.enter(command);
  const child = spawn(program, args, { stdio: ['ignore', log.fd, log.fd], env: { ...process.env, ...env } });
  await log.close();
  const end = ended(child);
  const instance = {
    dataRoot: `${folder}/data`,
    execRoot: `${folder}/run`,
    cgroupParent: starter.ownCgroup ?? cgroupOf(folder),
  };
  const peer: Peer = {
    name,
    socket,
    folder,
    namespaces,
    enginePids: () => pidsByName(folder, (word) => starter.engineWords.some((one) => word === one)),
    monitorPids: () => pidsByName(folder, (word) => word.startsWith(starter.monitorWord)),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await end;
      await endProcesses(instance);
      await removeCgroups(instance.cgroupParent);
      await namespaces[Symbol.asyncDispose]();
      // Mounts of the ended namespace may be taken away by the kernel a moment later.
      await eventually('the folder is removed', () => rm(folder, { recursive: true, force: true }).then(() => true));
    },
  };
  await waitForPing(peer, child);
  return peer;
}

async function waitForPing(peer: Peer, child: ChildProcess): Promise<void> {
  const ping = () => run('curl', ['-sf', '--unix-socket', peer.socket, 'http://localhost/_ping']);
  try {
    await eventually(`${peer.name} answers /_ping`, async () => child.exitCode !== null || (await ping()).code === 0, {
      timeout: 60_000,
      every: 50,
    });
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
  } catch (error) {
    const log = await readFile(join(peer.folder, 'log'), 'utf8');
    await peer[Symbol.asyncDispose]();
    throw new Error(`${peer.name} did not start:\n${log.slice(-4000)}`, { cause: error });
  }
}

/** Processes that mention the engine's folder and whose program's name is wanted. */
async function pidsByName(folder: string, wanted: (program: string) => boolean): Promise<readonly number[]> {
  const listing = await must('sh', [
    '-c',
    'for p in /proc/[0-9]*; do printf "%s\\t%s\\n" "${p#/proc/}" "$(tr "\\0" " " < $p/cmdline 2>/dev/null)"; done',
  ]);
  return listing.split('\n').flatMap((line) => {
    const [pid = '', command = ''] = line.split('\t');
    if (!command.includes(folder)) return [];
    // Programs that an interpreter runs come after its own flags.
    const words = command.split(' ').slice(0, 12);
    return words.some((word) => wanted((word.split('/').at(-1) ?? '').replace(/\.js$/, ''))) ? [Number(pid)] : [];
  });
}
