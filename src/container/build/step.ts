import { conflict, EngineError } from '../../base/errors.ts';
import { type ContainerId, type Digest, newContainerId } from '../../base/ids.ts';
import { Scope } from '../../base/scope.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { StepMount, StepRequest, StepResult } from '../../spec/contract/build.ts';
import type { StdioSink } from '../../spec/contract/launch.ts';
import type { HostConfig } from '../../spec/engine/container.ts';
import { emptyContainerConfig, emptyHostConfig } from '../../spec/engine/empty-config.ts';
import { type ContainerContext, dataDirectory, runDirectory } from '../context.ts';
import { validateResources } from '../create/validate-resources.ts';
import { withHostDefaults } from '../create/defaults.ts';
import { ContainerEntry } from '../entry.ts';
import type { ContainerRecord, MountRecord } from '../record.ts';
import { engineTargets, mountAndConnect } from '../start/apply.ts';
import { prepareFiles } from '../start/files.ts';
import { planLaunch } from '../start/plan.ts';
import { createdState } from '../state.ts';
import { type IdMapping, rootOwner } from '../../spec/contract/user-namespace.ts';
import { chooseIds, openUserNamespace } from '../user-namespace/choose.ts';
import { writableRoot } from './view.ts';

const killSignal = 9;

/**
 * Runs one command of a build as a container of its own that has no record: nobody sees it, and what a killed engine leaves
 * of it goes with the sweep of the next boot. `changed` reads what it wrote before the container goes.
 */
export async function runStep(
  ctx: ContainerContext,
  request: StepRequest,
  changed: (archive: ByteStream) => Promise<void>,
): Promise<StepResult> {
  if (ctx.closing) throw conflict('the engine is going down');
  const { signal } = request;
  const hostConfig = hostConfigOf(ctx, { hostname: sandboxName, ...request });
  validateResources(hostConfig, ctx.settings, []);
  using chosen = chooseIds(ctx, hostConfig);
  const { ids } = chosen;
  await using scope = new Scope();
  const own = ids === undefined ? {} : { ids };
  const mounts = await Promise.all(request.mounts.map((mount) => mountRecord(ctx, mount, own, scope)));
  const entry = new ContainerEntry({ ...recordOf(ctx, newContainerId(), request, mounts), hostConfig, ...own });
  const { id, record } = entry;
  scope.defer(() => ctx.host.removeTrees([dataDirectory(ctx, id), runDirectory(ctx, id)]));
  await scope.acquire(ctx.snapshots.prepare(id, record.layers, own), () => ctx.snapshots.remove(id));
  if (ids !== undefined) {
    // A new cache is to be written by the root inside.
    const volumes = record.mounts.filter(({ type, source }) => type === 'volume' && source !== '');
    for (const { source } of volumes) await ctx.host.giveEmpty(source, rootOwner(ids));
  }
  const images = record.mounts.flatMap(({ image }) => (image === undefined ? [] : [image.layers]));
  ctx.runMounts.keepImages(id, images);
  scope.defer(() => ctx.runMounts.forgetImages(id));
  await scope.acquire(ctx.snapshots.mount(id, engineTargets, { passing: true }), () => ctx.snapshots.unmount(id));
  // What is never synced cannot be mounted a second time: it stays until it is read.
  const use = await scope.acquire(ctx.snapshots.use(id, engineTargets), (held) => held.release());
  const result = await launchAndWait(ctx, entry, request);
  if (signal.aborted) throw new EngineError('cancelled', 'context canceled');
  if (result.code !== 0) return result;
  await changed(ctx.files.packChanges(use.layers, signal));
  return result;
}

