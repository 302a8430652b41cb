import type { Clock } from '../base/clock.ts';
import { EngineError, notFound } from '../base/errors.ts';
import { newNetworkId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { StateJournal } from '../spec/contract/state.ts';
import { decodeNetworkRecord, type NetworkRecord, networkRecordKind } from './record.ts';
import { findNetwork } from './view.ts';

/** The networks there are, in memory and on disk. Ids of the predefined ones stay the same over restarts. */
export class NetworkCatalog {
  readonly #journal: StateJournal;
  readonly #records = new Map<string, NetworkRecord>();
  readonly #hasBridge: boolean;

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
    const records = [...this.#records.values()];
    return this.#hasBridge ? records : records.filter(({ driver }) => driver !== 'bridge');
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

  /** The network every container is on that does not say otherwise. */
  get defaultNetwork(): NetworkRecord {
    const record = this.all.find(({ name }) => name === 'bridge');
    if (record === undefined) throw new EngineError('internal', 'the default network is missing');
    return record;
  }

  /** Stores new or changed records; they are valid when it resolves. */
  async put(records: readonly NetworkRecord[]): Promise<void> {
    await this.#journal.commit({
      records: records.map((record) => ({ op: 'put', kind: networkRecordKind, id: record.id, value: record })),
    });
    for (const record of records) this.#records.set(record.id, record);
  }
}

const predefined: readonly Pick<NetworkRecord, 'name' | 'driver'>[] = [
  { name: 'bridge', driver: 'bridge' },
  { name: 'host', driver: 'host' },
  { name: 'none', driver: 'null' },
];
