import { EngineError, messageOf, notFound } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { deleteLinks } from '../sys/netlink/cable.ts';
import { linkIndex } from '../sys/netlink/plug.ts';
import { parsePrefix } from '../base/address.ts';
import { describeBridge, poolsOf, ratesOf } from './bridge/describe.ts';
import { linksNamed } from './bridge/link.ts';
import { BridgeNetwork, isCableName } from './bridge/network.ts';
import { isHelperName } from './bridge/rates.ts';
import { placeBridge } from './bridge/place.ts';
import type { NetworkCatalog } from './catalog.ts';
import type { NetworkConfig } from './config.ts';
import type { AddressedNetwork } from './driver.ts';
import type { Publication } from './firewall/elements.ts';
import type { FirewallBridge } from './firewall/table.ts';
import type { Publisher } from './ports/publisher.ts';
import type { NetworkRecord } from './record.ts';
import { StackedNetwork } from './stacked/network.ts';

/** A network on the host. */
interface LiveNetwork {
  readonly network: BridgeNetwork | StackedNetwork;
  /** Undefined for those that the firewall has nothing to do with. */
  readonly firewall: FirewallBridge | undefined;
}

export interface LiveOptions {
  readonly config: NetworkConfig;
  readonly catalog: NetworkCatalog;
  readonly publisher: Publisher;
  readonly log: Logger;
}

/** The networks that have something on the host: bridges, and parents of containers' interfaces. */
export class LiveNetworks {
  readonly #config: NetworkConfig;
  readonly #catalog: NetworkCatalog;
  readonly #publisher: Publisher;
  readonly #log: Logger;
  readonly #live = new Map<string, LiveNetwork>();
  /** What is left of networks that were removed. */
  readonly #leaving = new Set<Promise<void>>();
  /** The firewall was written; containers must not come to be before that. */
  #guarded: Promise<void> | undefined;
  /** What was published before this engine ran. */
  #adopted: readonly Publication[] = [];

  constructor(options: LiveOptions) {
    this.#config = options.config;
    this.#catalog = options.catalog;
    this.#publisher = options.publisher;
    this.#log = options.log;
  }

  /** The network of an id, when it has been set up. */
  of(id: string): AddressedNetwork | undefined {
    return this.#live.get(id)?.network;
  }

