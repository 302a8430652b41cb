import { type AsideRecord, type AsideRecords, databaseKind } from '../spec/contract/state.ts';
import type { StateDb } from '../store/db/open.ts';

/** Kinds that name no content that is not to be had again, nor anything that a boot sweeps. */
const harmless: ReadonlySet<string> = new Set([
  'network',
  'volume',
  'plugin-volume',
  'image-use',
  'image-pull',
  'build-cache',
]);

type AsideStore = Pick<StateDb, 'kinds' | 'aside' | 'setAside' | 'settle'>;

/**
 * The records that could not be read, in memory. Records of a kind that no service has asked for by the time of the
 * question count as well: a newer engine may have made them.
 */
export class AsideBook implements AsideRecords {
  readonly #db: AsideStore | undefined;
  readonly #loaded = new Set<string>();
  #kinds: readonly string[] = [];
  #records: readonly AsideRecord[] = [];

  /** Without a database it is a book in memory, for tests. */
  constructor(db?: AsideStore) {
    this.#db = db;
  }

  /** Reads what is set aside; once, before anything else. */
  async open(): Promise<void> {
    this.#kinds = (await this.#db?.kinds()) ?? [];
    this.#records = (await this.#db?.aside()) ?? [];
    const useless = this.#records.filter(({ kind }) => kind === 'image-pull' || kind === 'image-use');
    if (useless.length > 0) await this.settle(useless);
  }

  /** A service reads all records of this kind. */
  loaded(kind: string): void {
    this.#loaded.add(kind);
  }

  list(): readonly AsideRecord[] {
    const strange = this.#kinds.filter((kind) => !this.#loaded.has(kind));
    const reason = 'no part of this engine knows records of this kind';
    return [...this.#records, ...strange.map((kind) => ({ kind, id: '*', reason, text: '' }))];
  }

  ofContent(): readonly AsideRecord[] {
    return this.list().filter(({ kind }) => !harmless.has(kind));
  }

  ofContainers(): readonly AsideRecord[] {
    return this.#records.filter(({ kind }) => kind === 'container' || kind === databaseKind);
  }

  async add(record: Omit<AsideRecord, 'text'>, value: unknown): Promise<void> {
    const added = { ...record, text: JSON.stringify(value) ?? '' };
    this.#records = (await this.#db?.setAside(added)) ?? [...this.#records, added];
  }

  async settle(records: readonly AsideRecord[]): Promise<void> {
    const gone = new Set(records.map(keyOf));
    const left = this.#records.filter((record) => !gone.has(keyOf(record)));
    this.#records = (await this.#db?.settle(records)) ?? left;
  }

  /** Records that were written anew need no other copy. */
  async superseded(keys: readonly { readonly kind: string; readonly id: string }[]): Promise<void> {
    const written = new Set(keys.map(keyOf));
    const settled = this.#records.filter((record) => written.has(keyOf(record)));
    if (settled.length > 0) await this.settle(settled);
  }
}

const keyOf = ({ kind, id }: { readonly kind: string; readonly id: string }): string => `${kind} ${id}`;
