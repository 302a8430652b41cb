import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { callBlocking } from '../../sys/blocking/blocking.ts';
import { watchChanges } from '../../sys/nftables/watch.ts';
import { outsideInterface } from '../bridge/link.ts';
import { describeObstacle, findObstacles, type Obstacle } from './obstacles.ts';
import type { FirewallBridge } from './table.ts';

/** Changes of other programs come in bursts. */
const settleMs = 200;

/**
 * Knows which firewalls of other programs are in the way of containers, by the kernel's notices of changes: nothing is
 * looked at over and over, and reading is the syscall worker's work.
 */
export class ForeignFirewalls implements Disposable {
  readonly #own: string;
  readonly #log: Logger;
  #bridges: readonly FirewallBridge[] = [];
  #watch: Disposable | undefined;
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> | undefined;
  #obstacles: readonly Obstacle[] = [];
  /** The obstacles may be others by now. */
  #isStale = true;

  constructor(options: { ownTable: string; log: Logger }) {
    this.#own = options.ownTable;
    this.#log = options.log;
  }

  /** The bridges that there are from now on; what is in their way is looked for in the background, for the log. */
  setBridges(bridges: readonly FirewallBridge[]): void {
    this.#bridges = bridges.filter(({ internal }) => !internal);
    this.#watch ??= this.#open();
    this.#isStale = true;
    void this.#refresh();
  }

  /** One sentence for each chain in the way now, of one bridge or of all. */
  async warnings(bridge?: string): Promise<string[]> {
    if (this.#watch === undefined) return [];
    await this.#refresh();
    return this.#obstacles
      .filter(({ bridges }) => bridge === undefined || bridges.includes(bridge))
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
        this.#isStale = true;
        this.#timer ??= setTimeout(() => {
          this.#timer = undefined;
          void this.#refresh();
        }, settleMs).unref();
      });
    } catch (error) {
      this.#log.warn('other firewalls cannot be watched', { reason: messageOf(error) });
      return undefined;
    }
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
        this.#log.warn('other firewalls cannot be read', { reason: messageOf(error) });
      }
    }
  }

  #tell(found: readonly Obstacle[]): void {
    const before = new Set(this.#obstacles.map(describeObstacle));
    const now = found.map(describeObstacle);
    for (const text of now) if (!before.has(text)) this.#log.warn(text);
    if (before.size > 0 && now.length === 0) this.#log.info('no other firewall is in the way of containers any more');
  }

  async #find(): Promise<Obstacle[]> {
    if (this.#bridges.length === 0) return [];
    const all = await callBlocking('foreignTablesAt', 'forward');
    const tables = all.filter(({ name }) => name !== this.#own);
    const bridges = this.#bridges.map(({ name, subnets }) => ({
      name,
      ipv4: subnets.some(({ prefix }) => prefix.family === 4),
      ipv6: subnets.some(({ prefix }) => prefix.family === 6),
    }));
    return tables.length === 0 ? [] : findObstacles(tables, bridges, outsideInterface());
  }
}
