import type { Clock } from '../base/clock.ts';
import { Mutex } from '../base/async.ts';
import { codeOf, EngineError, invalid, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { StateJournal } from '../spec/contract/state.ts';
import { parseTimestamp } from '../spec/decode/time.ts';
import { type Filters, filterValues, labelsMatch } from '../spec/engine/filters.ts';
import type { CreateNetworkRequest } from '../spec/engine/network.ts';
import { linkIndex } from '../sys/netlink/plug.ts';
import { parsePrefix } from '../base/address.ts';
import { bridgeNameOf, poolsOf } from './bridge/describe.ts';
import { findBridge, prefixesInUse } from './bridge/link.ts';
import { spacesOf } from './bridge/place.ts';
import type { NetworkCatalog } from './catalog.ts';
import type { NetworkConfig } from './config.ts';
import { defineNetwork, type Surroundings } from './define/define.ts';
import { stackedSettings, vlanOf } from './define/stacked.ts';
import type { LiveNetworks } from './live.ts';
import { checkTotal, withRates } from './rates/change.ts';
import { isPredefined, type NetworkRecord } from './record.ts';
import type { Sandboxes } from './sandbox/sandboxes.ts';
import { parentOf } from './stacked/network.ts';
import { isPrunable } from './view.ts';

export interface ManagerOptions {
  readonly config: NetworkConfig;
  readonly catalog: NetworkCatalog;
  readonly live: LiveNetworks;
  readonly sandboxes: Sandboxes;
  readonly journal: StateJournal;
  readonly clock: Clock;
  readonly log: Logger;
}

/** User-defined networks come and go, one at a time. */
export class NetworkManager {
  readonly #options: ManagerOptions;
  readonly #mutex = new Mutex();
  /** Containers that are about to be on a network, by its id. */
  readonly #coming = new Map<string, number>();
  #isPruning = false;

  constructor(options: ManagerOptions) {
    this.#options = options;
  }

  /** See `NetworkService.create`. */
  create(request: CreateNetworkRequest): Promise<string> {
    return this.#mutex.run(async () => {
      const { catalog, live } = this.#options;
      const defined = defineNetwork(request, this.#surroundings());
      const record = withOwnInterface(defined, this.#options.config);
      checkTotal(record);
      // Written first: what is on the host for a network has a record that explains it, whenever the engine ends.
      await catalog.put([record]);
      try {
        if (record.driver !== 'null') await live.create(record);
      } catch (error) {
        await catalog.delete(record, []);
        throw explained(error);
      }
      this.#announce(record, 'create');
      return record.id;
    });
  }

  /** See `NetworkService.update`. */
  update(nameOrId: string, options: Readonly<Record<string, string>>): Promise<void> {
    return this.#mutex.run(async () => {
      const { catalog, live } = this.#options;
      const before = catalog.get(nameOrId);
      const record = withRates(before, options);
      await live.changeRates(record);
      try {
        await catalog.put([record]);
      } catch (error) {
        await live.changeRates(before);
        throw error;
      }
      this.#announce(record, 'update');
    });
  }

  /** See `NetworkService.remove`. */
  remove(nameOrId: string): Promise<void> {
    return this.#mutex.run(() => this.#remove(this.#options.catalog.get(nameOrId)));
  }

  /** See `NetworkService.prune`. */
  async prune(filters: Filters): Promise<string[]> {
    const values = filterValues(filters, 'until') ?? [];
    if (values.length > 1) throw invalid('more than one until filter specified');
    const { clock, catalog, journal } = this.#options;
    const untilNs = values[0] === undefined ? undefined : parseTimestamp(values[0], clock.nowNs(), 'until');
    if (this.#isPruning) throw new EngineError('conflict', 'a prune operation is already running');
    this.#isPruning = true;
    const removed: string[] = [];
    try {
      for (const record of catalog.all.filter(isPrunable)) {
        if (untilNs !== undefined && BigInt(record.createdNs) > untilNs) continue;
        if (!labelsMatch(filters, record.definition?.labels ?? {}) || this.#isUsed(record)) continue;
        if (await this.#tryRemove(record)) removed.push(record.name);
      }
    } finally {
      this.#isPruning = false;
    }
    await journal.commit({
      events: [{ type: 'network', action: 'prune', actorId: '', attributes: { reclaimed: '0' } }],
    });
    return removed;
  }

  /** Runs `work`, which puts a container on these networks: they cannot go meanwhile. */
  async holding<T>(records: readonly NetworkRecord[], work: () => Promise<T>): Promise<T> {
    for (const { id } of records) this.#coming.set(id, (this.#coming.get(id) ?? 0) + 1);
    try {
      return await work();
    } finally {
      for (const { id } of records) {
        const left = (this.#coming.get(id) ?? 1) - 1;
        if (left === 0) this.#coming.delete(id);
        else this.#coming.set(id, left);
      }
    }
  }

  #isUsed({ id }: NetworkRecord): boolean {
    if (this.#coming.has(id)) return true;
    return [...this.#options.sandboxes.all.values()].some(({ sandbox }) =>
      Object.values(sandbox.endpoints).some(({ NetworkID }) => NetworkID === id),
    );
  }

  async #tryRemove(record: NetworkRecord): Promise<boolean> {
    try {
      await this.#mutex.run(() => this.#remove(record));
      return true;
    } catch (error) {
      // Used or removed by somebody else meanwhile.
      if (codeOf(error) !== 'forbidden' && codeOf(error) !== 'not-found') {
        this.#options.log.warn('a network was not pruned', { network: record.name, reason: messageOf(error) });
      }
      return false;
    }
  }

  async #remove(record: NetworkRecord): Promise<void> {
    const { catalog, live } = this.#options;
    if (isPredefined(record)) {
      throw new EngineError('forbidden', `${record.name} is a pre-defined network and cannot be removed`);
    }
    if (!catalog.has(record.id)) throw new EngineError('not-found', `network ${record.name} not found`);
    this.#checkUnused(record);
    const show = catalog.hide(record.id);
    try {
      const heir = this.#heirOf(record);
      if (heir !== undefined) await catalog.put([heir]);
      if (record.driver !== 'null') await live.remove(record.id, { keepInterface: heir !== undefined });
      await catalog.delete(record, [eventOf(record, 'destroy')]);
    } catch (error) {
      show();
      throw error;
    }
  }

  #checkUnused(record: NetworkRecord): void {
    const { catalog } = this.#options;
    const wrap = (why: string) => new EngineError('forbidden', `error while removing network: ${why}`);
    if (record.definition?.configOnly === true) {
      const used = catalog.all.some(({ definition }) => definition?.configFrom === record.name);
      if (used) throw wrap(`configuration network ${JSON.stringify(record.name)} is in use`);
    }
    if (!this.#isUsed(record)) return;
    const endpoints = [...this.#options.sandboxes.all.values()].flatMap(({ sandbox, containerName }) =>
      Object.values(sandbox.endpoints)
        .filter(({ NetworkID }) => NetworkID === record.id)
        .map(({ EndpointID }) => `name:${JSON.stringify(containerName)} id:${JSON.stringify(EndpointID.slice(0, 12))}`),
    );
    throw wrap(`network ${record.name} has active endpoints (${endpoints.join(', ')})`);
  }

  /** Another network that stands on the interface which the engine made for this one, and takes it over. */
  #heirOf(record: NetworkRecord): NetworkRecord | undefined {
    const { ownInterface } = record.definition ?? {};
    if (ownInterface === undefined) return undefined;
    const heir = this.#options.catalog.all.find((other) => other.id !== record.id && stackedOn(other) === ownInterface);
    if (heir?.definition === undefined) return undefined;
    return { ...heir, definition: { ...heir.definition, ownInterface } };
  }

  #surroundings(): Surroundings {
    const { catalog, config, clock } = this.#options;
    return {
      networks: catalog.all,
      subnets: catalog.addressed.flatMap((record) =>
        poolsOf(record).flatMap(({ subnet }) => parsePrefix(subnet) ?? []),
      ),
      hostPrefixes: () => prefixesInUse(config.bridgeName),
      spaces: spacesOf(config),
      defaultOptions: config.defaultOptions ?? {},
      bridgeName: (record) => (record.driver === 'bridge' ? bridgeNameOf(record, config) : undefined),
      createdNs: String(clock.nowNs()),
    };
  }

  /** The order of calls is the order in the journal. */
  #announce(record: NetworkRecord, action: 'create' | 'update'): void {
    this.#options.journal.commit({ events: [eventOf(record, action)], mayWait: true }).catch((error: unknown) => {
      this.#options.log.warn('a network event could not be recorded', { action, reason: messageOf(error) });
    });
  }
}

