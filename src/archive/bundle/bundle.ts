import type { Digest } from '../../base/ids.ts';
import type { ByteStream } from '../../base/stream.ts';
import { closeFd } from '../../sys/ffi/descriptor.ts';
import { duplicate } from '../../sys/socket/stream-fd.ts';
import { JobWorkers } from '../../sys/worker/jobs.ts';
import { workerUrl } from '../../sys/worker/url.ts';
import type { TarEntry } from '../tar/entry.ts';

/** A member of a bundle: a directory, bytes in memory, or a whole file whose digest is known. */
export interface BundleMember {
  readonly entry: TarEntry;
  readonly bytes?: Uint8Array;
  readonly file?: { readonly path: string; readonly digest: Digest };
}

/** What the worker is asked to do. */
export interface BundleTask {
  readonly members: readonly BundleMember[];
  /** Where the archive goes, as chunks of an HTTP body; the job's output when it is left out. */
  readonly socket?: number;
}

/** A client that stops reading keeps its thread. */
const mostWorkers = 8;

/**
 * Writes tar archives of files that are there already, such as blobs, without a copy of them: a thread reads, verifies
 * and sends, the event loop sees none of the bytes.
 */
export class Bundles {
  readonly #workers = new JobWorkers({
    url: workerUrl(import.meta.url, 'bundle.worker'),
    most: mostWorkers,
    maxHeapMb: 256,
  });

  /**
   * The archive as a stream; a piece is only valid until the next one is asked for. @throws EngineError `corrupt` when a
   * file is not what its digest says, `not-found` when it is gone; `cancelled`.
   */
  stream(members: readonly BundleMember[], signal: AbortSignal): ByteStream {
    return this.#workers.output({ members } satisfies BundleTask, signal);
  }

  /** The same as chunks of an HTTP body to a socket that nobody else writes to meanwhile. */
  async sendTo(fd: number, members: readonly BundleMember[], signal: AbortSignal): Promise<void> {
    // At once: the event loop may close its own descriptor while this one waits.
    const socket = duplicate(fd);
    try {
      await this.#workers.run({ members, socket } satisfies BundleTask, undefined, signal);
    } finally {
      closeFd(socket);
    }
  }
}
