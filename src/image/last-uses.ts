import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { type Digest, parseDigest } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { RecordChange, StateJournal } from '../spec/contract/state.ts';
import { objectOf, requiredString } from '../spec/oci/json.ts';

const kind = 'image-use';
/** How far the record on disk may be behind: an image that is used all the time costs one small record a minute. */
const recordEveryNs = 60_000_000_000n;

/** When an image was last used: when a container was made from it, or the last one made from it was removed. */
export class LastUses {
  readonly #journal: StateJournal;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #uses = new Map<Digest, { atNs: bigint; recordedNs: bigint }>();

  constructor(journal: StateJournal, clock: Clock, log: Logger) {
    this.#journal = journal;
    this.#clock = clock;
    this.#log = log;
  }

  /** Reads the records at boot; those of images that are gone, or that cannot be understood, are deleted. */
  async load(exists: (id: Digest) => boolean): Promise<void> {
    const useless: RecordChange[] = [];
    for (const { id, value } of await this.#journal.load(kind)) {
      const use = decode(id, value);
      if (use === undefined || !exists(use.id)) useless.push({ op: 'delete', kind, id });
      else this.#uses.set(use.id, { atNs: use.atNs, recordedNs: use.atNs });
    }
    if (useless.length > 0) this.#commit(useless);
  }

  /** Unix nanoseconds; undefined for an image that was never used. */
  of(id: Digest): bigint | undefined {
    return this.#uses.get(id)?.atNs;
  }

  /** The image is used now. Nobody waits for the record. */
  note(id: Digest): void {
    const now = this.#clock.nowNs();
    const recorded = this.#uses.get(id)?.recordedNs;
    const isDue = recorded === undefined || now - recorded >= recordEveryNs;
    this.#uses.set(id, { atNs: now, recordedNs: isDue ? now : recorded });
    if (isDue) this.#commit([{ op: 'put', kind, id, value: { version: 1, atNs: String(now) } }]);
  }

  /** The image is gone. */
  forget(id: Digest): void {
    if (this.#uses.delete(id)) this.#commit([{ op: 'delete', kind, id }]);
  }

  #commit(records: readonly RecordChange[]): void {
    this.#journal.commit({ records, mayWait: true }).catch((error: unknown) => {
      this.#log.warn('the last use of an image could not be recorded', { error: messageOf(error) });
    });
  }
}

function decode(id: string, value: unknown): { id: Digest; atNs: bigint } | undefined {
  try {
    const json = objectOf(value, 'image use record');
    return { id: parseDigest(id), atNs: BigInt(requiredString(json['atNs'], 'atNs')) };
  } catch {
    return undefined;
  }
}
