import { dirname } from 'node:path';
import type { LogBatch, LogReadOptions } from '../spec/contract/logs.ts';
import { Batch, noticeBatch } from './batch.ts';
import { ChangeWatch } from './change.ts';
import { readState } from './cuts.ts';
import { fileIdentity, listFiles, LogFile } from './log-file.ts';
import { seekTail } from './tail.ts';

const cutNotice = 'the log reached its size limit while the engine was away: older lines were lost here';
/** So much is read at once: as many lines as take the event loop about half a millisecond. */
const BLOCK_BYTES = 256 * 1024;

/** The files of a log, newest first, all of them: when one is renamed before it is open, it begins anew. */
async function openFiles(logPath: string): Promise<LogFile[]> {
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

/** Keeps what is wanted of a batch; answers true as soon as an entry is younger than wanted. */
function select(batch: Batch, options: LogReadOptions): boolean {
  const { sinceNs, untilNs, stdout, stderr } = options;
  if (sinceNs === undefined && untilNs === undefined && stdout && stderr) return false;
  let over = false;
  batch.retain((index) => {
    if (over) return false;
    if (sinceNs !== undefined || untilNs !== undefined) {
      const timeNs = batch.timeNs(index);
      if (untilNs !== undefined && timeNs > untilNs) over = true;
      if (over || (sinceNs !== undefined && timeNs < sinceNs)) return false;
    }
    return ((batch.kinds[index] ?? 0) & 2) === 0 ? stdout : stderr;
  });
  return over;
}

/** See `ContainerLogs.read`. */
export async function* readLog(
  logPath: string,
  options: LogReadOptions,
  ended: Promise<unknown>,
): AsyncGenerator<LogBatch, void, undefined> {
  const change = new ChangeWatch(dirname(logPath));
  const stop = { ended: false };
  const onEnd = () => {
    stop.ended = true;
    change.disarm();
  };
  const onAbort = () => change.disarm();
  if (options.follow) void ended.then(onEnd, onEnd);
  options.signal?.addEventListener('abort', onAbort, { once: true });
  const files = await openFiles(logPath);
  try {
    if (!options.follow) await Promise.all(files.map((file) => file.endHere()));
    const needed = options.tail === undefined ? files.length : await seekTail(files, options.tail);
    const chain = new Chain(logPath, files, files.slice(0, needed).reverse());
    const isAborted = (): boolean => options.signal?.aborted === true;
    for (;;) {
      const finished = !options.follow || stop.ended;
      const batch = await chain.next(options.follow);
      if (isAborted()) return;
      if (batch !== undefined) {
        const over = select(batch, options);
        if (batch.count > 0) yield batch;
        if (over || isAborted()) return;
      } else if (finished) return;
      else await waitForMore(change, chain, () => stop.ended || isAborted());
    }
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
    change.disarm();
    await Promise.all(files.map((file) => file.close()));
  }
}

/** Arms the watch first and looks once more: what came in between is not slept through. */
async function waitForMore(change: ChangeWatch, chain: Chain, isOver: () => boolean): Promise<void> {
  const changed = change.arm();
  if (isOver() || (await chain.hasMore())) change.disarm();
  await changed;
}

/** The files of a log as one sequence of entries. */
class Chain {
  readonly #logPath: string;
  /** Everything opened, to be closed by the owner. */
  readonly #opened: LogFile[];
  readonly #ahead: LogFile[];
  readonly #seen: Set<string>;
  readonly #batch = new Batch(Buffer.allocUnsafeSlow(BLOCK_BYTES));
  #file: LogFile | undefined;
  #peeked: Batch | undefined;

  constructor(logPath: string, opened: LogFile[], ahead: LogFile[]) {
    this.#logPath = logPath;
    this.#opened = opened;
    this.#seen = new Set(opened.map((file) => file.identity));
    this.#ahead = ahead;
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

  async #read(follow: boolean): Promise<Batch | undefined> {
    const batch = this.#batch;
    for (;;) {
      if ((await this.#file?.readInto(batch)) === true) return batch;
      const next = this.#ahead.shift() ?? (follow ? await this.#appeared() : undefined);
      if (next === undefined) return undefined;
      // That there is a new file means that nobody writes to the old one any more; it may have grown just before.
      if ((await this.#file?.readInto(batch)) === true) {
        this.#ahead.unshift(next);
        return batch;
      }
      this.#file = next;
      const cut = await this.#cutEntry(next);
      if (cut !== undefined) return cut;
    }
  }

  async #appeared(): Promise<LogFile | undefined> {
    const next =
      this.#file === undefined
        ? await LogFile.open(this.#logPath)
        : await successor(this.#logPath, this.#file, this.#seen);
    if (next === undefined) return undefined;
    this.#opened.push(next);
    this.#seen.add(next.identity);
    return next;
  }

  /** The notice for a file before which something was lost, unless it is read from its middle on. */
  async #cutEntry(file: LogFile): Promise<Batch | undefined> {
    if (file.position > 0) return undefined;
    const { cuts } = await readState(this.#logPath);
    if (!cuts.includes(file.identity)) return undefined;
    const timeNs = (await file.readInto(this.#batch)) ? this.#batch.timeNs(0) : 0n;
    file.position = 0;
    return noticeBatch(timeNs, cutNotice);
  }
}
