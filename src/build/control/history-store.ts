import { hash } from 'node:crypto';
import { EngineError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { placeIn, readBuild, type StoredBuild, storedBytes, storedEvents, writeBuild } from './history-file.ts';
import { markPinned, nameOf, pathIn, readHistory, removeBuild } from './history-folder.ts';
import { type HistoryRecord, recordOf } from './history-record.ts';
import type { BuildJob, StatusEvent } from './job.ts';
import { StepTimes, traceType } from './trace.ts';

/** So many builds that are over are remembered. */
const mostRemembered = 100;
/** Besides them. */
const mostPinned = 100;
/** Of the files of all together, those of pinned ones included. */
const mostBytes = 512 << 20;

/** A build that is over: in memory until its file is written. */
interface Entry {
  readonly name: string;
  readonly size: number;
  readonly pinned: boolean;
  readonly kept: { readonly job: BuildJob } | { readonly stored: StoredBuild };
}

/**
 * The builds that are over, each a file, so that they outlive the engine: the latest ones, and those that are pinned. A
 * file is written behind the build; one that is damaged is passed by and goes when room is needed. Nothing is read before
 * somebody asks for the history.
 */
export class BuildHistory {
  readonly #directory: string;
  readonly #log: Logger;
  /** By their refs, the oldest one first. */
  readonly #entries = new Map<string, Entry>();
  /** Files that tell of no build, with their sizes. */
  readonly #unread = new Map<string, number>();
  #loaded: Promise<void> | undefined;
  #saving: Promise<void> = Promise.resolve();

  /** @param directory of the history alone; made when it is needed */
  constructor(directory: string, log: Logger) {
    this.#directory = directory;
    this.#log = log;
  }

  /** A build has ended. Its file is written in the background. */
  add(job: BuildJob): void {
    const name = nameOf(job.ref);
    const pinned = this.#entries.get(job.ref)?.pinned ?? false;
    this.#entries.delete(job.ref);
    this.#entries.set(job.ref, { name, size: 0, pinned, kept: { job } });
    this.#later(() => this.#save(job, name));
  }

  /** Resolves when what happened before is on the disk. */
  async settled(): Promise<void> {
    await this.#saving;
  }

  /** The builds, the oldest one first. */
  async records(): Promise<readonly HistoryRecord[]> {
    await this.#load();
    return [...this.#entries.values()].map(shown);
  }

  /** Undefined when there is no such build. */
  async forget(ref: string): Promise<HistoryRecord | undefined> {
    await this.#load();
    const entry = this.#entries.get(ref);
    if (entry === undefined) return undefined;
    this.#entries.delete(ref);
    this.#later(() => removeBuild(this.#directory, entry.name));
    await this.settled();
    return shown(entry);
  }

  /** Keeps a build, or no longer; undefined when there is none. @throws conflict when too many are kept */
  async pin(ref: string, pinned: boolean): Promise<HistoryRecord | undefined> {
    await this.#load();
    const entry = this.#entries.get(ref);
    if (entry === undefined) return undefined;
    const others = [...this.#entries.values()].filter((one) => one.pinned && one !== entry);
    if (pinned && others.length >= mostPinned) {
      throw new EngineError('conflict', `${mostPinned} builds are pinned: more are not kept`);
    }
    const changed = { ...entry, pinned };
    this.#entries.set(ref, changed);
    this.#later(() => markPinned(this.#directory, entry.name, pinned));
    await this.settled();
    return shown(changed);
  }

  /** What happened in a build; undefined when there is none. @throws corrupt */
  async events(ref: string, signal: AbortSignal): Promise<AsyncIterable<StatusEvent> | undefined> {
    const kept = this.#entries.get(ref)?.kept;
    if (kept !== undefined && 'job' in kept) return kept.job.events(signal);
    // Not all of the history is read: clients ask so about each build that begins.
    const path = pathIn(this.#directory, nameOf(ref));
    try {
      return storedEvents(path, kept?.stored ?? (await readBuild(path)).stored);
    } catch (error) {
      if ((error as { code?: string }).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** A document of a build by its digest: how long it is, and its bytes; undefined when no build has it. */
  async document(digest: string) {
    await this.#load();
    for (const { name, kept } of this.#entries.values()) {
      if ('job' in kept) {
        const bytes = kept.job.record.document(digest);
        if (bytes === undefined) continue;
        return { size: bytes.length, bytes: (from: number, to: number) => [bytes.subarray(from, to)] };
      }
      const place = placeIn(kept.stored, digest);
      if (place === undefined) continue;
      const bytes = (from: number, to: number) => storedBytes(pathIn(this.#directory, name), place, { from, to });
      return { size: place.size, bytes };
    }
    return undefined;
  }

  /** One after the other; what fails is told of. */
  #later(work: () => Promise<void>): void {
    this.#saving = this.#saving
      .then(() => this.#load())
      .then(work)
      .catch((error: unknown) => {
        this.#log.warn('the history of builds could not be written', { error: messageOf(error) });
      });
  }

  #load(): Promise<void> {
    this.#loaded ??= this.#read().catch((error: unknown) => {
      this.#log.warn('the history of builds could not be read', { error: messageOf(error) });
    });
    return this.#loaded;
  }

  async #read(): Promise<void> {
    const { builds, unread } = await readHistory(this.#directory);
    for (const { name, size, reason } of unread) {
      this.#unread.set(name, size);
      this.#log.warn('a record of the history of builds is passed by', { name, reason });
    }
    const newer = [...this.#entries];
    this.#entries.clear();
    for (const { ref, name, size, pinned, stored } of builds) {
      this.#entries.set(ref, { name, size, pinned, kept: { stored } });
    }
    for (const [ref, entry] of newer) {
      this.#entries.delete(ref);
      this.#entries.set(ref, entry);
    }
  }

  async #save(job: BuildJob, name: string): Promise<void> {
    const isMeant = (): boolean => {
      const kept = this.#entries.get(job.ref)?.kept;
      return kept !== undefined && 'job' in kept && kept.job === job;
    };
    if (!isMeant()) return;
    const steps = new StepTimes();
    const size = await writeBuild(pathIn(this.#directory, name), {
      record: recordOf(job),
      documents: job.record.documents,
      events: job.events(new AbortController().signal),
      onEvent: (event) => steps.take(event),
      more: () => withTrace(recordOf(job), steps),
    });
    const { stored } = await readBuild(pathIn(this.#directory, name));
    const entry = this.#entries.get(job.ref);
    if (entry === undefined || !isMeant()) return;
    // Setting what is there keeps its place.
    this.#entries.set(job.ref, { ...entry, size, kept: { stored } });
    await this.#makeRoom();
  }

  /** The oldest ones go that are too many, or too large; what cannot be read goes first. */
  async #makeRoom(): Promise<void> {
    const unpinned = [...this.#entries].filter(([, { pinned }]) => !pinned);
    let bytes = [...this.#entries.values()].reduce((sum, { size }) => sum + size, 0);
    bytes += [...this.#unread.values()].reduce((sum, size) => sum + size, 0);
    let count = unpinned.length + this.#unread.size;
    for (const [name, size] of this.#unread) {
      if (count <= mostRemembered && bytes <= mostBytes) return;
      this.#unread.delete(name);
      await removeBuild(this.#directory, name);
      bytes -= size;
      count--;
    }
    for (const [ref, { name, size }] of unpinned) {
      if (count <= mostRemembered && bytes <= mostBytes) return;
      this.#entries.delete(ref);
      await removeBuild(this.#directory, name);
      bytes -= size;
      count--;
    }
  }
}

function shown({ pinned, kept }: Entry): HistoryRecord {
  if ('job' in kept) return { ...recordOf(kept.job), pinned };
  return { ...(kept.stored.record as HistoryRecord), pinned };
}

function withTrace(record: HistoryRecord, steps: StepTimes) {
  const document = steps.trace(record);
  const digest = `sha256:${hash('sha256', document, 'hex')}`;
  return { document, record: { ...record, trace: { mediaType: traceType, digest, size: document.length } } };
}
