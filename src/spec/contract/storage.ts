import type { ContainerId, DiffId } from '../../base/ids.ts';
import type { LayeredRoot } from './files.ts';
import type { IdMapping } from './user-namespace.ts';

/** A mounted root that somebody looks into. */
export interface SnapshotUse {
  /** Where it is mounted. */
  readonly root: string;
  readonly layers: LayeredRoot;
  /** To be called once. */
  release(): Promise<void>;
}

/** The writable root file systems of containers: read-only layers below, one upper directory each. */
export interface Snapshots {
  /**
   * Makes the writable layer of a container, durably, over `layers` (lowest first), which stay in the store as long
   * as it exists. With a `limit` the container can write so many bytes and no more; its file system tells the size. With
   * `ids` it has a user namespace: its root is mounted so that what belongs to the image's root belongs to the
   * namespace's.
   * @throws not-found when a layer is missing, conflict when the id is taken, unavailable when there can be no limit.
   */
  prepare(
    id: ContainerId,
    layers: readonly DiffId[],
    options?: { readonly limit?: number; readonly ids?: IdMapping },
  ): Promise<void>;
  /**
   * Mounts it and returns the absolute path of the root. Mounting twice gives the same path.
   * `guard` names directories (`dev`, `proc`, `sys`) that must be real directories in the mounted root: where the
   * image has a link or a file there, an empty directory is put into the writable layer first.
   * `passing`: nobody wants what is written after a power failure (a container with `--rm`); it is never synced then,
   * neither for a process that asks nor at the unmount.
   */
  mount(id: ContainerId, guard: readonly string[], options?: { readonly passing?: boolean }): Promise<string>;
  /**
   * Keeps it mounted, mounting it when it is not, until `release`: whether its container runs, starts or ends meanwhile.
   * `guard` as for `mount`. @throws not-found, also when it is being deleted.
   */
  use(id: ContainerId, guard: readonly string[]): Promise<SnapshotUse>;
  /** Unmounts it, when it is mounted, as soon as nobody uses it; the writable layer stays. */
  unmount(id: ContainerId): Promise<void>;
  /** Deletes the writable layer once nobody uses it, unmounting it first; deleting what does not exist is no error. */
  remove(id: ContainerId): Promise<void>;
  /** Bytes of the writable layer and of all layers below, uncompressed. */
  usage(id: ContainerId, signal?: AbortSignal): Promise<{ writable: number; layers: number }>;
  /** At boot: what of the known containers is still mounted is adopted, everything else is unmounted and deleted. */
  restore(known: SetOfContainers): Promise<void>;
  /** All writable layers with the layers below them, lowest first. */
  list(): readonly { readonly id: ContainerId; readonly layers: readonly DiffId[]; readonly ids?: IdMapping }[];
}

/** Some containers; it need not be known which ones. */
export type SetOfContainers = Pick<ReadonlySet<ContainerId>, 'has'>;

/**
 * What the engine mounts for one run of a container besides its root: shared memory that other containers may join,
 * images that are shown inside it, and places inside volumes and images, held still while a runtime mounts them.
 */
