import { constants } from 'node:fs';
import type { ByteStream } from '../../base/stream.ts';
import type { ArchiveCompression, DirectoryArchives } from '../../spec/contract/archives.ts';
import { closeFd, openFd } from '../../sys/ffi/descriptor.ts';
import { JobWorkers } from '../../sys/worker/jobs.ts';
import { workerUrl } from '../../sys/worker/url.ts';
import { compress } from '../compress/compress.ts';
import { decompress } from '../compress/decompress.ts';
import type { TreeTask } from './tree.worker.ts';

/** A client that stops reading keeps its thread. */
const mostWorkers = 8;
/** Of an archive that is unpacked; far above any disk. */
const mostBytes = 2 ** 50;
const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

/** Opens the access to directories of the host; close it when nobody uses it any more. */
export function openDirectoryArchives(): DirectoryArchives {
  const url = workerUrl(import.meta.url, 'tree.worker');
  const workers = new JobWorkers({ url, most: mostWorkers, maxHeapMb: 1024 });
  const open = (path: string): number => openFd(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  async function* plain(directory: string, signal: AbortSignal | undefined): ByteStream & AsyncGenerator<Uint8Array> {
    const fd = open(directory);
    try {
      yield* workers.output({ kind: 'pack', directory: fd, name: '.', as: 'whole' } satisfies TreeTask, signal);
    } finally {
      closeFd(fd);
    }
  }
  return {
    pack(directory, { compression, signal }) {
      const archive = plain(directory, signal);
      return compression === 'none' ? archive : compress(archive, compression satisfies ArchiveCompression);
    },
    async unpack(archive, directory, { signal } = {}) {
      const root = open(directory);
      const limits = { maxBytes: mostBytes, what: 'the archive' };
      try {
        const task: TreeTask = { kind: 'unpack', root, path: '/', keepKinds: false, describesTop: true, sync: true };
        await workers.run(task, decompress(archive, signal === undefined ? limits : { ...limits, signal }), signal);
      } finally {
        closeFd(root);
      }
    },
    close: () => workers.close(),
  };
}
