import { readFile } from 'node:fs/promises';
import { cpus, hostname } from 'node:os';
import { openDirectoryArchives } from '../archive/tree/directories.ts';
import { openContainerFiles } from '../archive/tree/open.ts';
import type { ApiServices } from '../api/services.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Scope } from '../base/scope.ts';
import type { ContainerSettings, UserNamespaceSettings } from '../container/ports.ts';
import { createContainerService } from '../container/service.ts';
import { AsideBook } from '../events/aside.ts';
import { Journal } from '../events/journal.ts';
import { type Builds, openBuilds } from '../build/open.ts';
import { runConfined } from '../sys/process/confined.ts';
import { createTransfers, type Transfers } from '../image/fetch-layers.ts';
import { type ImageService, openImages } from '../image/service.ts';
import { openContainerLogs } from '../logs/open.ts';
import { networkProbes } from '../network/probe/probe.ts';
import { openNetworks } from '../network/open.ts';
import type { NetworkService } from '../network/service.ts';
import { createRegistryClient, type RegistryClient } from '../registry/client/client.ts';
import { createDeviceDrivers } from '../runtime/devices/drivers.ts';
import { openLauncher } from '../runtime/launcher/launcher.ts';
import { checkHostConfig } from '../runtime/oci/check.ts';
import type { HostFacts } from '../runtime/oci/host.ts';
import { defaultMaskedPaths, defaultReadonlyPaths } from '../runtime/profile/paths.ts';
import { createUsageReader } from '../runtime/usage/read.ts';
import type { ContainerId } from '../base/ids.ts';
import { hostPlatforms } from '../runtime/platforms/host-platforms.ts';
import type { HostPlatforms } from '../spec/contract/build.ts';
import { hostPlatform } from '../spec/oci/platform.ts';
import { openStateDb, type StateDb } from '../store/db/open.ts';
import { openStore, type Store } from '../store/open.ts';
import { childCgroups, removeCgroup } from '../sys/cgroup/cgroup.ts';
import { type CgroupLayout, readCgroupLayout } from '../sys/cgroup/layout.ts';
import { userNamespaces } from '../sys/namespace/user.ts';
import type { AllVolumes } from '../volume/all.ts';
import { openVolumes } from '../volume/open.ts';
import { createVolumeCopies, type VolumeCopies } from '../volume/copies/service.ts';
import { VolumeDrivers } from '../volume/plugins/drivers.ts';
import { openAllVolumes } from '../volume/plugins/open.ts';
import { createVolumeService, type VolumeService } from '../volume/service.ts';
import { type EngineConfig, instanceCgroup, type InstanceNames } from './config.ts';
import { hostFiles, rootAccess } from './host-access.ts';
import { hostProcesses } from './host-processes.ts';
import type { LiveConfig } from './live.ts';
import { defaultsOf, hostFactsFor, networkConfig } from './room-settings.ts';
import type { ReloadedDefaults } from './reload.ts';
import { RuntimeChoice } from './runtime-choice.ts';
import { openPlanner } from './build-planner.ts';
import { budgetKeeper, budgetOf } from './budget.ts';
import { buildApi } from './builds.ts';
import { checkEngine } from './check.ts';
import { downloadsBy, proxyVariables } from './downloads.ts';
import { createSystem } from './info.ts';
import type { MetricSources } from './metrics.ts';
import { type TimedNetworks, timeNetworks } from './timed-networks.ts';
import { diskUsageOf } from './usage.ts';
import { readUserNamespaceSettings } from './user-ranges.ts';
import { engineVersion } from './version.ts';

/** Everything behind the API of one engine, joined. */
export interface WiredEngine {
  readonly services: ApiServices;
  readonly journal: Journal;
  readonly metrics: MetricSources;
  /** Looks at a configuration before it replaces the present one. @throws invalid */
  checkReload(next: EngineConfig): void;
  /** What containers that name none get now. */
  defaults(): ReloadedDefaults;
  /**
   * Finds containers as they are, and restores what they stand on; once, before anything else. What it gives back is
   * called once the engine serves: restart policies are carried out then.
   */
  recover(): Promise<() => void>;
}

