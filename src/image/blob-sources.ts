import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { type Digest, parseDigest } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { RecordChange, StateJournal } from '../spec/contract/state.ts';
import { objectOf, optionalList, requiredString } from '../spec/oci/json.ts';
import { type Reference, repositoryOf } from '../spec/reference/reference.ts';

const kind = 'blob-source';

export interface SourceLimits {
  /** Blobs that are known of; those that were noted last stay. */
  readonly blobs: number;
  /** Repositories of each. */
  readonly repositories: number;
}

export const sourceLimits: SourceLimits = { blobs: 10_000, repositories: 8 };

interface Source {
  /** `docker.io/library/busybox`, the newest first. */
  readonly repositories: readonly string[];
  readonly notedNs: bigint;
}

/**
 * Which repositories have which blobs, from earlier pulls and pushes: another repository of the same registry gets such a
 * blob without its bytes being sent. It is durable, outlives the images, and may be wrong: registries say so.
 */
export class BlobSources {
  readonly #journal: StateJournal;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #limits: SourceLimits;
  /** The oldest first. */
  readonly #sources = new Map<Digest, Source>();

  constructor(journal: StateJournal, clock: Clock, log: Logger, limits = sourceLimits) {
    this.#journal = journal;
    this.#clock = clock;
    this.#log = log;
    this.#limits = limits;
  }

  /** Reads the records at boot. */
  async load(): Promise<void> {
    const useless: RecordChange[] = [];
    const found: [Digest, Source][] = [];
    for (const { id, value } of await this.#journal.load(kind)) {
      try {
        found.push([parseDigest(id), decode(value)]);
      } catch (error) {
        this.#log.error('unreadable record of the source of a blob', { id, error: messageOf(error) });
        useless.push({ op: 'delete', kind, id });
      }
    }
    found.sort(([, a], [, b]) => (a.notedNs < b.notedNs ? -1 : 1));
    for (const [digest, source] of found) this.#sources.set(digest, source);
    this.#commit([...useless, ...this.#surplus()]);
  }

  /** The path of a repository of `target`'s registry that has the blob, `target` itself excepted. */
  find({ domain, path }: Reference, digest: Digest): string | undefined {
    const start = `${domain}/`;
    const other = this.#sources
      .get(digest)
      ?.repositories.find((name) => name.startsWith(start) && name !== `${domain}/${path}`);
    return other?.slice(start.length);
  }

  /** The repository has these blobs. Nobody waits for the record. */
  note(repository: Reference, digests: Iterable<Digest>): void {
    const name = nameOf(repository);
    const records: RecordChange[] = [];
    for (const digest of digests) {
      const known = this.#sources.get(digest);
      if (known?.repositories.includes(name) === true) continue;
      const repositories = [name, ...(known?.repositories ?? [])].slice(0, this.#limits.repositories);
      records.push(this.#put(digest, repositories));
    }
    if (records.length > 0) this.#commit([...records, ...this.#surplus()]);
  }

  /** The repository of that path has not got the blob any more. */
  forget(repository: Reference, digest: Digest): void {
    const known = this.#sources.get(digest);
    const name = nameOf(repository);
    if (known?.repositories.includes(name) !== true) return;
    const repositories = known.repositories.filter((one) => one !== name);
    if (repositories.length > 0) return this.#commit([this.#put(digest, repositories)]);
    this.#sources.delete(digest);
    this.#commit([{ op: 'delete', kind, id: digest }]);
  }

  #put(digest: Digest, repositories: readonly string[]): RecordChange {
    const notedNs = this.#clock.nowNs();
    this.#sources.delete(digest);
    this.#sources.set(digest, { repositories, notedNs });
    return { op: 'put', kind, id: digest, value: { version: 1, repositories, notedNs: String(notedNs) } };
  }

  /** Takes out what is too much. */
  #surplus(): RecordChange[] {
    const records: RecordChange[] = [];
    for (const digest of this.#sources.keys()) {
      if (this.#sources.size <= this.#limits.blobs) break;
      this.#sources.delete(digest);
      records.push({ op: 'delete', kind, id: digest });
    }
    return records;
  }

  #commit(records: readonly RecordChange[]): void {
    if (records.length === 0) return;
    this.#journal.commit({ records, mayWait: true }).catch((error: unknown) => {
      this.#log.warn('the source of a blob could not be recorded', { error: messageOf(error) });
    });
  }
}

const nameOf = (reference: Reference): string => {
  const { domain, path } = repositoryOf(reference);
  return `${domain}/${path}`;
};

function decode(value: unknown): Source {
  const json = objectOf(value, 'source of a blob');
  const list = optionalList(json['repositories'], 'repositories', 1000, (name) => requiredString(name, 'repository'));
  return { repositories: list ?? [], notedNs: BigInt(requiredString(json['notedNs'], 'notedNs')) };
}