/** One run, from its mounts to its end; nothing but the writable layer is left of it. */
async function launchAndWait(ctx: ContainerContext, entry: ContainerEntry, request: StepRequest): Promise<StepResult> {
  const { id, record } = entry;
  await using scope = new Scope();
  const userNamespace = await openUserNamespace(ctx, entry);
  using _closed = { [Symbol.dispose]: () => userNamespace?.close() };
  const { rootfs, network } = await mountAndConnect(ctx, entry, scope, userNamespace?.takeNetwork());
  for (const { type, name } of record.mounts) {
    if (type !== 'volume') continue;
    await scope.acquire(ctx.volumes.mount(name, id), () => ctx.volumes.unmount(name, id));
  }
  scope.defer(() => ctx.runMounts.release(id));
  const files = await prepareFiles(ctx, entry, network);
  const plan = await planLaunch(ctx, entry, { rootfs, network, files, userNamespace });
  scope.defer(() => ctx.launcher.delete(id, plan.directory, plan.runtime));
  const live = await ctx.launcher.create(plan);
  await ctx.runMounts.releasePlaces(id);
  live.stdio.add(sinkTo(request.output));
  await ctx.launcher.start(id, plan.directory);
  network?.releasePath();
  const kill = (): void => void ctx.launcher.signal(id, plan.directory, killSignal).catch(() => undefined);
  if (request.signal.aborted) kill();
  request.signal.addEventListener('abort', kill, { once: true });
  try {
    const { code, oomKilled } = await live.exited;
    await live.stdio.drained;
    return { code, oomKilled };
  } finally {
    request.signal.removeEventListener('abort', kill);
  }
}

const sinkTo = (output: StepRequest['output']): StdioSink => ({ write: output, end: () => undefined });

/** What steps are called that are not to be called anything else. */
const sandboxName = 'buildkitsandbox';

/** No image is behind it: only what launching asks of a record counts. */
const noImage = `sha256:${'0'.repeat(64)}` as Digest;

function hostConfigOf(ctx: ContainerContext, request: StepRequest & { readonly hostname: string }): HostConfig {
  // Its name means itself also where it has no network.
  const hosts = [`${request.hostname}:127.0.0.1`, ...(request.hostConfig.ExtraHosts ?? [])];
  return withHostDefaults(
    // Nothing of a run that the host does not survive is wanted: it is never synced.
    {
      ...emptyHostConfig(),
      ...request.hostConfig,
      ExtraHosts: hosts,
      AutoRemove: true,
      LogConfig: { Type: 'none', Config: {} },
    },
    {
      containers: ctx.settings.defaults,
      runtime: ctx.settings.defaultRuntime,
      log: { driver: 'none', options: {} },
      maskedPaths: ctx.settings.maskedPaths,
      readonlyPaths: ctx.settings.readonlyPaths,
    },
  );
}

function recordOf(
  ctx: ContainerContext,
  id: ContainerId,
  request: StepRequest,
  mounts: readonly MountRecord[],
): Omit<ContainerRecord, 'hostConfig' | 'ids'> {
  return {
    id,
    name: `build-${id.slice(0, 12)}`,
    createdNs: ctx.clock.nowNs(),
    imageId: noImage,
    imageName: '',
    imageManifest: noImage,
    platform: 'linux',
    layers: request.layers,
    config: {
      ...emptyContainerConfig(),
      Hostname: request.hostname ?? sandboxName,
      User: request.user,
      // Containers have HOSTNAME, steps of builds not.
      Env: ['HOSTNAME', ...request.env],
      Cmd: [...request.args],
      WorkingDir: request.cwd,
    },
    endpoints: {},
    mounts,
    state: createdState,
    restartCount: 0,
    stoppedByUser: false,
    sandbox: undefined,
  };
}

async function mountRecord(
  ctx: ContainerContext,
  mount: StepMount,
  own: { readonly ids?: IdMapping },
  until: Scope,
): Promise<MountRecord> {
  const plain = {
    name: '',
    source: '',
    destination: mount.target,
    driver: '',
    mode: '',
    readOnly: false,
    recursive: true,
    readOnlyNonRecursive: false,
    propagation: 'rprivate',
    options: [],
    anonymous: false,
    createSource: false,
  } as const;
  switch (mount.kind) {
    case 'bind':
      return { ...plain, type: 'bind', source: mount.source, readOnly: mount.readOnly };
    case 'tmpfs':
      return { ...plain, type: 'tmpfs', options: mount.options };
    case 'volume': {
      const source = ctx.volumes.get(mount.name)?.mountpoint ?? '';
      return { ...plain, type: 'volume', name: mount.name, driver: 'local', source, readOnly: mount.readOnly };
    }
    case 'layers':
      if (mount.writable) {
        const source = await writableRoot(ctx, mount.layers, own, until);
        return { ...plain, type: 'bind', source, subpath: mount.subpath };
      }
      return {
        ...plain,
        type: 'image',
        readOnly: true,
        subpath: mount.subpath,
        image: { id: noImage, layers: mount.layers },
      };
  }
}