/**
 * Opens every room and joins them; `scope` closes them in reverse order. No process is followed and no kernel object
 * changed before `recover`.
 */
export async function wire(
  live: LiveConfig,
  engine: { readonly id: string; readonly clock: Clock; readonly log: Logger },
  scope: Scope,
): Promise<WiredEngine> {
  const { clock, log } = engine;
  const config = live.current;
  const { dataRoot, execRoot, names } = config;
  const runtimes = await RuntimeChoice.open(live);
  const [facts, layout] = await Promise.all([hostFactsFor(config), readCgroupLayout()]);
  scope.defer(() => removeOwnCgroup(layout, names));
  const { db, journal } = await openState(dataRoot, scope, engine);
  const store = await scope.acquire(openStore({ dataRoot, wishes: config.storage, log }), (open) => open.close());
  const nameOf = (id: ContainerId): string | undefined => containers.names(id);
  const networks = await scope.acquire(
    openNetworks(networkConfig(config, engine.id), { journal, clock, log, containerName: nameOf }).then(timeNetworks),
    (open) => open.shutdown(),
  );
  const { volumes, drivers } = await openAllDrivers(config, { journal, clock, log });
  const isRunning = (id: string): boolean => containers.isRunning(id as ContainerId);
  const registry = registryClient(live);
  const images = await openImages({ journal, store, registry, ...imageSettings(live), log, clock, isRunning });
  const logs = openContainerLogs({ log });
  logs.check({ driver: config.logDriver, options: config.logOptions });
  const userNamespaceSettings = await readUserNamespaceSettings(config.containers, log);
  const files = await scope.acquire(openContainerFiles(), (open) => open.close());
  const launcher = await openLauncher({
    stateDirectory: `${execRoot}/monitors`,
    host: facts,
    runtimes: runtimes.settings,
    log,
  });
  const containers = createContainerService({
    journal,
    images,
    snapshots: store.snapshots,
    runMounts: store.runs,
    volumes,
    networks,
    launcher,
    devices: createDeviceDrivers(config.containers.cdiSpecDirs, facts, log),
    runtimeSettings: { check: (settings) => checkHostConfig(settings, facts) },
    usage: createUsageReader(layout, names.cgroupParent, clock),
    logs,
    ...statelessPorts,
    files,
    clock,
    log,
    settings: await containerSettings(config, facts, runtimes, {
      storageDriver: store.support.kind,
      userNamespaces: userNamespaceSettings,
    }),
  });
  scope.defer(() => containers.close());
  // Closing waits for what goes on in the background: no plugin can hold it up.
  scope.defer(() => drivers.close());
  return joined({
    live,
    scope,
    engine,
    facts,
    runtimes,
    db,
    journal,
    store,
    volumes,
    drivers,
    networks,
    images,
    containers,
    registry,
    userNamespaceSettings,
  });
}

/** The volumes of the local driver and of plugins. */
async function openAllDrivers(
  { dataRoot, execRoot, pluginFolders, secretFolders }: EngineConfig,
  base: { readonly journal: Journal; readonly clock: Clock; readonly log: Logger },
): Promise<{ readonly volumes: AllVolumes; readonly drivers: VolumeDrivers }> {
  const drivers = new VolumeDrivers({ folders: pluginFolders, log: base.log });
  const secrets = secretFolders.length === 0 ? {} : { secretFolders };
  const local = await openVolumes({ directory: `${dataRoot}/volumes`, ...secrets, ...base });
  return { drivers, volumes: await openAllVolumes(local, { drivers, ...base, own: [dataRoot, execRoot] }) };
}

/** What `wire` has opened. */
interface Rooms {
  readonly live: LiveConfig;
  readonly scope: Scope;
  readonly engine: { readonly id: string; readonly clock: Clock; readonly log: Logger };
  readonly facts: HostFacts;
  readonly runtimes: RuntimeChoice;
  readonly db: StateDb;
  readonly journal: Journal;
  readonly store: Store;
  readonly volumes: AllVolumes;
  readonly drivers: VolumeDrivers;
  readonly networks: TimedNetworks;
  readonly images: ImageService;
  readonly containers: ReturnType<typeof createContainerService>;
  readonly registry: RegistryClient;
  readonly userNamespaceSettings: UserNamespaceSettings;
}

