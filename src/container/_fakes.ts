import type { ContainerId, Digest, DiffId } from '../base/ids.ts';
import { notFound } from '../base/errors.ts';
import { systemClock } from '../base/clock.ts';
import { silentLogger } from '../base/log.ts';
import type {
  ExecRequest,
  ExitStatus,
  LaunchedContainer,
  LaunchedExec,
  LaunchRequest,
  StdioChannel,
  StdioSink,
} from '../spec/contract/launch.ts';
import type { ProbeAnswer, ProbeTarget } from '../spec/contract/probe.ts';
import type { StateChange } from '../spec/contract/state.ts';
import type { EventInput } from '../spec/engine/event.ts';
import type { ContainerConfig, CreateContainerRequest, HostConfig } from '../spec/engine/container.ts';
import { emptyContainerConfig, emptyHostConfig } from '../spec/engine/empty-config.ts';
import { AsideBook } from '../events/aside.ts';
import type { ContainerPorts } from './ports.ts';

/** A process that a test ends by hand. */
export interface FakeRun {
  readonly request: LaunchRequest;
  readonly sinks: Set<StdioSink>;
  /** `finishedNs`: now, when left out. */
  end(code: number, finishedNs?: bigint): void;
}

/** A process of an exec that a test ends by hand; killing it ends it with 137. */
export interface FakeExec {
  readonly request: ExecRequest;
  print(text: string): void;
  end(code: number): void;
}

/** What the fakes were asked to do, and what a test tells them to fail with. */
function newWorld() {
  return {
    events: [] as EventInput[],
    records: new Map<string, unknown>(),
    runs: [] as FakeRun[],
    execs: [] as FakeExec[],
    probes: [] as { target: ProbeTarget; answer(isGood: boolean, text: string): void }[],
    signals: [] as number[],
    failures: {} as { create?: Error; open?: Error; exec?: Error },
    mounted: new Set<ContainerId>(),
    prepared: new Set<ContainerId>(),
    open: new Set<ContainerId>(),
    frozen: new Set<ContainerId>(),
    adoptable: new Map<ContainerId, FakeRun>(),
  };
}
type World = ReturnType<typeof newWorld>;

/** Services in memory for tests of this room: what they were asked to do can be read from them. */
export function fakePorts() {
  const world = newWorld();
  const ports: ContainerPorts = {
    ...fakeStorage(world),
    ...fakeProcesses(world),
    ...fakeHost(),
  };
  return { ports, ...world };
}

function launchFake({ runs, adoptable }: World, request: LaunchRequest): LaunchedContainer {
  const { promise, resolve } = Promise.withResolvers<ExitStatus>();
  const sinks = new Set<StdioSink>();
  const run: FakeRun = {
    request,
    sinks,
    end(code, finishedNs = systemClock.nowNs()) {
      for (const sink of sinks) sink.end();
      resolve({ code, oomKilled: false, finishedNs });
    },
  };
  runs.push(run);
  adoptable.set(request.id, run);
  const stdio: StdioChannel = {
    add: (sink) => void sinks.add(sink),
    remove: (sink) => void sinks.delete(sink),
    write: async () => undefined,
    closeStdin: () => undefined,
    resize: async () => undefined,
    drained: promise.then(() => undefined),
  };
  return { pid: 1000 + runs.length, pidStart: 7, stdio, exited: promise };
}

const probeFake = ({ probes }: World, target: ProbeTarget): Promise<ProbeAnswer> =>
  new Promise((resolve) => probes.push({ target, answer: (isGood, text) => resolve({ isGood, text }) }));

function execFake({ execs, failures }: World, request: ExecRequest): LaunchedExec {
  if (failures.exec !== undefined) throw failures.exec;
  const { promise, resolve } = Promise.withResolvers<ExitStatus>();
  const end = (code: number) => resolve({ code, oomKilled: false, finishedNs: systemClock.nowNs() });
  const print = (text: string) => request.sinks.forEach((sink) => sink.write(1, Buffer.from(text)));
  execs.push({ request, print, end });
  const stdio: StdioChannel = {
    add: () => undefined,
    remove: () => undefined,
    write: async () => undefined,
    closeStdin: () => undefined,
    resize: async () => undefined,
    drained: promise.then(() => undefined),
  };
  const signal = (number: number) => (end(128 + number), true);
  return { pid: 5000 + execs.length, stdio, exited: promise, signal, kill: async () => end(137) };
}
const fakeRunMounts: ContainerPorts['runMounts'] = {
  shareMemory: async (id) => `/fake/${id}/shm`,
  sharedMemory: () => undefined,
  keepImages: () => undefined,
  forgetImages: () => undefined,
  showImage: async (id) => `/fake/${id}/image`,
  imagePath: (id) => `/fake/${id}/image`,
  holdPlace: async (_id, root, path) => `${root}/${path}`,
  shiftOwners: async (_id, source) => source,
  layOver: async (_id, _index, lower) => lower,
  overlayPath: () => undefined,
  releasePlaces: async () => undefined,
  release: async () => undefined,
  restore: async () => undefined,
};

