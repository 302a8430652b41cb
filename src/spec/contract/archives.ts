import type { ByteStream } from '../../base/stream.ts';

/** How an archive is compressed. */
export type ArchiveCompression = 'none' | 'gzip' | 'zstd';

/** Archives of whole directories of the host, in worker threads. */
export interface DirectoryArchives {
  /**
   * A tar archive of a directory, which is called `.` in it, with everything that is below: owners, times to the nanosecond,
   * attributes (`user.*`, access lists, capabilities), hard links, holes, devices; no sockets. No link is
   * followed. A piece is only valid until the next one is asked for.
   */
  pack(
    directory: string,
    options: { readonly compression: ArchiveCompression; readonly signal?: AbortSignal },
  ): ByteStream;
  /**
   * Unpacks an archive (plain, gzip, zstd, bzip2 or xz) into a directory, which neither its names nor its links lead out of;
   * what is there and in the archive is replaced, directories are merged. On disk when it resolves.
   * @throws EngineError invalid, corrupt, no-space, cancelled; part of it may be there then.
   */
  unpack(archive: ByteStream, directory: string, options?: { readonly signal?: AbortSignal }): Promise<void>;
  close(): Promise<void>;
}
