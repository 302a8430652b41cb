import type { Clock } from '../base/clock.ts';
import { notFound } from '../base/errors.ts';
import { newNetworkId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { StateJournal } from '../spec/contract/state.ts';
import type { EventInput } from '../spec/engine/event.ts';
import { decodeNetworkRecord, isPredefined, type NetworkRecord, networkRecordKind } from './record.ts';
import { findNetwork } from './view.ts';

/** The networks there are, in memory and on disk. Ids of the predefined ones stay the same over restarts. */
export class NetworkCatalog {
  readonly #journal: StateJournal;
  readonly #records = new Map<string, NetworkRecord>();
  readonly #hasBridge: boolean;
  /** Those that are going away: nobody finds them any more. */
  readonly #leaving = new Set<string>();

  private constructor(journal: StateJournal, hasBridge: boolean) {
    this.#journal = journal;
    this.#hasBridge = hasBridge;
  }

  /** Reads the networks and makes the predefined ones that are not there yet. Without `hasBridge` the default one is hidden. */
  static async open(journal: StateJournal, clock: Clock, log: Logger, hasBridge = true): Promise<NetworkCatalog> {
    const catalog = new NetworkCatalog(journal, hasBridge);
    for (const { id, value } of await journal.load(networkRecordKind)) {
      const record = decodeNetworkRecord(value);
      if (record === undefined) log.warn('a network record is damaged and left aside', { id });
      else catalog.#records.set(record.id, record);
    }
    const names = new Set([...catalog.#records.values()].map(({ name }) => name));
    const missing = predefined.filter(({ name }) => !names.has(name));
    const made = missing.map((network) => ({ ...network, id: newNetworkId(), createdNs: String(clock.nowNs()) }));
    if (made.length > 0) await catalog.put(made);
    return catalog;
  }

  get all(): NetworkRecord[] {
    return [...this.#records.values()].filter((record) => {
      const isHidden = !this.#hasBridge && record.driver === 'bridge' && isPredefined(record);
      return !isHidden && !this.#leaving.has(record.id);
    });
  }

  /** Those whose containers have addresses, the default one first. */
  get addressed(): NetworkRecord[] {
    const found = this.all.filter(({ driver }) => driver !== 'host' && driver !== 'null');
    return [...found.filter(isPredefined), ...found.filter((record) => !isPredefined(record))];
  }

  /** Whether there is a network of an id, and will be. */
  has(id: string): boolean {
    return this.#records.has(id) && !this.#leaving.has(id);
  }

  /** @throws EngineError `invalid` for an ambiguous id prefix. */
  find(nameOrId: string): NetworkRecord | undefined {
    return findNetwork(this.all, nameOrId);
  }

  /** @throws EngineError `not-found`. */
  get(nameOrId: string): NetworkRecord {
    const record = this.find(nameOrId);
    if (record === undefined) throw notFound(`network ${nameOrId} not found`);
    return record;
  }

  /** Stores new or changed records; they are valid when it resolves. */
  async put(records: readonly NetworkRecord[]): Promise<void> {
    await this.#journal.commit({
      records: records.map((record) => ({ op: 'put', kind: networkRecordKind, id: record.id, value: record })),
    });
    for (const record of records) this.#records.set(record.id, record);
  }

  /** Hides a network that is going away; the result shows it again. */
  hide(id: string): () => void {
    this.#leaving.add(id);
    return () => void this.#leaving.delete(id);
  }

  /** A network is gone, with an event when it ever was. */
  async delete(record: NetworkRecord, events: readonly EventInput[]): Promise<void> {
    await this.#journal.commit({ records: [{ op: 'delete', kind: networkRecordKind, id: record.id }], events });
    this.#records.delete(record.id);
    this.#leaving.delete(record.id);
  }
}

const predefined: readonly Pick<NetworkRecord, 'name' | 'driver'>[] = [
  { name: 'bridge', driver: 'bridge' },
  { name: 'host', driver: 'host' },
  { name: 'none', driver: 'null' },
];
