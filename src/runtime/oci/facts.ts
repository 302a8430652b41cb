import { constants, type Stats } from 'node:fs';
import { access, lstat, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { arch, release } from 'node:os';
import { join } from 'node:path';
import { EngineError } from '../../base/errors.ts';
import type { OciDevice } from '../../spec/oci/runtime.ts';
import { knownCapabilities } from '../profile/capabilities.ts';
import type { HostFacts, LimitPair } from './host.ts';

/** Where a static init program may be installed, best first: Debian's tini and catatonit packages, Docker's own name. */
const initCandidates = ['/usr/bin/tini-static', '/usr/bin/catatonit', '/usr/libexec/catatonit/catatonit'];

/** Reads what specs depend on from /proc and /sys. Once at boot is enough: nothing of it changes while the host runs. */
export async function readHostFacts(
  settings: Pick<HostFacts, 'cgroupParent' | 'defaults'> & { readonly initPath?: string | undefined },
): Promise<HostFacts> {
  const [cgroup, capabilities, limits, oomScoreAdj, appArmorActive, initPath, extraMaskedPaths] = await Promise.all([
    readCgroup(),
    readCapabilities(),
    readLimits(),
    readNumber('/proc/self/oom_score_adj'),
    readText('/sys/module/apparmor/parameters/enabled').then((text) => text.startsWith('Y')),
    firstExecutable(settings.initPath === undefined ? initCandidates : [settings.initPath]),
    thermalThrottlePaths(),
  ]);
  return {
    ...settings,
    ...cgroup,
    kernel: kernelVersion(release()),
    arch: machine(),
    limits,
    canRaiseLimits: capabilities.has('CAP_SYS_RESOURCE'),
    oomScoreAdj,
    capabilities,
    initPath,
    appArmor: { active: appArmorActive, defaultProfile: undefined },
    extraMaskedPaths,
    devicesAt,
  };
}

/** The text of a file, empty when it cannot be read. */
const readText = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
const readNumber = async (path: string): Promise<number> => Number.parseInt(await readText(path), 10) || 0;
const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

async function firstExecutable(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}

function machine(): HostFacts['arch'] {
  const name = arch();
  if (name === 'x64') return 'x86_64';
  if (name === 'arm64') return 'aarch64';
  throw new EngineError('unavailable', `no security profile for processors of the kind ${name}`);
}

/** `6.18.44-foo` -> [6, 18]. */
export function kernelVersion(text: string): readonly [number, number] {
  const [major, minor] = text.split('.');
  return [Number.parseInt(major ?? '', 10) || 0, Number.parseInt(minor ?? '', 10) || 0];
}

type CgroupFacts = 'cgroup' | 'controllers' | 'swapLimit' | 'kernelMemoryTcp' | 'blockLimits';

/**
 * The kind of cgroup tree by what is mounted (cgroups(7)): a v2 root has `cgroup.controllers`; v1 controllers beside a
 * v2 tree at `unified` are hybrid.
 */
async function readCgroup(): Promise<Pick<HostFacts, CgroupFacts>> {
  const root = '/sys/fs/cgroup';
  if (await exists(join(root, 'cgroup.controllers'))) {
    const controllers = new Set((await readText(join(root, 'cgroup.controllers'))).trim().split(' '));
    const io = controllers.has('io');
    const blockLimits = { weight: io, weightDevice: io, throttle: io };
    const swapLimit = await exists('/proc/swaps');
    return { cgroup: 'v2', controllers, swapLimit, kernelMemoryTcp: false, blockLimits };
  }
  const controllers = new Set<string>();
  // Columns of /proc/cgroups: name, hierarchy (0 when it is not mounted), number of cgroups, enabled.
  for (const line of (await readText('/proc/cgroups')).split('\n')) {
    const [name, hierarchy, , enabled] = line.split('\t');
    if (name !== undefined && hierarchy !== '0' && enabled === '1') controllers.add(name);
  }
  const hybrid = await exists(join(root, 'unified', 'cgroup.controllers'));
  const [swapLimit, kernelMemoryTcp] = await Promise.all(
    ['memsw', 'kmem.tcp'].map((name) => exists(join(root, 'memory', `memory.${name}.limit_in_bytes`))),
  );
  const [weight, weightDevice, throttle] = await Promise.all(
    ['weight', 'weight_device', 'throttle.read_bps_device'].map((name) => exists(join(root, 'blkio', `blkio.${name}`))),
  );
  const blockLimits = { weight: weight === true, weightDevice: weightDevice === true, throttle: throttle === true };
  return {
    cgroup: hybrid ? 'hybrid' : 'v1',
    controllers,
    swapLimit: swapLimit === true,
    kernelMemoryTcp: kernelMemoryTcp === true,
    blockLimits,
  };
}

/** The permitted set of this process: `CapPrm` of /proc/self/status, a mask in hex. */
async function readCapabilities(): Promise<ReadonlySet<string>> {
  const line = (await readText('/proc/self/status')).split('\n').find((one) => one.startsWith('CapPrm:'));
  const mask = BigInt(`0x${line?.slice(7).trim() ?? '0'}`);
  return new Set(knownCapabilities.filter((_, bit) => (mask >> BigInt(bit)) & 1n));
}

/** The first word of the names in /proc/self/limits that tells them apart. */
const limitNames: readonly (readonly [string, string])[] = [
  ['Max cpu time', 'RLIMIT_CPU'],
  ['Max file size', 'RLIMIT_FSIZE'],
  ['Max data size', 'RLIMIT_DATA'],
  ['Max stack size', 'RLIMIT_STACK'],
  ['Max core file size', 'RLIMIT_CORE'],
  ['Max resident set', 'RLIMIT_RSS'],
  ['Max processes', 'RLIMIT_NPROC'],
  ['Max open files', 'RLIMIT_NOFILE'],
  ['Max locked memory', 'RLIMIT_MEMLOCK'],
  ['Max file locks', 'RLIMIT_LOCKS'],
  ['Max pending signals', 'RLIMIT_SIGPENDING'],
  ['Max msgqueue size', 'RLIMIT_MSGQUEUE'],
  ['Max nice priority', 'RLIMIT_NICE'],
  ['Max realtime priority', 'RLIMIT_RTPRIO'],
  ['Max realtime timeout', 'RLIMIT_RTTIME'],
];

/** Parses /proc/self/limits (proc_pid_limits(5)): name, soft, hard, unit, in columns of fixed width. */
export function parseLimits(text: string): Map<string, LimitPair> {
  const limits = new Map<string, LimitPair>();
  for (const line of text.split('\n')) {
    const known = limitNames.find(([name]) => line.startsWith(`${name} `));
    if (known === undefined) continue;
    const [soft, hard] = line.slice(26).trim().split(/ +/);
    limits.set(known[1], { soft: limitValue(soft), hard: limitValue(hard) });
  }
  return limits;
}

const limitValue = (text: string | undefined): number =>
  text === undefined || text === 'unlimited' ? Infinity : Number(text);

const readLimits = async (): Promise<Map<string, LimitPair>> => parseLimits(await readText('/proc/self/limits'));

async function thermalThrottlePaths(): Promise<string[]> {
  const base = '/sys/devices/system/cpu';
  const names = await readdir(base).catch(() => []);
  const paths = names.filter((name) => /^cpu[0-9]+$/.test(name)).map((name) => join(base, name, 'thermal_throttle'));
  const present = await Promise.all(paths.map(exists));
  return paths.filter((_, at) => present[at]);
}

/** Directories of /dev that every container gets anew, and console, which is the terminal's. */
const ownDevDirectories = new Set(['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev']);

/** See `HostFacts.devicesAt`. Links are followed for the path itself, never below a directory. */
async function devicesAt(path: string): Promise<readonly OciDevice[]> {
  const real = await realpath(path).catch(() => undefined);
  if (real === undefined) return [];
  const info = await stat(real);
  if (!info.isDirectory()) return deviceOf(path, info);
  const found: OciDevice[] = [];
  await collectDevices(path, real, found);
  return found;
}

async function collectDevices(shown: string, directory: string, found: OciDevice[]): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory() && !ownDevDirectories.has(entry.name)) {
      await collectDevices(join(shown, entry.name), path, found);
    } else if ((entry.isCharacterDevice() || entry.isBlockDevice()) && entry.name !== 'console') {
      const info = await lstat(path).catch(() => undefined);
      if (info !== undefined) found.push(...deviceOf(join(shown, entry.name), info));
    }
  }
}

function deviceOf(path: string, info: Stats): OciDevice[] {
  if (!info.isCharacterDevice() && !info.isBlockDevice()) return [];
  return [
    {
      path,
      type: info.isBlockDevice() ? 'b' : 'c',
      major: majorOf(info.rdev),
      minor: minorOf(info.rdev),
      fileMode: info.mode & 0o777,
      uid: info.uid,
      gid: info.gid,
    },
  ];
}

// The 64-bit dev_t of glibc (makedev(3)): major in bits 8-19 and 44-63, minor in bits 0-7 and 20-43. Below 2^44 all
// numbers that Linux gives out fit into a double.
const majorOf = (dev: number): number => ((dev >>> 8) & 0xfff) + Math.floor(dev / 2 ** 44) * 0x1000;
const minorOf = (dev: number): number => (dev & 0xff) + (Math.floor(dev / 2 ** 20) % 2 ** 24) * 0x100;
