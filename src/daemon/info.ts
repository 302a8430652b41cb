import { readdir, readFile } from 'node:fs/promises';
import { cpus, hostname, release, totalmem } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { maxApiVersion, minApiVersion } from '../api/versions.ts';
import type { InfoView, VersionView } from '../spec/engine/system.ts';
import { logDriverNames } from '../logs/settings/check.ts';
import type { HostFacts } from '../runtime/oci/host.ts';
import type { UserNamespaceSettings } from '../container/ports.ts';
import type { EngineConfig } from './config.ts';
import type { StorageSupport } from '../store/support.ts';
import { storageStatus } from './storage-info.ts';
import { engineVersion } from './version.ts';

/** What `/info` and `/version` tell, gathered from the services at each call. */
export interface SystemSources {
  readonly config: EngineConfig;
  readonly engineId: string;
  readonly facts: HostFacts;
  readonly storage: StorageSupport;
  readonly runtimes: Readonly<Record<string, { path: string; runtimeArgs?: string[] }>>;
  readonly userNamespaces: UserNamespaceSettings;
  readonly defaultRuntime: string;
  readonly containerCounts: () => { total: number; running: number; paused: number; stopped: number };
  readonly imageCount: () => Promise<number>;
  readonly eventListeners: () => number;
  readonly now: () => Date;
}

const millisOf = (nanoseconds: number): number => Math.round(nanoseconds / 1e4) / 100;

/** Names of architectures as uname(2) has them, and as images do. */
const imageArchitecture = { x86_64: 'amd64', aarch64: 'arm64' } as const;

export function createSystem(sources: SystemSources) {
  // How long the event loop was away: the resolution is the least wait that is seen, in milliseconds.
  const loopDelay = monitorEventLoopDelay({ resolution: 20 });
  const seen = () => ({
    MaxDelayMs: millisOf(Math.max(0, loopDelay.max - 20e6)),
    P99DelayMs: millisOf(Math.max(0, loopDelay.percentile(99) - 20e6)),
  });
  return {
    version: (): VersionView => versionOf(sources),
    info: (): Promise<InfoView> => infoOf(sources, seen),
    /** From here on the event loop is watched: the engine serves. */
    serving: () => loopDelay.enable(),
    close: () => loopDelay.disable(),
  };
}

/** The command line shows a component's details, SDKs the outer fields: both tell the same. */
function versionOf({ facts }: SystemSources): VersionView {
  const common = {
    ApiVersion: maxApiVersion,
    MinAPIVersion: minApiVersion,
    GitCommit: '',
    GoVersion: `node${process.versions.node}`,
    Os: 'linux',
    Arch: imageArchitecture[facts.arch],
    KernelVersion: release(),
    BuildTime: '',
  };
  return {
    Platform: { Name: 'Gantry' },
    Components: [{ Name: 'Engine', Version: engineVersion, Details: { ...common, Experimental: 'false' } }],
    Version: engineVersion,
    ...common,
  };
}

