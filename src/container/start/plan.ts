import { invalid } from '../../base/errors.ts';
import type { LaunchMount, LaunchRequest, ProcessUser } from '../../spec/contract/launch.ts';
import type { OpenSandbox } from '../../spec/contract/network.ts';
import { hostId, type IdMapping, type OpenUserNamespace, overflowId } from '../../spec/contract/user-namespace.ts';
import type { IdOwner } from '../ports.ts';
import { type ContainerContext, logPath, runDirectory } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';
import { logSettings } from '../logs.ts';
import { processEnvironment } from '../create/environment.ts';
import { linkEnvironment } from '../links/environment.ts';
import { type ReadInRoot, resolveUser } from '../user/resolve.ts';
import { hostnameOf } from './files.ts';
import { deviceMounts, resolveTargets, userMounts } from './mounts.ts';
import { sharedMemoryOf } from './ipc.ts';
import { chooseNamespaces } from './namespaces.ts';

/** Reads a file of the image's passwd database inside the root. */
export const userFiles =
  (ctx: ContainerContext, rootfs: string): ReadInRoot =>
  (path, limit) =>
    ctx.roots.readFile(rootfs, path, limit);

const joinedUsers = (open: OpenUserNamespace | undefined, ids: IdMapping | undefined) =>
  open === undefined || ids === undefined ? {} : { userNamespace: { path: open.path, ids } };

/** Whom files of a user of the container belong to on the host. */
const onHost = ({ uid, gid }: ProcessUser, ids: IdMapping | undefined): IdOwner => ({
  uid: ids === undefined ? uid : (hostId(ids.uids, uid) ?? overflowId),
  gid: ids === undefined ? gid : (hostId(ids.gids, gid) ?? overflowId),
});

/** What to launch. Makes nothing but the working directory, which Docker makes too. */
export async function planLaunch(
  ctx: ContainerContext,
  entry: ContainerEntry,
  at: {
    readonly rootfs: string;
    readonly network: OpenSandbox | undefined;
    readonly files: readonly LaunchMount[];
    readonly userNamespace: OpenUserNamespace | undefined;
  },
): Promise<LaunchRequest> {
  const { record } = entry;
  const { config, hostConfig } = record;
  const args = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  if (args.length === 0) throw invalid('no command specified');
  const cwd = config.WorkingDir === '' ? '/' : config.WorkingDir;
  // At once: what asks together shares one trip into the root.
  const [{ user, home }, resolvedCwd] = await Promise.all([
    resolveUser(config.User, hostConfig.GroupAdd, userFiles(ctx, at.rootfs)),
    ctx.roots.resolve(at.rootfs, cwd),
  ]);
  const owner = onHost(user, record.ids);
  await ctx.roots.makeDirectory(at.rootfs, resolvedCwd, owner);
  const hostname = hostnameOf(ctx, entry);
  const requests = hostConfig.DeviceRequests ?? [];
  const deviceEdits = requests.length === 0 ? undefined : await ctx.devices.edits(requests);
  const sharedMemory = await sharedMemoryOf(ctx, entry);
  const files = at.files.map((mount) => ({ mount, kind: 'file' as const }));
  const mounts = [
    ...files,
    ...(await deviceMounts(ctx, deviceEdits)),
    ...(await userMounts(ctx, { entry, holder: entry.id, owner })),
  ];
  const { guardBytes } = ctx.logs.limits(logSettings(hostConfig));
  return {
    id: entry.id,
    name: record.name,
    rootfs: at.rootfs,
    hostname,
    domainname: config.Domainname,
    process: {
      args,
      env: processEnvironment({
        hostname,
        tty: config.Tty,
        home,
        container: [...linkEnvironment(ctx, entry, 'all'), ...(deviceEdits?.env ?? []), ...config.Env],
      }),
      // Free of links: a runtime would follow an image's link out of the container.
      cwd: resolvedCwd,
      user,
      tty: config.Tty,
      ...(hostConfig.ConsoleSize[0] > 0 ? { consoleSize: hostConfig.ConsoleSize } : {}),
      openStdin: config.OpenStdin,
      stdinOnce: config.StdinOnce,
    },
    hostConfig,
    mounts: await resolveTargets(ctx, at.rootfs, mounts, record.ids),
    ...joinedUsers(at.userNamespace, record.ids),
    ...(deviceEdits === undefined ? {} : { deviceEdits }),
    ...(sharedMemory === undefined ? {} : { sharedMemory }),
    namespaces: chooseNamespaces(ctx, entry, at.network),
    directory: runDirectory(ctx, entry.id),
    logPath: hostConfig.LogConfig.Type === 'none' ? undefined : logPath(ctx, entry.id),
    logGuardBytes: guardBytes,
    runtime: hostConfig.Runtime === '' ? ctx.settings.defaultRuntime : hostConfig.Runtime,
    useInit: hostConfig.Init ?? ctx.settings.defaults.init,
  };
}
