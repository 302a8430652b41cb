/** What the syscall worker can do: arguments and results are plain data. */
import { createSubvolume, destroySubvolumes, snapshotSubvolume } from '../btrfs/subvolume-calls.ts';
import { freezeFileSystem, growDisk, thawFileSystem, unlockDirectories } from '../disk/calls.ts';
import { exchange } from '../file/exchange-call.ts';
import { place, removeDirectories, removeSmallTrees } from '../file/place-calls.ts';
import { bind, changeAttributes, mountNew, unmountPath } from '../mount/calls.ts';
import { mountErofsSync } from '../mount/erofs-calls.ts';
import { mountByLoopSync } from '../mount/loop-calls.ts';
import { mountOverlaySync } from '../mount/overlay-calls.ts';
import { lookAtSources } from '../mount/source-calls.ts';
import { mountIntoContainer, unmountFromContainer } from '../namespace/container-mounts.ts';
import { inPrivateMounts, type MountView } from '../namespace/mount.ts';
import { closeView, openView } from '../namespace/view.ts';
import { changeNamespace, interfacesIn, openNamespace, writeNetSysctls } from '../netlink/calls.ts';
import { limitLinks } from '../netlink/limit-calls.ts';
import { forgetUdpFlows } from '../netlink/conntrack.ts';
import { legacyTables } from '../nftables/legacy.ts';
import { foreignTables } from '../nftables/tables.ts';
import { mkdirAllInRoot, openInRoot, readFileInRoot, resolveInRoot } from '../paths/inroot.ts';
import { changeModeInRoot, prepareMountTargets } from '../paths/mount-targets.ts';
import { listInRoot, statInRoot } from '../paths/stat.ts';
import { openNameSockets } from '../socket/name-sockets.ts';
import { openSocketIn } from '../socket/namespace-socket.ts';
import { posixSpawn, type SpawnRequest } from '../process/spawn-call.ts';

export const blockingCalls = {
  mountNew,
  mountErofs: mountErofsSync,
  mountByLoop: mountByLoopSync,
  mountOverlay: mountOverlaySync,
  bind,
  changeAttributes,
  lookAtSources,
  unmount: unmountPath,
  spawnInView: (request: SpawnRequest, view: MountView): number => inPrivateMounts(view, () => posixSpawn(request)),
  openSocketIn,
  openNameSockets,
  openInRoot,
  resolveInRoot,
  mkdirAllInRoot,
  readFileInRoot,
  prepareMountTargets,
  changeModeInRoot,
  statInRoot,
  listInRoot,
  openView,
  closeView,
  mountIntoContainer,
  unmountFromContainer,
  openNamespace,
  changeNamespace,
  interfacesIn,
  writeNetSysctls,
  foreignTables,
  legacyTables,
  forgetUdpFlows,
  limitLinks,
  place,
  removeSmallTrees,
  removeDirectories,
  exchange,
  createSubvolume,
  snapshotSubvolume,
  destroySubvolumes,
  freezeFileSystem,
  thawFileSystem,
  growDisk,
  unlockDirectories,
};

export type BlockingCalls = typeof blockingCalls;
