import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Mutex } from '../base/async.ts';
import type { ContainerId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import { syncDirectory } from '../sys/file/durable.ts';
import { fileIdentity, identityOf, isLeftOver, PACKED, type RotatedFile, rotatedFiles } from './log-file.ts';
import { packFile } from './packed.ts';
import type { Exclusive } from './rotate.ts';

interface Work {
  /** There may be more to compress than was there at the last look. */
  again: boolean;
  readonly stop: AbortController;
  done: Promise<void>;
}

/** Compresses rotated files beside all else, one at a time over all logs: rotation and readers never wait for it. */
export class LogPacker {
  readonly #log: Logger;
  readonly #turn = new Mutex();
  readonly #works = new Map<ContainerId, Work>();
  #closed = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Has every rotated file of the log compressed; `mutex` keeps it to itself while files are exchanged. */
  start(id: ContainerId, logPath: string, mutex: Exclusive): void {
    if (this.#closed) return;
    const running = this.#works.get(id);
    if (running !== undefined) {
      running.again = true;
      return;
    }
    const work: Work = { again: true, stop: new AbortController(), done: Promise.resolve() };
    this.#works.set(id, work);
    work.done = this.#run(logPath, mutex, work, () => this.#works.delete(id)).catch((error: unknown) => {
      if (!work.stop.signal.aborted) this.#log.warn('a log is not compressed', { container: id, error });
    });
  }

  /** Ends the work on one log; what is left is done after the next start of its container. */
  async stop(id: ContainerId): Promise<void> {
    const work = this.#works.get(id);
    work?.stop.abort();
    await work?.done;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#works.keys()].map((id) => this.stop(id)));
  }

  /** `over` is called with the last look: what comes later needs a new start. */
  async #run(logPath: string, mutex: Exclusive, work: Work, over: () => void): Promise<void> {
    const { signal } = work.stop;
    try {
      while (work.again && !signal.aborted) {
        work.again = false;
        // Too large ones stay as they are.
        const passed = new Set<string>();
        for (;;) {
          const file = await mutex.run(() => nextFile(logPath, passed));
          if (file === undefined) break;
          await this.#turn.run(() => packOne(logPath, file, mutex, signal));
          passed.add(file.identity);
        }
      }
    } finally {
      over();
    }
  }
}

interface OpenFile {
  readonly handle: FileHandle;
  readonly identity: string;
}

/** The oldest file that is to be compressed, open. What an engine that was killed left over is removed. */
async function nextFile(logPath: string, passed: ReadonlySet<string>): Promise<OpenFile | undefined> {
  // Without a current file the monitor may be writing to the newest of the others.
  if ((await fileIdentity(logPath)) === undefined) return undefined;
  const files = await rotatedFiles(logPath);
  for (const [index, file] of files.entries()) if (isLeftOver(file, index, files)) await unlink(file.path);
  for (const { path } of files.filter(({ packed }) => !packed).reverse()) {
    const handle = await open(path, 'r');
    const identity = identityOf(await handle.stat({ bigint: true }));
    if (!passed.has(identity)) return { handle, identity };
    await handle.close();
  }
  return undefined;
}

/**
 * Compresses one file, which it closes, under a name that nobody looks at. Then it takes the file's place, wherever
 * rotation has moved that meanwhile: first it is on the disk, then the other goes.
 */
async function packOne(logPath: string, file: OpenFile, mutex: Exclusive, signal: AbortSignal): Promise<void> {
  const temporary = `${logPath}.new${PACKED}`;
  let placed = false;
  await using stack = new AsyncDisposableStack();
  stack.defer(() => file.handle.close());
  signal.throwIfAborted();
  const to = await open(temporary, 'w', 0o600);
  stack.defer(async () => {
    await to.close();
    if (!placed) await unlink(temporary);
  });
  const bytes = await packFile(file.handle, to, file.identity, signal);
  await mutex.run(async () => {
    const now = await findFile(logPath, file.identity);
    if (now === undefined || bytes === undefined || bytes !== (await file.handle.stat()).size) return;
    await rename(temporary, now.path + PACKED);
    placed = true;
    await syncDirectory(dirname(logPath));
    await unlink(now.path);
  });
}

async function findFile(logPath: string, identity: string): Promise<RotatedFile | undefined> {
  for (const file of await rotatedFiles(logPath)) {
    if (!file.packed && (await fileIdentity(file.path)) === identity) return file;
  }
  return undefined;
}
