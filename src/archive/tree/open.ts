import { constants } from 'node:fs';
import { EngineError, invalid } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';
import type {
  ContainerFiles,
  ExtractOptions,
  FileStat,
  FileView,
  FileViewRequest,
  LayeredRoot,
  SocketBody,
} from '../../spec/contract/files.ts';
import type { IdMapping } from '../../spec/contract/user-namespace.ts';
import type { FileChange } from '../../spec/engine/file-change.ts';
import { closeFd } from '../../sys/ffi/descriptor.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import type { OpenView } from '../../sys/namespace/view.ts';
import { closeViewAsync, openViewAsync } from '../../sys/namespace/views.ts';
import { O_PATH } from '../../sys/paths/inroot.ts';
import { listInRootAsync, openInRootAsync, resolveInRootAsync, statInRootAsync } from '../../sys/paths/paths.ts';
import { duplicate } from '../../sys/socket/stream-fd.ts';
import { JobWorkers } from '../../sys/worker/jobs.ts';
import { workerUrl } from '../../sys/worker/url.ts';
import { decompress } from '../compress/decompress.ts';
import type { ByteString } from '../tar/entry.ts';
import type { PackTask } from './pack.ts';
import type { TreeTask } from './tree.worker.ts';

/** A client that stops reading keeps its thread: there are more of them than processors. */
const mostWorkers = 16;
/** Of an archive that is unpacked; far above any disk. */
const mostBytes = 2 ** 50;
const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

const packTask = (directory: number, entry: string | undefined, name: string | undefined): PackTask => ({
  kind: 'pack',
  directory,
  name: name === undefined ? undefined : bytesOf(name === '/' ? '' : name),
  as: 'plain',
  ...(entry === undefined ? {} : { entry: bytesOf(entry) }),
});

const bytesOf = (text: string): ByteString => Buffer.from(text).toString('latin1');

/** Opens the access to containers' files; close it when nobody uses it any more. */
export function openContainerFiles(): ContainerFiles {
  const url = workerUrl(import.meta.url, 'tree.worker');
  // The names of hard links and the times of directories of one archive are kept.
  const workers = new JobWorkers({ url, most: mostWorkers, maxHeapMb: 1024 });
  return {
    async open(request: FileViewRequest): Promise<FileView> {
      const { ids, ...view } = request;
      // Clients look before they copy, and a thread takes 20 ms to start.
      workers.prepare();
      return new KernelView(await openViewAsync(view), workers, ids);
    },
    changes: (paths: LayeredRoot) => workers.run<FileChange[]>({ kind: 'changes', paths } satisfies TreeTask),
    packChanges: (paths, signal) => workers.output({ kind: 'pack-layer', paths } satisfies TreeTask, signal),
    close: () => workers.close(),
  };
}

class KernelView implements FileView {
  readonly #view: OpenView;
  readonly #ids: IdMapping | undefined;
  readonly #workers: JobWorkers;

  constructor(view: OpenView, workers: JobWorkers, ids: IdMapping | undefined) {
    this.#ids = ids;
    this.#view = view;
    this.#workers = workers;
  }

  stat(path: string): Promise<FileStat> {
    return statInRootAsync(this.#view.root, path);
  }

  list(path: string): ReturnType<FileView['list']> {
    return listInRootAsync(this.#view.root, path);
  }

  async directory(path: string): Promise<string> {
    const resolved = await resolveInRootAsync(this.#view.root, path);
    const { mode } = await statInRootAsync(this.#view.root, resolved);
    if ((mode & 0o170000) !== 0o040000) throw invalid('extraction point is not a directory');
    return resolved;
  }

  async *pack(path: string, name: string | undefined, signal?: AbortSignal): ByteStream {
    const { directory, entry } = await this.#openToPack(path);
    try {
      yield* this.#workers.output({ ...packTask(directory, entry, name), ids: this.#ids }, signal);
    } finally {
      closeFd(directory);
    }
  }

  async packTo(fd: number, path: string, name: string | undefined, signal: AbortSignal): Promise<void> {
    // At once: the event loop may close its own descriptor while this one waits.
    const socket = duplicate(fd);
    try {
      const { directory, entry } = await this.#openToPack(path);
      try {
        await this.#workers.run({ ...packTask(directory, entry, name), ids: this.#ids, socket }, undefined, signal);
      } finally {
        closeFd(directory);
      }
    } finally {
      closeFd(socket);
    }
  }

  async extract(path: string, archive: ByteStream | SocketBody, options: ExtractOptions): Promise<void> {
    const { keepKinds, owner, signal } = options;
    const task: TreeTask = {
      kind: 'unpack',
      root: this.#view.root,
      path,
      keepKinds,
      ids: this.#ids,
      ...(owner === undefined ? {} : { owner }),
    };
    const plain = 'head' in archive ? await this.#extractFrom(archive, task, signal) : archive;
    if (plain === undefined) return;
    await this.#workers.run(task, decompress(plain, { maxBytes: mostBytes, what: 'the archive' }), signal);
  }

  /** The thread reads the socket itself; a compressed archive is given as a stream instead. */
  async #extractFrom(body: SocketBody, task: TreeTask, signal?: AbortSignal): Promise<ByteStream | undefined> {
    const { head, length } = body;
    const fd = body.descriptor();
    if (fd === undefined) throw new EngineError('cancelled', 'the client went away while it sent its request');
    const socket = duplicate(fd);
    try {
      const source = { socket, head, length };
      const left = await this.#workers.run<Uint8Array | undefined>({ ...task, source }, undefined, signal);
      return left === undefined ? undefined : body.stream(left);
    } finally {
      closeFd(socket);
    }
  }

  close(): Promise<void> {
    return closeViewAsync(this.#view);
  }

  /** A directory to be packed, or the one that holds the file or link to be packed. */
  async #openToPack(path: string): Promise<{ directory: number; entry?: string }> {
    const { root } = this.#view;
    try {
      return { directory: await openInRootAsync(root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) };
    } catch (error) {
      const code = systemCode(error);
      if (code !== 'ENOTDIR' && code !== 'ELOOP') throw error;
    }
    const slash = path.lastIndexOf('/');
    const entry = path.slice(slash + 1);
    if (entry === '') throw new EngineError('invalid', `${path} is not a directory`);
    return { directory: await openInRootAsync(root, path.slice(0, slash + 1), O_PATH | O_DIRECTORY), entry };
  }
}
