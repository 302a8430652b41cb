import { readdir, readFile } from 'node:fs/promises';
import { cpus, hostname, release, totalmem } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { maxApiVersion } from '../api/versions.ts';
import type { InfoView, VersionView } from '../spec/engine/system.ts';
import { logDriverNames } from '../logs/settings/check.ts';
import type { HostFacts } from '../runtime/oci/host.ts';
import type { UserNamespaceSettings } from '../container/ports.ts';
import type { EngineConfig } from './config.ts';
import {
  indexServer,
  noSwarm,
  maskCredentials,
  registryConfig,
  resourceSupport,
  securityOptions,
  warningsOf,
} from './info-sections.ts';
import { runcCommit, type RuntimeChoice } from './runtime-choice.ts';
import type { StorageSupport } from '../store/support.ts';
import { storageStatus } from './storage-info.ts';
import { engineVersion } from './version.ts';

/** What `/info` and `/version` tell, gathered from the services at each call. */
export interface SystemSources {
  readonly config: () => EngineConfig;
  readonly engineId: string;
  readonly facts: HostFacts;
  readonly storage: StorageSupport;
  readonly userNamespaces: UserNamespaceSettings;
  readonly runtimes: Pick<RuntimeChoice, 'described' | 'defaultName'>;
  /** The names of volume plugins that are there. */
  readonly volumePlugins: () => Promise<string[]>;
  readonly containerCounts: () => { total: number; running: number; paused: number; stopped: number };
  readonly imageCount: () => number;
  readonly eventListeners: () => number;
  /** Records that could not be read and may have named content. */
  readonly unreadable: () => number;
  /** What is in the way of containers' packets. */
  readonly networkWarnings: () => Promise<string[]>;
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
function versionOf({ facts, config }: SystemSources): VersionView {
  const { experimental, minApiMinor } = config();
  const common = {
    ApiVersion: maxApiVersion,
    MinAPIVersion: `1.${minApiMinor}`,
    GitCommit: '',
    GoVersion: `node${process.versions.node}`,
    Os: 'linux',
    Arch: imageArchitecture[facts.arch],
    KernelVersion: release(),
    BuildTime: '',
  };
  return {
    Platform: { Name: 'Gantry' },
    Components: [
      { Name: 'Engine', Version: engineVersion, Details: { ...common, Experimental: String(experimental) } },
    ],
    Version: engineVersion,
    ...common,
    ...(experimental ? { Experimental: true } : {}),
  };
}

async function infoOf(sources: SystemSources, loopDelay: () => Record<string, number>): Promise<InfoView> {
  const { facts } = sources;
  const config = sources.config();
  const counts = sources.containerCounts();
  const [os, forwarding, networks, runtimes, volumePlugins] = await Promise.all([
    operatingSystem(),
    ipForwarding(),
    sources.networkWarnings(),
    sources.runtimes.described(),
    sources.volumePlugins(),
  ]);
  return {
    ID: sources.engineId,
    Containers: counts.total,
    ContainersRunning: counts.running,
    ContainersPaused: counts.paused,
    ContainersStopped: counts.stopped,
    Images: sources.imageCount(),
    Driver: sources.storage.kind,
    DriverStatus: storageStatus(sources.storage),
    Plugins: {
      Volume: ['local', ...volumePlugins].sort(),
      Network: ['bridge', 'host', 'ipvlan', 'macvlan', 'null'],
      Authorization: config.authorizationPlugins.length === 0 ? null : [...new Set(config.authorizationPlugins)],
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
    IndexServerAddress: indexServer,
    RegistryConfig: registryConfig(config.registry),
    NCPU: cpus().length,
    MemTotal: totalmem(),
    GenericResources: config.genericResources.length === 0 ? null : config.genericResources,
    DockerRootDir: config.dataRoot,
    HttpProxy: maskCredentials(config.proxies.http),
    HttpsProxy: maskCredentials(config.proxies.https),
    NoProxy: config.proxies.none,
    Name: hostname(),
    Labels: [...config.labels],
    ExperimentalBuild: config.experimental,
    ServerVersion: engineVersion,
    Runtimes: runtimes,
    DefaultRuntime: sources.runtimes.defaultName,
    Swarm: noSwarm,
    // Containers never depend on the engine process here.
    LiveRestoreEnabled: true,
    Isolation: '',
    InitBinary: facts.initPath ?? '',
    ContainerdCommit: { ID: '' },
    RuncCommit: { ID: runcCommit(runtimes) },
    InitCommit: { ID: 'N/A' },
    SecurityOptions: securityOptions(config, facts, sources.userNamespaces.ids !== undefined),
    CDISpecDirs: [...config.containers.cdiSpecDirs],
    ...(config.network.addressPools.length === 0
      ? {}
      : { DefaultAddressPools: config.network.addressPools.map(({ base, size }) => ({ Base: base, Size: size })) }),
    FirewallBackend: { Driver: 'nftables' },
    Warnings: warningsOf(config, facts, { forwarding, unreadable: sources.unreadable(), networks }),
    Gantry: {
      EventLoop: loopDelay(),
      MemoryRss: process.memoryUsage.rss(),
      Instance: { ...config.names },
    },
  };
}

/** The host's name and version, for people. */
export interface OperatingSystem {
  readonly name: string;
  readonly version: string;
}

export async function operatingSystem(): Promise<OperatingSystem> {
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
