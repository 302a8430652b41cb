import type { ByteStream } from '../../base/stream.ts';
import type { CommitRequest } from '../../spec/engine/commit.ts';
import type { SocketBody } from '../../spec/contract/files.ts';
import type { FileChange } from '../../spec/engine/file-change.ts';

/** What is at a path in a container. */
export interface PathStat {
  readonly name: string;
  /** Type and permission bits, as stat(2) has them. */
  readonly mode: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Of a link: the path that it means inside the container; else empty. */
  readonly linkTarget: string;
}

/** An archive on its way out. `close` must be called, also when nothing of it was read. */
export interface OutgoingArchive {
  /** A piece is only valid until the next one is asked for. */
  readonly content: ByteStream;
  /** Instead of `content`: sends it as chunks of an HTTP body to a socket that nobody else writes to meanwhile. */
  sendTo(socket: number): Promise<void>;
  close(): Promise<void>;
}

/** The files of containers, running or not. */
export interface ContainerFilesApi {
  /** What the container changed in its root file system. */
  changes(nameOrId: string): Promise<FileChange[]>;
  /** Makes an image of it; gives the image's id. @throws invalid for wrong changes or names. */
  commit(nameOrId: string, request: CommitRequest, signal: AbortSignal): Promise<string>;
  /** The whole root file system as a tar archive. */
  export(nameOrId: string, signal: AbortSignal): Promise<OutgoingArchive>;
  /** @throws not-found `Could not find the file ...`. */
  statPath(nameOrId: string, path: string): Promise<PathStat>;
  packPath(nameOrId: string, path: string, signal: AbortSignal): Promise<OutgoingArchive & { readonly stat: PathStat }>;
  /**
   * Unpacks a tar archive into a directory. `keepKinds`: a directory and something else never replace each other;
   * `toUser`: everything comes to belong to the container's user. @throws invalid for archives that are refused and for
   * read-only places.
   */
  extractTo(
    nameOrId: string,
    path: string,
    archive: ByteStream | SocketBody,
    wishes: { readonly keepKinds: boolean; readonly toUser: boolean },
    signal: AbortSignal,
  ): Promise<void>;
}
