/** One run of ids of a user namespace and what they are on the host (user_namespaces(7), `uid_map`). */
export interface IdRange {
  readonly inside: number;
  readonly outside: number;
  readonly size: number;
}

/** The users and groups of a user namespace; ids that are in no range do not exist there. Sorted by `inside`. */
export interface IdMapping {
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
}

/** What the kernel shows for an id that is not mapped: `nobody` (`/proc/sys/kernel/overflowuid`). */
export const overflowId = 65534;

/** The id on the host of one inside; undefined when it is not mapped. */
export function hostId(ranges: readonly IdRange[], inside: number): number | undefined {
  const range = ranges.find((one) => inside >= one.inside && inside - one.inside < one.size);
  return range === undefined ? undefined : range.outside + (inside - range.inside);
}

/** The id inside of one on the host: `overflowId` when it is not mapped. */
export function insideId(ranges: readonly IdRange[], outside: number): number {
  const range = ranges.find((one) => outside >= one.outside && outside - one.outside < one.size);
  return range === undefined ? overflowId : range.inside + (outside - range.outside);
}

/** The host's ids of the namespace's root; the mappings of this engine always have one. */
export const rootOwner = (mapping: IdMapping): { readonly uid: number; readonly gid: number } => ({
  uid: hostId(mapping.uids, 0) ?? overflowId,
  gid: hostId(mapping.gids, 0) ?? overflowId,
});

/** A user namespace while a container is being made; afterwards the container's processes keep it alive. */
export interface OpenUserNamespace {
  /** A descriptor of the engine, for mounts with shifted ids. */
  readonly descriptor: number;
  /** A path that a runtime can join right now. */
  readonly path: string;
  /**
   * A network namespace that belongs to it, when it is a new one: only there has its root any rights. Whoever takes the
   * descriptor closes it.
   */
  takeNetwork(): number | undefined;
  close(): void;
}

export interface UserNamespaces {
  /** @throws unavailable when the host has no user namespaces, or no more of them. */
  create(mapping: IdMapping): Promise<OpenUserNamespace>;
  /** That of a process. @throws unavailable when it is gone. */
  of(pid: number): OpenUserNamespace;
}