export interface RunMounts {
  /** A tmpfs of so many bytes for /dev/shm; gives its path. It is there until `release`. */
  shareMemory(id: ContainerId, bytes: number): Promise<string>;
  /** Where a running container's shared memory is; undefined when it shares none. */
  sharedMemory(id: ContainerId): string | undefined;
  /**
   * The images that a container shows, each by its layers (lowest first): they stay in the store until `forgetImages`.
   * At boot called for every container before `restore`.
   */
  keepImages(id: ContainerId, images: readonly (readonly DiffId[])[]): void;
  forgetImages(id: ContainerId): void;
  /** Mounts one of these images read-only, until `release` of the holder; gives its path. */
  showImage(id: ContainerId, index: number, holder?: ContainerId): Promise<string>;
  /** Where that is, also while it is not mounted. */
  imagePath(id: ContainerId, index: number): string;
  /**
   * Finds `path` below `root`, which a container controls, and mounts what it found at a path of the engine's own:
   * whatever is renamed meanwhile, a runtime that mounts this path gets exactly that, with what is mounted below it
   * (unless `recursive` is false).
   * @throws not-found; invalid when a link leads out of the root.
   */
  holdPlace(id: ContainerId, root: string, path: string, options?: { readonly recursive?: boolean }): Promise<string>;
  /**
   * Mounts what is at `source`, links followed, so that it shows other owners: `mapping` has the ids on the disk inside
   * and those of the host outside. Gives the path; it is held as a place is.
   * @throws unavailable when the kernel or the file system cannot
   */
  shiftOwners(
    id: ContainerId,
    source: string,
    mapping: IdMapping,
    options: { readonly recursive: boolean; readonly isFile: boolean },
  ): Promise<string>;
  /**
   * Mounts an overlay over the folder `lower` and gives its path; what is written goes to `own`, or to folders that are
   * made for it and deleted by `release`. It is there until `release`.
   * @throws invalid when the kernel does not take the folders
   */
  layOver(
    id: ContainerId,
    index: number,
    lower: string,
    own: { readonly upper: string; readonly work: string } | undefined,
  ): Promise<string>;
  /** Where that is; undefined while it is not mounted. */
  overlayPath(id: ContainerId, index: number): string | undefined;
  /** The runtime has mounted what was held. */
  releasePlaces(id: ContainerId): Promise<void>;
  /** Unmounts everything of a run; no error when there is nothing. */
  release(id: ContainerId): Promise<void>;
  /** At boot: what running containers have is adopted, everything else is unmounted. */
  restore(running: SetOfContainers): Promise<void>;
}

/** Where images are mounted on the host, each under a name. */
export interface ImageMountPlaces {
  pathOf(name: string): string;
  /** Mounts layers (lowest first), read-only and without set-user-id programs and devices; once. Gives the path. */
  mount(name: string, layers: readonly DiffId[]): Promise<string>;
  /** No error when it is not mounted. @throws conflict while a process is in there, unless it is forced */
  unmount(name: string, options: { readonly force: boolean }): Promise<void>;
  /** At boot: mounts what is to be mounted, and takes the rest away. Gives what could not be mounted, and why. */
  restore(wanted: ReadonlyMap<string, readonly DiffId[]>): Promise<ReadonlyMap<string, unknown>>;
}

export interface Volume {
  readonly name: string;
  readonly driver: string;
  /** Where its content is on the host. */
  readonly mountpoint: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly createdNs: bigint;
  readonly anonymous: boolean;
  /** Oldest first; they go with the volume. */
  readonly snapshots?: readonly VolumeSnapshot[];
}

/** What a volume held at one moment. */
export interface VolumeSnapshot {
  readonly name: string;
  readonly createdNs: bigint;
  readonly labels: Readonly<Record<string, string>>;
}

export interface VolumeRequest {
  /** Undefined for an anonymous volume with a random name of 64 hex digits. */
  readonly name?: string;
  readonly driver?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly options?: Readonly<Record<string, string>>;
}

export interface Volumes {
  /** Gives the volume of that name, making it when there is none (Docker's create is idempotent). */
  ensure(request: VolumeRequest): Promise<Volume>;
  get(name: string): Volume | undefined;
  list(): readonly Volume[];
  /** @throws not-found; conflict while a container refers to it. */
  remove(name: string, options?: { force?: boolean }): Promise<void>;
  /**
   * Makes the content of a volume available at its mountpoint while a container runs: volumes with mount options
   * (`type`, `device`, `o`) are mounted for their first user. @throws not-found, and invalid when the mount fails.
   */
  mount(name: string, containerId: ContainerId): Promise<void>;
  /** The container does not run with it any more; the last one's end unmounts it. No error without a mount. */
  unmount(name: string, containerId: ContainerId): Promise<void>;
  /** At boot, instead of `mount`: a running container has had it mounted since an earlier engine. */
  resume(name: string, containerId: ContainerId): Promise<void>;
  /** At boot, after all `resume`: gives back what an earlier engine mounted for containers that do not run. May take minutes. */
  settle(): Promise<void>;
  /** Says which containers use a volume; anonymous ones of a removed container are deleted by its service. */
  retain(name: string, containerId: ContainerId): void;
  release(name: string, containerId: ContainerId): void;
  users(name: string): readonly ContainerId[];
  /**
   * Copies what the image has at `path` into the volume when the volume is still empty (Docker's copy-up), with
   * owner, mode, times and xattrs; `root` is the mounted root file system, and nothing outside it is ever read.
   */
  copyUp(name: string, root: string, path: string): Promise<void>;
}