async function infoOf(sources: SystemSources, loopDelay: () => Record<string, number>): Promise<InfoView> {
  const { config, facts } = sources;
  const counts = sources.containerCounts();
  const [images, os, forwarding] = await Promise.all([sources.imageCount(), operatingSystem(), ipForwarding()]);
  return {
    ID: sources.engineId,
    Containers: counts.total,
    ContainersRunning: counts.running,
    ContainersPaused: counts.paused,
    ContainersStopped: counts.stopped,
    Images: images,
    Driver: sources.storage.kind,
    DriverStatus: storageStatus(sources.storage),
    Plugins: {
      Volume: ['local'],
      Network: ['bridge', 'host', 'null'],
      Authorization: null,
      Log: [...logDriverNames],
    },
    ...resourceSupport(facts),
    IPv4Forwarding: forwarding,
    Debug: config.logLevel === 'debug',
    NFd: (await readdir('/proc/self/fd')).length,
    NGoroutines: 0,
    SystemTime: sources.now().toISOString(),
    LoggingDriver: config.logDriver,
    CgroupDriver: 'cgroupfs',
    CgroupVersion: facts.cgroup === 'v2' ? '2' : '1',
    NEventsListener: sources.eventListeners(),
    KernelVersion: release(),
    OperatingSystem: os.name,
    OSVersion: os.version,
    OSType: 'linux',
    Architecture: facts.arch,
    IndexServerAddress: '',
    RegistryConfig: registryConfig(config.registry.insecure),
    NCPU: cpus().length,
    MemTotal: totalmem(),
    GenericResources: null,
    DockerRootDir: config.dataRoot,
    HttpProxy: process.env['HTTP_PROXY'] ?? '',
    HttpsProxy: process.env['HTTPS_PROXY'] ?? '',
    NoProxy: process.env['NO_PROXY'] ?? '',
    Name: hostname(),
    Labels: [...config.labels],
    ExperimentalBuild: false,
    ServerVersion: engineVersion,
    Runtimes: { ...sources.runtimes },
    DefaultRuntime: sources.defaultRuntime,
    Swarm: {
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: 'inactive',
      ControlAvailable: false,
      Error: '',
      RemoteManagers: null,
    },
    // Containers never depend on the engine process here.
    LiveRestoreEnabled: true,
    Isolation: '',
    InitBinary: facts.initPath ?? '',
    ContainerdCommit: { ID: '' },
    RuncCommit: { ID: '' },
    InitCommit: { ID: '' },
    SecurityOptions: [
      'name=seccomp,profile=builtin',
      ...(facts.cgroup === 'v2' ? ['name=cgroupns'] : []),
      ...(sources.userNamespaces.ids === undefined ? [] : ['name=userns']),
    ],
    CDISpecDirs: [],
    Warnings: warningsOf(facts, forwarding),
    Gantry: {
      EventLoop: loopDelay(),
      MemoryRss: process.memoryUsage.rss(),
      Instance: { ...config.names },
    },
  };
}

/** Which limits this host can enforce. */
function resourceSupport({ controllers, swapLimit, cgroup }: HostFacts) {
  const cpu = controllers.has('cpu');
  return {
    MemoryLimit: controllers.has('memory'),
    SwapLimit: swapLimit,
    CpuCfsPeriod: cpu,
    CpuCfsQuota: cpu,
    CPUShares: cpu,
    CPUSet: controllers.has('cpuset'),
    PidsLimit: controllers.has('pids'),
    OomKillDisable: cgroup !== 'v2',
  };
}

function registryConfig(insecure: readonly string[]): Readonly<Record<string, unknown>> {
  const entries = insecure.map((Name) => [Name, { Name, Mirrors: [], Secure: false, Official: false }]);
  return {
    InsecureRegistryCIDRs: ['127.0.0.0/8', '::1/128'],
    IndexConfigs: Object.fromEntries(entries),
    Mirrors: null,
  };
}

function warningsOf(facts: HostFacts, forwarding: boolean): string[] | null {
  const warnings = [
    ...(facts.controllers.has('memory') ? [] : ['WARNING: No memory limit support']),
    ...(facts.swapLimit ? [] : ['WARNING: No swap limit support']),
    ...(facts.controllers.has('cpu') ? [] : ['WARNING: No cpu cfs quota support']),
    ...(facts.controllers.has('pids') ? [] : ['WARNING: No pids limit support']),
    ...(forwarding ? [] : ['WARNING: IPv4 forwarding is disabled']),
    ...(facts.initPath === undefined ? ['WARNING: No init binary for --init was found'] : []),
  ];
  return warnings.length === 0 ? null : warnings;
}

async function operatingSystem(): Promise<{ name: string; version: string }> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const field = (name: string): string | undefined =>
    text
      .split('\n')
      .find((line) => line.startsWith(`${name}=`))
      ?.slice(name.length + 1)
      .replaceAll('"', '');
  return { name: field('PRETTY_NAME') ?? 'Linux', version: field('VERSION_ID') ?? '' };
}

async function ipForwarding(): Promise<boolean> {
  return (await readFile('/proc/sys/net/ipv4/ip_forward', 'utf8').catch(() => '0')).trim() === '1';
}