const fakeVolumes: ContainerPorts['volumes'] = {
  ensure: async () => Promise.reject(new Error('no volumes here')),
  get: () => undefined,
  list: () => [],
  remove: async () => undefined,
  mount: async () => undefined,
  unmount: async () => undefined,
  resume: async () => undefined,
  settle: async () => undefined,
  retain: () => undefined,
  release: () => undefined,
  users: () => [],
  copyUp: async () => undefined,
};

function fakeStorage({
  events,
  records,
  mounted,
  prepared,
}: World): Pick<ContainerPorts, 'journal' | 'images' | 'snapshots' | 'runMounts' | 'volumes'> {
  return {
    journal: {
      aside: new AsideBook(),
      load: async (kind) =>
        [...records].filter(([key]) => key.startsWith(`${kind}/`)).map(([id, value]) => ({ id, value })),
      async commit(change: StateChange) {
        for (const record of change.records ?? []) {
          if (record.op === 'put') records.set(`${record.kind}/${record.id}`, record.value);
          else records.delete(`${record.kind}/${record.id}`);
        }
        events.push(...(change.events ?? []));
        return [];
      },
    },
    images: {
      async resolve(name) {
        if (name !== 'busybox') throw notFound(`No such image: ${name}`);
        const digest = `sha256:${'1'.repeat(64)}` as Digest;
        return {
          id: digest,
          manifest: { mediaType: 'x', digest, size: 1 },
          platform: { os: 'linux', architecture: 'amd64' },
          layers: [`sha256:${'2'.repeat(64)}` as DiffId],
          config: {
            architecture: 'amd64',
            os: 'linux',
            config: { Cmd: ['sh'], Env: ['FROM=image'] },
            rootfs: { type: 'layers', diff_ids: [] },
            history: [],
          },
        };
      },
      ofLayers: () => undefined,
      idOf: (name) => (name === 'busybox' ? (`sha256:${'1'.repeat(64)}` as Digest) : undefined),
      retain: () => undefined,
      release: () => undefined,
      configure: (config) => config,
      commit: async () => Promise.reject(new Error('no commits here')),
    },
    snapshots: {
      prepare: async (id) => void prepared.add(id),
      list: () => [...prepared].map((id) => ({ id, layers: [] })),
      async mount(id) {
        mounted.add(id);
        return `/fake/${id}`;
      },
      unmount: async (id) => void mounted.delete(id),
      use: async (id) => ({
        root: `/fake/${id}`,
        layers: { upper: `/fake/upper/${id}`, lower: [] },
        release: async () => undefined,
      }),
      async remove(id) {
        mounted.delete(id);
        prepared.delete(id);
      },
      usage: async () => ({ writable: 1, layers: 2 }),
      restore: async () => undefined,
    },
    runMounts: fakeRunMounts,
    volumes: fakeVolumes,
  };
}

