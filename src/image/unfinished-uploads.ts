import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Digest } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { RecordChange, StateJournal } from '../spec/contract/state.ts';
import { objectOf, requiredString } from '../spec/oci/json.ts';
import { formatReference, type Reference } from '../spec/reference/reference.ts';

const kind = 'image-upload';

export interface UploadLimits {
  readonly maxAgeMs: number;
  /** How many are known at once; the oldest are forgotten. */
  readonly most: number;
}

/** Debian's docker-registry deletes uploads after a week as well. */
export const uploadLimits: UploadLimits = { maxAgeMs: 7 * 24 * 3600 * 1000, most: 1000 };

/** Longer locations are not kept: such an upload begins anew. */
const longestLocation = 8192;

/** What is known of one upload, for who carries it on. */
export interface NotedUpload {
  readonly location: string | undefined;
  /** Resolves when it is durable; undefined: the upload is over, and nobody waits. */
  keep(location: string | undefined): Promise<void>;
  /** Others may go on with it now. */
  release(): void;
}

/**
 * Where uploads are that were begun and not finished, durable: a push that is broken off, by whatever, goes on there when
 * it is made again. Locations are as secret as what they give access to: they are in the state database and nowhere else.
 */
export class UnfinishedUploads {
  readonly #journal: StateJournal;
  readonly #clock: Clock;
  readonly #limits: UploadLimits;
  /** By repository and digest, the oldest first. */
  readonly #uploads = new Map<string, { readonly location: string; readonly sinceNs: bigint }>();
  readonly #inUse = new Set<string>();

  constructor(journal: StateJournal, clock: Clock, limits = uploadLimits) {
    this.#journal = journal;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Reads the records at boot, and forgets what has expired. */
  async load(log: Logger): Promise<void> {
    const found: [key: string, upload: { location: string; sinceNs: bigint }][] = [];
    const useless: string[] = [];
    for (const { id, value } of await this.#journal.load(kind)) {
      try {
        found.push([id, decode(value)]);
      } catch (error) {
        log.error('unreadable record of an unfinished upload', { id, error: messageOf(error) });
        useless.push(id);
      }
    }
    found.sort(([, a], [, b]) => (a.sinceNs < b.sinceNs ? -1 : 1));
    for (const [key, upload] of found) this.#uploads.set(key, upload);
    await this.#forget([...useless, ...this.#expired()]);
  }

  /**
   * The upload of a blob to a repository; whoever takes it releases it. While one push has it, others begin their own: two
   * that send to one place would make a mess of it.
   */
  take(repository: Reference, digest: Digest): NotedUpload {
    const { domain, path } = repository;
    const key = formatReference({ domain, path, digest });
    if (this.#inUse.has(key)) return { location: undefined, keep: async () => undefined, release: () => undefined };
    this.#inUse.add(key);
    return {
      location: this.#uploads.get(key)?.location,
      keep: (location) => this.#keep(key, location),
      release: () => void this.#inUse.delete(key),
    };
  }

  async #keep(key: string, location: string | undefined): Promise<void> {
    const isKnown = this.#uploads.delete(key);
    if (location === undefined || location.length > longestLocation) {
      if (isKnown) await this.#forget([key]);
      return;
    }
    const upload = { location, sinceNs: this.#clock.nowNs() };
    this.#uploads.set(key, upload);
    const gone = this.#expired().map((id): RecordChange => ({ op: 'delete', kind, id }));
    await this.#journal.commit({ records: [{ op: 'put', kind, id: key, value: encode(upload) }, ...gone] });
  }

  /** Takes out what is too old or too much, and names it. */
  #expired(): string[] {
    const oldest = this.#clock.nowNs() - BigInt(this.#limits.maxAgeMs) * 1_000_000n;
    const keys: string[] = [];
    for (const [key, { sinceNs }] of this.#uploads) {
      if (sinceNs >= oldest && this.#uploads.size <= this.#limits.most) break;
      this.#uploads.delete(key);
      keys.push(key);
    }
    return keys;
  }

  async #forget(keys: readonly string[]): Promise<void> {
    const records = keys.map((id): RecordChange => ({ op: 'delete', kind, id }));
    if (records.length > 0) await this.#journal.commit({ records, mayWait: true });
  }
}

const encode = ({ location, sinceNs }: { location: string; sinceNs: bigint }): unknown => ({
  version: 1,
  location,
  sinceNs: String(sinceNs),
});

function decode(value: unknown): { location: string; sinceNs: bigint } {
  const json = objectOf(value, 'unfinished upload');
  return {
    location: requiredString(json['location'], 'location'),
    sinceNs: BigInt(requiredString(json['sinceNs'], 'sinceNs')),
  };
}
