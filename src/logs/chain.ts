import { Batch, noticeBatch } from './batch.ts';
import { ChangeWatch } from './change.ts';
import { fileIdentity, listFiles, LogFile } from './log-file.ts';

const fullNotice = 'the log reached its size limit while the engine was away: lines were lost here';
/** A full file ends with a part of a record: with its last whole one it is shorter than its limit by less than this. */
const LONGEST_RECORD = 16 * 1024;
/** So much is read at once: as many lines as take the event loop about half a millisecond. */
const BLOCK_BYTES = 256 * 1024;

/** The files of a log, newest first, all of them: when one is renamed before it is open, it begins anew. */
export async function openFiles(logPath: string): Promise<LogFile[]> {
  for (;;) {
    const listed = await listFiles(logPath);
    const opened = await Promise.all(listed.map(({ path }) => LogFile.open(path)));
    const files = opened.filter((file) => file !== undefined);
    if (listed.every(({ identity }, index) => opened[index]?.identity === identity)) return files;
    await Promise.all(files.map((file) => file.close()));
  }
}

/**
 * The file that follows `file`; undefined when there is none (yet). Where the next one is gone already, the oldest that
 * was not read before follows. `seen`: the identities of what was read.
 */
async function successor(logPath: string, file: LogFile, seen: ReadonlySet<string>): Promise<LogFile | undefined> {
  if ((await fileIdentity(logPath)) === file.identity) return undefined;
  for (;;) {
    const files = await listFiles(logPath);
    const place = files.findIndex(({ identity }) => identity === file.identity);
    const newer = place < 0 ? files : files.slice(0, place);
    const next = newer.filter(({ identity }) => !seen.has(identity)).at(-1);
    if (next === undefined) return undefined;
    const opened = await LogFile.open(next.path);
    if (opened?.identity === next.identity) return opened;
    await opened?.close();
  }
}

/** Arms the watch first and looks once more: what came in between is not slept through. */
export async function waitForMore(change: ChangeWatch, chain: LogChain, isOver: () => boolean): Promise<void> {
  const changed = change.arm();
  if (isOver() || (await chain.hasMore())) change.disarm();
  await changed;
}

/** The files of a log as one sequence of entries. It owns the files that it is given. */
export class LogChain {
  readonly #logPath: string;
  readonly #ahead: LogFile[];
  readonly #seen: Set<string>;
  readonly #guardBytes: number;
  readonly #batch = new Batch(Buffer.allocUnsafeSlow(BLOCK_BYTES));
  #unneeded: readonly LogFile[];
  #file: LogFile | undefined;
  #peeked: Batch | undefined;
  /** Time of the last entry near the end of a file that may be full. */
  #lastNs = 0n;
  /** The full file that was told of. */
  #told: LogFile | undefined;

  /**
   * `files` are all of the log, newest first; the newest `needed` of them are read, each from its position on. Behind
   * one of `guardBytes` (0: no such limit) an entry tells that it was full.
   */
  constructor(logPath: string, files: readonly LogFile[], needed: number, guardBytes = 0) {
    this.#logPath = logPath;
    this.#guardBytes = guardBytes;
    this.#seen = new Set(files.map((file) => file.identity));
    this.#ahead = files.slice(0, needed).reverse();
    this.#unneeded = files.slice(needed);
  }

  /** The next entries; undefined when there are none for now. `follow` also looks for files that appeared later. */
  async next(follow: boolean): Promise<Batch | undefined> {
    const peeked = this.#peeked;
    this.#peeked = undefined;
    return peeked ?? (await this.#read(follow));
  }

  async hasMore(): Promise<boolean> {
    this.#peeked ??= await this.#read(true);
    return this.#peeked !== undefined;
  }

  async close(): Promise<void> {
    const files = [...this.#unneeded, ...this.#ahead.splice(0), ...(this.#file === undefined ? [] : [this.#file])];
    this.#unneeded = [];
    this.#file = undefined;
    await Promise.all(files.map((file) => file.close()));
  }

  async #read(follow: boolean): Promise<Batch | undefined> {
    const batch = this.#batch;
    for (;;) {
      if ((await this.#file?.readInto(batch)) === true) return this.#noted(batch);
      const full = await this.#fullEntry();
      if (full !== undefined) return full;
      const next = this.#ahead.shift() ?? (follow ? await this.#appeared() : undefined);
      if (next === undefined) return undefined;
      // That there is a new file means that nobody writes to the old one any more; it may have grown just before.
      if ((await this.#file?.readInto(batch)) === true) {
        this.#ahead.unshift(next);
        return this.#noted(batch);
      }
      await this.#file?.close();
      this.#file = next;
    }
  }

  async #appeared(): Promise<LogFile | undefined> {
    const next =
      this.#file === undefined
        ? await LogFile.open(this.#logPath)
        : await successor(this.#logPath, this.#file, this.#seen);
    if (next === undefined) return undefined;
    this.#seen.add(next.identity);
    return next;
  }

  #mayBeFull(file: LogFile): boolean {
    return this.#guardBytes > 0 && file.position + LONGEST_RECORD > this.#guardBytes;
  }

  #noted(batch: Batch): Batch {
    if (this.#file !== undefined && this.#mayBeFull(this.#file)) this.#lastNs = batch.timeNs(batch.count - 1);
    return batch;
  }

  /** The entry behind a file that was full, once, and only when its last entries were read. */
  async #fullEntry(): Promise<Batch | undefined> {
    const file = this.#file;
    if (file === undefined || file === this.#told || this.#lastNs === 0n || !this.#mayBeFull(file)) return undefined;
    if ((await file.handle.stat()).size < this.#guardBytes) return undefined;
    this.#told = file;
    return noticeBatch(this.#lastNs, fullNotice);
  }
}