async function joined(rooms: Rooms): Promise<WiredEngine> {
  const { live, scope, engine, facts, runtimes, journal, store, images, containers } = rooms;
  const counted = {
    engineId: engine.id,
    containerCounts: () => containers.counts(),
    imageCount: () => images.count(),
    eventListeners: () => journal.listeners,
    unreadable: () => journal.aside.ofContent().length,
    networkWarnings: () => rooms.networks.warnings(),
  };
  const system = createSystem({
    ...counted,
    config: () => live.current,
    facts,
    storage: store.support,
    runtimes,
    volumePlugins: async () => (await rooms.drivers.all()).map(({ name }) => name),
    userNamespaces: rooms.userNamespaceSettings,
    now: () => new Date(),
  });
  scope.defer(() => void system.close());
  const budget = budgetKeeper(live, images, engine.log);
  scope.defer(() => budget.close());
  const volumes = createVolumeService(rooms.volumes, journal, engine.log);
  const archives = openDirectoryArchives();
  scope.defer(() => archives.close());
  const driverOf = (name: string): string | undefined => rooms.volumes.get(name)?.driver;
  const copies = createVolumeCopies({
    state: rooms.volumes.local.state,
    archives,
    freeze: containers.freeze,
    driverOf,
  });
  const planner = openPlanner();
  scope.defer(planner.close);
  const platform = hostPlatform(process.arch);
  const runnable = hostPlatforms(platform);
  const builds = await scope.acquire(
    openBuilds({
      directory: `${live.current.dataRoot}/build`,
      secretDirectory: `${live.current.execRoot}/build-secrets`,
      journal,
      images,
      steps: containers.steps,
      programs: runConfined,
      download: downloadsBy(live.current.proxies),
      proxyVariables: proxyVariables(live.current.proxies),
      planThread: planner.thread,
      jobs: live.current.builder.jobs,
      cacheBudget: live.current.builder.cacheBudget,
      contextLimit: live.current.builder.contextLimit,
      worker: workerFacts(engine.id, runnable),
      entitlements: live.current.builder,
      platform,
      runnable,
      clock: engine.clock,
      log: engine.log,
    }),
    (open) => open.close(),
  );
  return {
    services: servicesOf({ ...rooms, system, volumes, copies, builds }),
    journal,
    metrics: {
      ...counted,
      version: system.version,
      driver: store.support.kind,
      arch: facts.arch,
      checks: containers.checks,
      networkTimes: rooms.networks.times,
    },
    checkReload: (next) => runtimes.check(next),
    defaults: () => ({ runtime: runtimes.defaultName, cgroupnsMode: defaultsOf(live.current, facts).cgroupnsMode }),
    recover: () =>
      recoverAll(containers, images, () => {
        system.serving();
        budget.begin();
      }),
  };
}

async function openState(
  dataRoot: string,
  scope: Scope,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): Promise<{ db: StateDb; journal: Journal }> {
  const contentDirectories = [`${dataRoot}/blobs/sha256`, `${dataRoot}/snapshots`];
  const opening = openStateDb(`${dataRoot}/state.db`, log, { contentDirectories });
  const db = await scope.acquire(opening, (open) => open.close());
  const aside = new AsideBook(db);
  await aside.open();
  return { db, journal: await scope.acquire(new Journal(db, clock, aside), (open) => open.close()) };
}

/** What containers need of the host and keeps nothing. */
const statelessPorts = {
  probes: networkProbes,
  roots: rootAccess,
  host: hostFiles,
  processes: hostProcesses,
  userNamespaces,
};