function fakeProcesses(
  world: World,
): Pick<ContainerPorts, 'networks' | 'launcher' | 'probes' | 'usage' | 'logs' | 'runtimeSettings' | 'devices'> {
  const { failures, open, runs, signals, adoptable, frozen } = world;
  return {
    networks: {
      validate: () => undefined,
      find: () => undefined,
      async open({ containerId }) {
        if (failures.open !== undefined) throw failures.open;
        open.add(containerId);
        const sandbox = {
          sandboxId: 'f'.repeat(64),
          mode: 'private' as const,
          endpoints: {},
          ports: {},
          hostInterfaces: [],
        };
        return { sandbox, namespacePath: '/proc/1/fd/9', releasePath: () => undefined };
      },
      changePorts: async () => Promise.reject(new Error('no ports here')),
      changeRates: async () => Promise.reject(new Error('no networks here')),
      connect: async () => Promise.reject(new Error('no networks here')),
      disconnect: async () => Promise.reject(new Error('no networks here')),
      checkEndpoint: () => ({ id: '0'.repeat(64), name: 'bridge', driver: 'bridge' }),
      renamed: () => undefined,
      joined: () => undefined,
      close: async (id) => void open.delete(id),
      restore: async () => undefined,
      resolvConf: async () => '',
    },
    launcher: {
      async create(request) {
        if (failures.create !== undefined) throw failures.create;
        return launchFake(world, request);
      },
      start: async () => undefined,
      async adopt({ id }) {
        const run = adoptable.get(id);
        if (run === undefined) throw new Error('nothing there');
        return launchFake(world, run.request);
      },
      exec: async (request) => execFake(world, request),
      adoptExecs: async () => [],
      async signal(_id, _directory, signal) {
        signals.push(signal);
        if (signal === 9) runs.at(-1)?.end(137);
        return true;
      },
      freeze: async (id) => void frozen.add(id),
      thaw: async (id) => void frozen.delete(id),
      pids: async () => [],
      update: async () => undefined,
      mount: async () => undefined,
      unmount: async () => undefined,
      isFrozen: async (id) => frozen.has(id),
      delete: async () => undefined,
      reopenLog: async () => undefined,
      sweep: async () => undefined,
    },
    runtimeSettings: { check: async () => [] },
    probes: { probe: async (target) => probeFake(world, target) },
    devices: { edits: async () => Promise.reject(new Error('no devices here')) },
    usage: { read: async () => Promise.reject(new Error('no usage here')) },
    logs: {
      read: async function* () {},
      check: () => undefined,
      limits: () => ({ maxBytes: 1 << 20, maxFiles: 3, guardBytes: 0, compress: false }),
      attributes: () => new Map(),
      begin: () => undefined,
      end: () => undefined,
      finish: () => undefined,
      sent: async () => undefined,
      clear: async () => undefined,
      close: async () => undefined,
    },
  };
}

function fakeHost(): Pick<
  ContainerPorts,
  'userNamespaces' | 'roots' | 'files' | 'host' | 'processes' | 'clock' | 'log' | 'settings'
> {
  return {
    roots: {
      readFile: async () => undefined,
      resolve: async (_root, path) => path,
      prepareMountTargets: async (_root, targets) => targets.map(({ path }) => ({ path, mode: 0o755 })),
      makeDirectory: async () => undefined,
    },
    files: {
      open: async () => Promise.reject(new Error('no files here')),
      changes: async () => [],
      packChanges: async function* () {},
      close: async () => undefined,
    },
    host: {
      kindOf: async () => 'directory',
      lookAt: async (paths) => paths.map(() => ({ kind: 'directory', flags: [] })),
      mountOf: async () => undefined,
      makeDirectory: async () => undefined,
      place: async () => undefined,
      read: async () => undefined,
      removeTrees: async () => undefined,
      list: async () => [],
      giveEmpty: async () => undefined,
      chownTree: async () => undefined,
      hostname: () => 'host',
    },
    processes: { list: async () => ({ code: 0, stdout: '', stderr: '' }) },
    clock: systemClock,
    log: silentLogger,
    userNamespaces: {
      create: async () => Promise.reject(new Error('no user namespaces here')),
      of: () => {
        throw new Error('no user namespaces here');
      },
    },
    settings: {
      userNamespaces: {
        ids: undefined,
        auto: { uids: [{ start: 1000, count: 200_000 }], gids: [{ start: 1000, count: 200_000 }] },
      },
      storageDriver: 'erofs',
      writableLimit: undefined,
      dataRoot: '/fake/data',
      execRoot: '/fake/run',
      defaultRuntime: 'crun',
      runtimes: new Set(['crun', 'runc']),
      defaults: {
        networkMode: 'bridge',
        shmSize: 64 << 20,
        ipcMode: 'private',
        cgroupnsMode: 'host',
        init: false,
        ulimits: [],
        hostGateways: [],
      },
      defaultLog: { driver: 'json-file', options: {} },
      cgroup: 'v1',
      cpus: 2,
      onlineCpus: '0-1',
      onlineMems: '0',
      blockLimits: { weight: true, weightDevice: true, throttle: true },
      maskedPaths: ['/proc/kcore'],
      readonlyPaths: ['/proc/sys'],
    },
  };
}

/** A create request as the decoders give it for a body that says nothing. */
export function createRequest(change: {
  name?: string;
  config?: Partial<ContainerConfig>;
  host?: Partial<HostConfig>;
}): CreateContainerRequest {
  return {
    ...(change.name === undefined ? {} : { name: change.name }),
    Config: { ...emptyContainerConfig(), Image: 'busybox', ...change.config },
    HostConfig: { ...emptyHostConfig(), NetworkMode: 'default', ShmSize: 64 << 20, ...change.host },
    EndpointsConfig: {},
  };
}
