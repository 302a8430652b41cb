import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { callBlocking } from '../../sys/blocking/blocking.ts';
import { hasLegacyTables } from '../../sys/nftables/legacy.ts';
import type { ForeignTable } from '../../sys/nftables/tables.ts';
import { watchChanges } from '../../sys/nftables/watch.ts';
import { outsideInterface } from '../bridge/link.ts';
import { describeObstacle, findClosed, findObstacles, type Obstacle, type ReceivedPort } from './obstacles.ts';
import type { FirewallBridge } from './table.ts';

/** Changes of other programs come in bursts. */
const settleMs = 200;
const hooks = ['forward', 'input'] as const;

/**
 * Knows which firewalls of other programs are in the way of containers, by the kernel's notices of changes: nothing is
 * looked at over and over, and reading is the syscall worker's work. Of legacy iptables there are no notices: its tables,
 * where there are any, are read whenever somebody asks.
 */
export class ForeignFirewalls implements Disposable {
  readonly #own: string;
  readonly #log: Logger;
  readonly #received: () => readonly ReceivedPort[];
  #bridges: readonly FirewallBridge[] = [];
  #watch: Disposable | undefined;
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> | undefined;
  #obstacles: readonly Obstacle[] = [];
  /** The obstacles may be others by now. */
  #isStale = true;
  /** The tables of nftables as they were read last; undefined when they have changed since then. */
  #tables: readonly ForeignTable[] | undefined;

  /** `received` gives the published ports that the host itself receives now. */
  constructor(options: { ownTable: string; log: Logger; received: () => readonly ReceivedPort[] }) {
    this.#own = options.ownTable;
    this.#log = options.log;
    this.#received = options.received;
  }

  /** The bridges that there are from now on; what is in their way is looked for in the background, for the log. */
  setBridges(bridges: readonly FirewallBridge[]): void {
    this.#bridges = bridges.filter(({ internal }) => !internal);
    this.#watch ??= this.#open();
    this.#isStale = true;
    void this.#refresh();
  }

  /** Other ports are published than before. */
  portsChanged(): void {
    this.#refreshSoon();
  }

  /** One sentence for each chain in the way now: of one bridge, or of all; and for each that closes published ports. */
  async warnings(bridge?: string): Promise<string[]> {
    if (this.#watch === undefined) return [];
    if (hasLegacyTables() || this.#obstacles.some(({ isLegacy }) => isLegacy)) this.#isStale = true;
    await this.#refresh();
    return this.#obstacles
      .filter(({ bridges, ports }) => bridge === undefined || bridges.includes(bridge) || ports.length > 0)
      .map(describeObstacle);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
  }

  #open(): Disposable | undefined {
    try {
      return watchChanges((tables) => {
        if (tables?.size === 1 && tables.has(this.#own)) return;
        this.#tables = undefined;
        this.#refreshSoon();
      });
    } catch (error) {
      this.#log.warn('other firewalls cannot be watched', { reason: messageOf(error) });
      return undefined;
    }
  }

  #refreshSoon(): void {
    this.#isStale = true;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#refresh();
    }, settleMs).unref();
  }

  /** Looks until nothing has changed meanwhile; never fails. */
  #refresh(): Promise<void> {
    this.#work ??= this.#lookWhileStale().finally(() => (this.#work = undefined));
    return this.#work;
  }

  async #lookWhileStale(): Promise<void> {
    while (this.#isStale && this.#watch !== undefined) {
      this.#isStale = false;
      try {
        const found = await this.#find();
        this.#tell(found);
        this.#obstacles = found;
      } catch (error) {
        this.#tables = undefined;
        this.#log.warn('other firewalls cannot be read', { reason: messageOf(error) });
      }
    }
  }

  #tell(found: readonly Obstacle[]): void {
    const before = new Set(this.#obstacles.map(newsOf));
    for (const one of found) if (!before.has(newsOf(one))) this.#log.warn(describeObstacle(one));
    if (before.size > 0 && found.length === 0) this.#log.info('no other firewall is in the way of containers any more');
  }

  async #find(): Promise<Obstacle[]> {
    if (this.#bridges.length === 0) return [];
    const tables = [...(await this.#read()), ...(hasLegacyTables() ? await callBlocking('legacyTables', hooks) : [])];
    if (tables.length === 0) return [];
    const bridges = this.#bridges.map(({ name, subnets }) => ({
      name,
      ipv4: subnets.some(({ prefix }) => prefix.family === 4),
      ipv6: subnets.some(({ prefix }) => prefix.family === 6),
    }));
    const outside = outsideInterface();
    return [...findObstacles(tables, bridges, outside), ...findClosed(tables, this.#received(), outside)];
  }

  async #read(): Promise<readonly ForeignTable[]> {
    if (this.#tables !== undefined) return this.#tables;
    this.#tables = noTables;
    const all = await callBlocking('foreignTables', hooks);
    const others = all.filter(({ name }) => name !== this.#own);
    // They may have changed while they were read.
    if (this.#tables === noTables) this.#tables = others;
    return others;
  }
}

const noTables: readonly ForeignTable[] = [];

/** What is worth a line in the log when it was not so before: not each port that comes and goes. */
const newsOf = (obstacle: Obstacle): string =>
  obstacle.ports.length === 0 ? describeObstacle(obstacle) : `${obstacle.family} ${obstacle.table} ${obstacle.chain}`;
