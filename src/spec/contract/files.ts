import type { ByteStream } from '../../base/stream.ts';
import type { IdMapping } from './user-namespace.ts';
import type { FileChange } from '../engine/file-change.ts';

/** One bind or volume in a view of a container's files. */
export interface ViewedMount {
  readonly source: string;
  /** Inside the root, where it exists; links are followed inside it. */
  readonly target: string;
  readonly readOnly: boolean;
  readonly recursive: boolean;
}

export interface FileViewRequest {
  /** The mounted root file system. */
  readonly root: string;
  /** Parents before children. */
  readonly mounts: readonly ViewedMount[];
  /** Nothing is to be written. */
  readonly readOnly: boolean;
  /** Only mounts may be written, not the root itself. */
  readonly readOnlyRoot: boolean;
  /** The container's user namespace: archives have the ids inside. */
  readonly ids?: IdMapping | undefined;
}

/** What is at a path, as `docker cp` asks for it. */
export interface FileStat {
  /** Type and permission bits, as stat(2) has them. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Of a link: the link-free path that it means, whose end may be missing; else empty. */
  readonly linkTarget: string;
}

/**
 * The body of a request on a connection that nobody reads at the moment: a thread may read it itself, by the descriptor, or
 * it comes as a stream.
 */
export interface SocketBody {
  /** What was read of it already, with its framing. */
  readonly head: Uint8Array;
  /** Undefined for a chunked body. */
  readonly length: number | undefined;
  /** Of the socket, to be duplicated at once; undefined when the client is gone. */
  descriptor(): number | undefined;
  /** The content, when `raw` was read of it so far, with its framing. */
  stream(raw: Uint8Array): ByteStream;
}

export interface ExtractOptions {
  /** Directories are never replaced by something else, nor the other way round. */
  readonly keepKinds: boolean;
  /** Instead of the owners that the archive names. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  readonly signal?: AbortSignal;
}

/**
 * A container's files as `docker cp` shows them: the root with binds and volumes in their places, without what only lives
 * in the container's own namespace (tmpfs, /proc, /dev). Paths are resolved by the kernel inside the root; neither links
 * nor whoever changes the files meanwhile leads out of it. System errors of a path come through (`ENOENT`, `ENOTDIR`).
 */
export interface FileView {
  /** A link at the end of the path is looked at itself, unless a slash follows. */
  stat(path: string): Promise<FileStat>;
  /** What is in a directory, links as links; names as bytes, one char each. */
  list(path: string): Promise<{ readonly directories: readonly string[]; readonly others: readonly string[] }>;
  /** The link-free path of a directory. @throws system errors; invalid when it is something else. */
  directory(path: string): Promise<string>;
  /**
   * An archive of what is at `path`, with everything below a directory, called `name` in it (`.`, `/` and names);
   * undefined leaves the directory itself out. A piece is only valid until the next one is asked for.
   */
  pack(path: string, name: string | undefined, signal?: AbortSignal): ByteStream;
  /**
   * The same, sent as chunks of an HTTP body straight to a socket by its descriptor, which nobody else may write to
   * meanwhile; the empty chunk at the end is the caller's.
   */
  packTo(socket: number, path: string, name: string | undefined, signal: AbortSignal): Promise<void>;
  /** Unpacks an archive (plain, gzip or zstd) into a directory, given as `directory` has it. @throws invalid, corrupt, no-space. */
  extract(path: string, archive: ByteStream | SocketBody, options: ExtractOptions): Promise<void>;
  close(): Promise<void>;
}

/** The layers of a mounted root: what its container wrote, and what lies below it, topmost first. */
export interface LayeredRoot {
  readonly upper: string;
  readonly lower: readonly string[];
  /** The user namespace whose ids the files of `upper` have; archives have the ids inside. */
  readonly ids?: IdMapping | undefined;
}

/** Access to the files of containers, in worker threads. */
export interface ContainerFiles {
  open(request: FileViewRequest): Promise<FileView>;
  /** What the container changed. */
  changes(at: LayeredRoot): Promise<FileChange[]>;
  /** The same as the archive of a layer (OCI image-spec, layer.md). A piece is only valid until the next one is asked for. */
  packChanges(at: LayeredRoot, signal?: AbortSignal): ByteStream;
  close(): Promise<void>;
}
