import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { type Digest, type DiffId, parseDiffId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { RecordChange, StateJournal } from '../spec/contract/state.ts';
import type { Descriptor } from '../spec/oci/image.ts';
import { objectOf, optionalList, requiredString } from '../spec/oci/json.ts';
import { descriptorOf } from '../spec/oci/manifest.ts';
import type { LiveContent } from './ports.ts';

/** A pull that has begun: what it has brought so far stays, so that the next attempt need not bring it again. */
export interface UnfinishedPull {
  /** The wanted reference, and the platform when one was asked for. */
  readonly key: string;
  readonly blobs: readonly Descriptor[];
  readonly layers: readonly DiffId[];
  readonly sinceNs: bigint;
}

const kind = 'image-pull';

export interface UnfinishedLimits {
  readonly maxAgeMs: number;
  /** Compressed bytes that all of them together may name; the newest is kept in any case. */
  readonly maxBytes: number;
}

export const unfinishedLimits: UnfinishedLimits = { maxAgeMs: 7 * 24 * 3600 * 1000, maxBytes: 10 * 2 ** 30 };

/**
 * The pulls under way and those that were broken off, durable: after a crash as after a cancelled pull, layers that
 * were complete are there still. They are given up by age and size, when the same is pulled to its end, or when its content is wrong.
 */
export class UnfinishedPulls {
  readonly #journal: StateJournal;
  readonly #clock: Clock;
  readonly #limits: UnfinishedLimits;
  readonly #pulls = new Map<string, UnfinishedPull>();
  /** Keys of those that are under way. */
  readonly #running = new Set<string>();

  constructor(journal: StateJournal, clock: Clock, limits = unfinishedLimits) {
    this.#journal = journal;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Reads the records at boot, and forgets what has expired. */
  async load(log: Logger): Promise<void> {
    const found: UnfinishedPull[] = [];
    for (const { id, value } of await this.#journal.load(kind)) {
      try {
        found.push(decode(id, value));
      } catch (error) {
        log.error('unreadable record of an unfinished pull', { id, error: messageOf(error) });
        await this.#journal.commit({ records: [{ op: 'delete', kind, id }] });
      }
    }
    found.sort((a, b) => (a.sinceNs < b.sinceNs ? -1 : 1));
    for (const pull of found) this.#pulls.set(pull.key, pull);
    await this.#expire();
  }

  /** Notes a pull before it brings anything; what is noted under the same key is replaced. */
  async begin(pull: Omit<UnfinishedPull, 'sinceNs'>): Promise<void> {
    const noted = { ...pull, sinceNs: this.#clock.nowNs() };
    // Last in the order, too.
    this.#pulls.delete(pull.key);
    this.#pulls.set(pull.key, noted);
    this.#running.add(pull.key);
    await this.#journal.commit({ records: [{ op: 'put', kind, id: pull.key, value: encode(noted) }] });
    await this.#expire();
  }

  /** The pull came to its end, or has nothing worth keeping. */
  async end(key: string): Promise<void> {
    this.pause(key);
    if (this.#pulls.delete(key)) await this.#forget([key]);
  }

  /** The pull broke off: what it has brought is kept for the next one. */
  pause(key: string): void {
    this.#running.delete(key);
  }

  /** Those that broke off before `beforeNs`, or all; pulls under way are none of them. */
  brokenOff(beforeNs?: bigint): readonly UnfinishedPull[] {
    return [...this.#pulls.values()].filter(
      ({ key, sinceNs }) => !this.#running.has(key) && (beforeNs === undefined || sinceNs < beforeNs),
    );
  }

  /** Forgets some that broke off; who calls it collects garbage then. */
  async clear(pulls: readonly UnfinishedPull[]): Promise<void> {
    const gone = pulls.filter(({ key }) => !this.#running.has(key) && this.#pulls.delete(key));
    await this.#forget(gone.map(({ key }) => key));
  }

  /** Adds what is kept to what images need; of all pulls but some. */
  addTo({ blobs, layers }: LiveContent, but: readonly UnfinishedPull[] = []): LiveContent {
    if (this.#pulls.size === 0) return { blobs, layers };
    const kept = [...this.#pulls.values()].filter((pull) => !but.includes(pull));
    return {
      blobs: new Set([...blobs, ...kept.flatMap((pull) => pull.blobs.map(({ digest }): Digest => digest))]),
      layers: new Set([...layers, ...kept.flatMap((pull) => pull.layers)]),
    };
  }

  async #expire(): Promise<void> {
    const oldest = this.#clock.nowNs() - BigInt(this.#limits.maxAgeMs) * 1_000_000n;
    const expired: string[] = [];
    let bytes = 0;
    for (const { key, sinceNs, blobs } of [...this.#pulls.values()].reverse()) {
      const isFirst = bytes === 0;
      bytes += blobs.reduce((sum, { size }) => sum + size, 0);
      if (sinceNs < oldest || (bytes > this.#limits.maxBytes && !isFirst)) expired.push(key);
    }
    for (const key of expired) this.#pulls.delete(key);
    await this.#forget(expired);
  }

  async #forget(keys: readonly string[]): Promise<void> {
    const records = keys.map((id): RecordChange => ({ op: 'delete', kind, id }));
    if (records.length > 0) await this.#journal.commit({ records, mayWait: true });
  }
}

const encode = ({ blobs, layers, sinceNs }: UnfinishedPull): unknown => ({
  version: 1,
  blobs: blobs.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
  layers,
  sinceNs: String(sinceNs),
});

function decode(key: string, value: unknown): UnfinishedPull {
  const json = objectOf(value, 'unfinished pull');
  return {
    key,
    blobs: optionalList(json['blobs'], 'blobs', 10_000, descriptorOf) ?? [],
    layers: optionalList(json['layers'], 'layers', 10_000, (layer) => parseDiffId(layer as string)) ?? [],
    sinceNs: BigInt(requiredString(json['sinceNs'], 'sinceNs')),
  };
}