/** The rooms as the API sees them. */
function servicesOf(rooms: {
  readonly live: LiveConfig;
  readonly system: ReturnType<typeof createSystem>;
  readonly db: StateDb;
  readonly journal: Journal;
  readonly containers: ReturnType<typeof createContainerService>;
  readonly images: ImageService;
  readonly volumes: VolumeService;
  readonly copies: VolumeCopies;
  readonly networks: NetworkService;
  readonly store: Store;
  readonly builds: Builds;
  readonly registry: RegistryClient;
}): ApiServices {
  const { system, journal, images, volumes, networks, store } = rooms;
  const { containers, execs } = rooms.containers;
  const counted = { containers, images, volumes, store, builds: rooms.builds };
  return {
    system: {
      ...system,
      diskUsage: (kinds, signal) => diskUsageOf(counted, kinds, signal),
      login: ({ address, credentials }, signal) => rooms.registry.login(address, credentials, signal),
    },
    events: journal,
    containers,
    execs,
    images: {
      ...images,
      overBudget: (limit, options) => images.keepBudget(budgetOf(rooms.live.current.budget, limit), options),
      check: (options) => checkEngine({ ...rooms, aside: journal.aside, snapshots: store.snapshots }, options),
    },
    volumes: { ...volumes, ...rooms.copies },
    networks: { ...networks, ...rooms.containers.networks },
    builds: buildApi(rooms.builds),
  };
}

/** Who builds, as clients are told. */
const workerFacts = (id: string, platforms: HostPlatforms) => ({
  id,
  version: engineVersion,
  platforms: () => platforms.list(),
  hostname: hostname(),
});

const registryClient = (live: LiveConfig): RegistryClient =>
  createRegistryClient({
    insecureRegistries: () => live.current.registry.insecure,
    certificateFolders: ['/etc/docker/certs.d', '/etc/gantry/certs.d'],
    mirrors: () => live.current.registry.mirrors,
    proxies: live.current.proxies,
    retries: () => live.current.registry.downloadAttempts,
    userAgent: `gantry/${engineVersion}`,
  });

const imageSettings = (live: LiveConfig) => ({
  transfers: transfersOf(live),
  trust: () => live.current.trust,
  layerCompression: live.current.storage.layerCompression,
});

function transfersOf(live: LiveConfig): Transfers {
  const { maxDownloads, maxUploads } = live.current.registry;
  const transfers = createTransfers({ downloads: maxDownloads, uploads: maxUploads, unpacks: 2 });
  live.onChange(({ registry }) => {
    transfers.downloads.resize(registry.maxDownloads);
    transfers.uploads.resize(registry.maxUploads);
  });
  return transfers;
}

async function recoverAll(
  containers: ReturnType<typeof createContainerService>,
  images: ImageService,
  serving: () => void,
): Promise<() => void> {
  const { toStart } = await containers.recover();
  await images.sweep();
  return () => {
    serving();
    containers.startRecovered(toStart);
  };
}

/** The cgroup that holds the containers goes with the last of them; one that the operator named stays. */
async function removeOwnCgroup(layout: CgroupLayout, names: InstanceNames): Promise<void> {
  const own = instanceCgroup(names.tag);
  if (names.cgroupParent !== own || (await childCgroups(layout, own)).length > 0) return;
  await removeCgroup(layout, own, 0);
}

async function containerSettings(
  config: EngineConfig,
  facts: HostFacts,
  runtimes: RuntimeChoice,
  more: Pick<ContainerSettings, 'storageDriver' | 'userNamespaces'>,
): Promise<ContainerSettings> {
  const list = (path: string): Promise<string | undefined> =>
    readFile(path, 'utf8').then(
      (text) => text.trim(),
      () => undefined,
    );
  const [onlineCpus, onlineMems] = await Promise.all([
    list('/sys/devices/system/cpu/online'),
    list('/sys/devices/system/node/online'),
  ]);
  return {
    dataRoot: config.dataRoot,
    execRoot: config.execRoot,
    ...more,
    runtimes: runtimes.names,
    get defaultRuntime() {
      return runtimes.defaultName;
    },
    writableLimit: config.storage.writableLimit,
    defaults: defaultsOf(config, facts),
    defaultLog: { driver: config.logDriver, options: config.logOptions },
    cgroup: facts.cgroup,
    cpus: cpus().length,
    onlineCpus,
    onlineMems,
    blockLimits: facts.blockLimits,
    maskedPaths: defaultMaskedPaths(facts.extraMaskedPaths),
    readonlyPaths: defaultReadonlyPaths(),
  };
}
