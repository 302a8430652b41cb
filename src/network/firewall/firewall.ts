import { EngineError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { type ElementChange, Nftables } from '../../sys/nftables/connection.ts';
import { watchTable } from '../../sys/nftables/watch.ts';
import {
  elementOf,
  type FirewallBridge,
  firewallTable,
  type Publication,
  publishedMap,
  publishedOnMap,
} from './table.ts';

/**
 * The engine's own firewall table in the kernel, kept equal to the bridges and publications it is told of. Changes are
 * single transactions of 0.1 to 2 ms on the calling thread.
 */
export class Firewall {
  readonly #table: string;
  readonly #protect: boolean;
  readonly #log: Logger;
  readonly #publications = new Set<Publication>();
  #bridges: readonly FirewallBridge[] = [];
  #connection: Nftables | undefined;
  #watch: Disposable | undefined;
  #written = false;

  /** With `protect: false` the table is watched instead of owned, as it is on kernels before 6.9. */
  constructor(options: { table: string; protect: boolean; log: Logger }) {
    this.#table = options.table;
    this.#protect = options.protect;
    this.#log = options.log;
  }

  /** Replaces bridges and publications by these, and the whole table with them. @throws EngineError `unavailable`. */
  reset(bridges: readonly FirewallBridge[], publications: readonly Publication[]): void {
    this.#bridges = bridges;
    this.#publications.clear();
    for (const publication of publications) this.#publications.add(publication);
    this.#write();
    this.#nameObstacles();
  }

  /** @throws EngineError `unavailable` when the table cannot be written; nothing is published then. */
  publish(publications: readonly Publication[]): void {
    for (const publication of publications) this.#publications.add(publication);
    try {
      this.#change({ add: changesOf(publications) });
    } catch (error) {
      for (const publication of publications) this.#publications.delete(publication);
      throw error;
    }
  }

  /** Takes publications back; they must be the same objects. */
  unpublish(publications: readonly Publication[]): void {
    const known = publications.filter((publication) => this.#publications.delete(publication));
    this.#change({ delete: changesOf(known) });
  }

  /** Makes sure that the table is there, with all isolation between networks and the outside. */
  ensure(): void {
    if (!this.#written) this.#write();
  }

  /** Lets go of the table; with `remove` it goes away. */
  close(options: { remove: boolean }): void {
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
    if (options.remove) this.#connect().remove(this.#table);
    this.#connection?.[Symbol.dispose]();
    this.#connection = undefined;
    this.#written = false;
  }

  #change(change: Parameters<Nftables['change']>[1]): void {
    if ([...(change.add ?? []), ...(change.delete ?? [])].length === 0) return;
    if (!this.#written) return this.#write();
    try {
      this.#connect().change(this.#table, change);
    } catch (error) {
      // Somebody changed the table behind our back: the whole of it is right again, whatever it was.
      this.#log.warn('the firewall table was not as it should be and is written anew', { reason: messageOf(error) });
      this.#write();
    }
  }

  #connect(): Nftables {
    return (this.#connection ??= new Nftables({ protect: this.#protect }));
  }

  #write(): void {
    this.#written = false;
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
    const table = firewallTable(this.#table, this.#bridges, [...this.#publications]);
    try {
      const ownership = this.#connect().replace(table);
      this.#written = true;
      // An owned table is out of the reach of other programs; a plain one may be flushed by any of them.
      if (ownership === 'plain') this.#watch = watchTable(this.#table, () => this.#restore());
    } catch (error) {
      throw new EngineError('unavailable', `cannot set up the firewall: ${messageOf(error)}`, { cause: error });
    }
  }

  /** What another table drops stays dropped: those tables are not ours to change, but people should know. */
  #nameObstacles(): void {
    for (const { table, chain } of this.#connect().droppingChains('forward')) {
      this.#log.warn(
        'another firewall drops forwarded packets unless it is told otherwise: containers may be cut off',
        {
          table,
          chain,
        },
      );
    }
  }

  #restore(): void {
    this.#log.warn('another program removed firewall rules of this engine; they are written again');
    try {
      this.#write();
    } catch (error) {
      this.#log.error('the firewall rules could not be written again', { error });
    }
  }
}

/** The elements of publications, map by map. */
function changesOf(publications: readonly Publication[]): ElementChange[] {
  const elements = publications.map(elementOf);
  return [publishedMap, publishedOnMap]
    .map((map) => ({ map, elements: elements.filter((found) => found.map === map).map(({ element }) => element) }))
    .filter((change) => change.elements.length > 0);
}