  /**
   * The network of a record, ready for containers. @throws EngineError `unavailable`, saying why it cannot be; not-found
   * when it is going away
   */
  async get(record: NetworkRecord): Promise<AddressedNetwork> {
    try {
      const { network } = this.#live.get(record.id) ?? (await this.#describe(record, false));
      this.#guarded ??= this.#guard();
      await this.#guarded;
      if (!this.#catalog.has(record.id)) throw notFound(`network ${record.name} not found`);
      return network;
    } catch (error) {
      if (error instanceof EngineError && error.code === 'not-found') throw error;
      this.#guarded = undefined;
      const which = record.definition === undefined ? 'the default network' : `network ${record.name}`;
      throw new EngineError('unavailable', `${which} cannot be set up: ${messageOf(error)}`, { cause: error });
    }
  }

  /**
   * At boot: every network gets its addresses, `adopt` takes those of running containers, and only then the host is
   * changed. A network that cannot be made is no reason not to boot.
   * @param inUse whether running containers depend on the default network's subnet
   */
  async restore(inUse: boolean, adopt: () => readonly Publication[]): Promise<void> {
    for (const record of this.#catalog.addressed) {
      await this.#describe(record, inUse).catch((error: unknown) => complain(this.#log, record, error));
    }
    this.#adopted = adopt();
    for (const record of this.#catalog.addressed) {
      const live = this.#live.get(record.id);
      await live?.network.ensure().catch((error: unknown) => complain(this.#log, record, error));
      if (live?.network instanceof BridgeNetwork) {
        await live.network.rates.restore().catch((error: unknown) => complain(this.#log, record, error));
      }
    }
    // Without networks there is nothing to guard, as with `--bridge=none`.
    if (this.#catalog.addressed.length === 0) return;
    this.#guarded = this.#guard();
    await this.#guarded.catch((error: unknown) => {
      this.#guarded = undefined;
      this.#log.error('the firewall cannot be set up', { error });
    });
    await this.#sweep();
  }

  /** Makes a new network; nothing of it is left when it throws. */
  async create(record: NetworkRecord): Promise<void> {
    const live = await this.#describe(record, false);
    try {
      await live.network.ensure();
      this.#guarded ??= this.#guard();
      await this.#guarded;
      this.#publisher.setBridges(this.#bridges);
    } catch (error) {
      await this.#drop(record.id, true);
      throw error;
    }
  }

  /** A network's bandwidth is another one. @throws EngineError `invalid`, `unavailable`; nothing has changed then */
  async changeRates(record: NetworkRecord): Promise<void> {
    const live = this.#live.get(record.id);
    if (!(live?.network instanceof BridgeNetwork) || live.firewall === undefined) return;
    const rates = ratesOf(record);
    await live.network.rates.change(rates);
    if (live.firewall.sending === (rates.total.out ?? undefined)) return;
    this.#live.set(record.id, { ...live, firewall: { ...live.firewall, sending: rates.total.out ?? undefined } });
    this.#publisher.setBridges(this.#bridges);
  }

  /** Takes a network off the host; its interface stays when another one goes on using it. */
  async remove(id: string, options: { readonly keepInterface: boolean }): Promise<void> {
    await this.#drop(id, !options.keepInterface);
    this.#publisher.setBridges(this.#bridges);
  }

  /** Lets go of all networks; with `remove` nothing of them stays on the host. */
  async close(options: { remove: boolean }): Promise<void> {
    await Promise.all([...this.#live.keys()].map((id) => this.#drop(id, options.remove)));
    await Promise.all(this.#leaving);
    if (this.#guarded !== undefined) await this.#publisher.close(options);
    this.#guarded = undefined;
  }

  async #drop(id: string, remove: boolean): Promise<void> {
    const live = this.#live.get(id);
    this.#live.delete(id);
    if (live === undefined) return;
    await live.network.close({ remove });
    if (!(live.network instanceof BridgeNetwork)) return;
    const rest = live.network.departures.settled().finally(() => this.#leaving.delete(rest));
    this.#leaving.add(rest);
  }

  async #guard(): Promise<void> {
    this.#publisher.start(this.#bridges, this.#adopted);
    this.#adopted = [];
  }

  get #bridges(): FirewallBridge[] {
    return [...this.#live.values()].flatMap(({ firewall }) => firewall ?? []);
  }

  /** Nothing is on the host yet; the default network is placed, and its place noted. */
  async #describe(record: NetworkRecord, keep: boolean): Promise<LiveNetwork> {
    const { driver } = record;
    let live: LiveNetwork;
    if (driver === 'macvlan' || driver === 'ipvlan') {
      live = { network: new StackedNetwork(record, driver), firewall: undefined };
    } else {
      const placed = record.definition === undefined ? await this.#place(record, keep) : record;
      const { options, firewall } = describeBridge(placed, this.#config, this.#log);
      live = { network: new BridgeNetwork(options), firewall };
    }
    this.#live.set(record.id, live);
    return live;
  }

  async #place(record: NetworkRecord, keep: boolean): Promise<NetworkRecord> {
    const others = this.#catalog.addressed.filter(({ id }) => id !== record.id);
    const subnets = others.flatMap((other) => poolsOf(other).flatMap(({ subnet }) => parsePrefix(subnet) ?? []));
    const placed = placeBridge(record, this.#config, keep, subnets).record;
    if (placed !== record) await this.#catalog.put([placed]);
    this.#log.info('the default network is placed', { bridge: this.#config.bridgeName, subnet: placed.subnet });
    return placed;
  }

  /** Removes the instance's cables that belong to no container. */
  async #sweep(): Promise<void> {
    const prefix = this.#config.interfacePrefix;
    const bridges = [...this.#live.values()].flatMap(({ network }) =>
      network instanceof BridgeNetwork ? network : [],
    );
    const masters = [0, ...bridges.map(({ options }) => linkIndex(options.name))];
    // Bridges of removed networks are called so, as long as they are there; cables in them belong to nobody.
    const asides = linksNamed(prefix).filter(({ kind, name }) => kind === 'bridge' && isCableName(name, prefix));
    await deleteLinks(asides.map(({ name }) => name));
    const links = linksNamed(prefix);
    const cables = links
      .filter(({ kind, master }) => kind === 'veth' && masters.includes(master))
      .map(({ name }) => name)
      .filter((name) => isCableName(name, prefix) && !bridges.some((network) => network.hasCable(name)))
      .filter((name) => !this.#publisher.interfaces.includes(name));
    const wanted = new Set(bridges.flatMap(({ rates }) => rates.helpers()));
    const helpers = links
      .filter(({ kind, name }) => kind === 'ifb' && isHelperName(name, prefix) && !wanted.has(name))
      .map(({ name }) => name);
    const stray = [...cables, ...helpers];
    if (stray.length === 0) return;
    this.#log.info('removing interfaces that belong to no container', { stray });
    await deleteLinks(stray);
  }
}

const complain = (log: Logger, record: NetworkRecord, error: unknown): void =>
  log.error('containers cannot use a network', { network: record.name, error });