const eventOf = (record: NetworkRecord, action: string) => ({
  type: 'network' as const,
  action,
  actorId: record.id,
  attributes: { name: record.name, type: record.driver },
});

/** The parent of a macvlan or ipvlan network's interfaces. */
function stackedOn(record: NetworkRecord): string | undefined {
  const { driver, definition } = record;
  if (driver !== 'macvlan' && driver !== 'ipvlan') return undefined;
  return parentOf(record, stackedSettings(driver, definition?.options ?? {}));
}

/**
 * Notes which interface the engine makes for a network: one that is there already is somebody else's, and stays.
 * @throws EngineError `invalid` when a parent is not there and is no VLAN that could be made
 */
function withOwnInterface(record: NetworkRecord, config: NetworkConfig): NetworkRecord {
  const { driver, definition } = record;
  if (definition === undefined || driver === 'null') return record;
  const name = driver === 'bridge' ? bridgeNameOf(record, config) : (stackedOn(record) ?? '');
  const isThere = driver === 'bridge' ? findBridge(name) !== undefined : linkIndex(name) !== 0;
  if (isThere) return record;
  if (driver !== 'bridge' && definition.options['parent'] !== undefined && vlanOf(name) === undefined) {
    throw invalid(`invalid subinterface vlan name ${name}, example formatting is eth0.10`);
  }
  return { ...record, definition: { ...definition, ownInterface: name } };
}

/** A bridge or parent that the kernel does not make is mostly a wish that it cannot fulfil. */
function explained(error: unknown): unknown {
  if (error instanceof EngineError) return error;
  return new EngineError('internal', messageOf(error), { cause: error });
}
