import { isDeepStrictEqual } from 'node:util';
import { EngineError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { type ElementChange, Nftables } from '../../sys/nftables/connection.ts';
import { watchTable } from '../../sys/nftables/watch.ts';
import { deleteLinks } from '../../sys/netlink/cable.ts';
import type { MapElement, NatMap, TableFamily } from '../../sys/nftables/ruleset.ts';
import { answerForNeighbours } from '../bridge/link.ts';
import { ForeignFirewalls } from './foreign.ts';
import { receivedPorts } from './obstacles.ts';
import { isReentryThere, openReentry, type Reentry } from './reentry.ts';
import { elementsOf, keyText, type LinkedPort, type PlacedElement, type Publication } from './elements.ts';
import { type FirewallBridge, type FirewallShape, firewallTables, shapeOf } from './table.ts';

/**
 * The engine's own firewall tables in the kernel, one for each family of addresses, kept equal to the bridges and
 * publications it is told of. Changes are single transactions of 0.1 to 2 ms on the calling thread.
 */
export class Firewall {
  /** What other programs' tables do to containers. */
  readonly foreign: ForeignFirewalls;
  readonly #table: string;
  readonly #protect: boolean;
  readonly #log: Logger;
  readonly #publications = new Set<Publication>();
  #bridges: readonly FirewallBridge[] = [];
  #links: readonly LinkedPort[] = [];
  #connection: Nftables | undefined;
  readonly #watches = new Map<TableFamily, Disposable>();
  /** The families whose table is in the kernel. */
  readonly #written = new Set<TableFamily>();
  #shape: FirewallShape | undefined;
  #reentry: Reentry | undefined;
  readonly #interfacePrefix: string;

  /** With `protect: false` the table is watched instead of owned, as it is on kernels before 6.9. */
  constructor(options: { table: string; protect: boolean; interfacePrefix: string; log: Logger }) {
    this.#interfacePrefix = options.interfacePrefix;
    this.#table = options.table;
    this.#protect = options.protect;
    this.#log = options.log;
    const received = () => receivedPorts(this.#publications);
    this.foreign = new ForeignFirewalls({ ownTable: options.table, log: options.log, received });
  }

  /** The host's interfaces that it needs now. */
  get interfaces(): readonly string[] {
    return this.#reentry === undefined ? [] : [this.#reentry.in, this.#reentry.out.name];
  }

  /** Replaces bridges and publications by these, and the whole table with them. @throws EngineError `unavailable`. */
  reset(bridges: readonly FirewallBridge[], publications: readonly Publication[]): void {
    this.#bridges = bridges;
    this.#publications.clear();
    for (const publication of publications) this.#publications.add(publication);
    this.#write();
    this.foreign.setBridges(bridges);
  }

  /** Replaces the bridges; publications stay. @throws EngineError `unavailable`; the bridges are what they were then. */
  setBridges(bridges: readonly FirewallBridge[]): void {
    const before = this.#bridges;
    this.#bridges = bridges;
    try {
      this.#write();
    } catch (error) {
      this.#bridges = before;
      throw error;
    }
    this.foreign.setBridges(bridges);
  }

  /** Replaces what containers that are kept apart reach of each other. @throws EngineError `unavailable` */
  setLinks(links: readonly LinkedPort[]): void {
    const before = this.#links;
    this.#links = links;
    if (this.#written.size > 0 && !isDeepStrictEqual(before, links)) this.#write();
  }

  /** @throws EngineError `unavailable` when the table cannot be written; nothing is published then. */
  publish(publications: readonly Publication[]): void {
    for (const publication of publications) this.#publications.add(publication);
    try {
      this.#change('add', publications);
    } catch (error) {
      for (const publication of publications) this.#publications.delete(publication);
      throw error;
    }
    if (publications.length > 0) this.foreign.portsChanged();
  }

  /** Takes publications back; they must be the same objects. */
  unpublish(publications: readonly Publication[]): void {
    const known = publications.filter((publication) => this.#publications.delete(publication));
    this.#change('delete', known);
    if (known.length > 0) this.foreign.portsChanged();
  }

  /** Makes sure that the table is there, with all isolation between networks and the outside. */
  ensure(): void {
    if (this.#written.size === 0) this.#write();
  }

  /** Lets go of the tables; with `remove` they go away. */
  async close(options: { remove: boolean }): Promise<void> {
    this.foreign[Symbol.dispose]();
    for (const watch of this.#watches.values()) watch[Symbol.dispose]();
    this.#watches.clear();
    if (options.remove) for (const family of families) this.#connect().remove({ name: this.#table, family });
    this.#connection?.[Symbol.dispose]();
    this.#connection = undefined;
    this.#written.clear();
    if (options.remove && this.#reentry !== undefined) await deleteLinks([this.#reentry.out.name]);
    this.#reentry = undefined;
  }

  #change(kind: 'add' | 'delete', publications: readonly Publication[]): void {
    if (publications.length === 0) return;
    if (this.#written.size === 0 || !this.#canChangeBy(publications)) return this.#write();
    try {
      for (const family of families) {
        const changes = changesOf(publications, this.#publications, family);
        if (changes.length > 0) this.#connect().change({ name: this.#table, family }, { [kind]: changes });
      }
    } catch (error) {
      // Somebody changed the table behind our back: the whole of it is right again, whatever it was.
      this.#log.warn('the firewall table was not as it should be and is written anew', { reason: messageOf(error) });
      this.#write();
    }
  }

  /** False when the tables have other parts with these publications than without them. */
  #canChangeBy(publications: readonly Publication[]): boolean {
    // By the container's own address a port may be restricted by several publications together.
    if (publications.some(({ direct, from }) => direct && from !== undefined)) return false;
    return isDeepStrictEqual(this.#shape, shapeOf(this.#bridges, [...this.#publications]));
  }

  #connect(): Nftables {
    return (this.#connection ??= new Nftables({ protect: this.#protect }));
  }

  #write(): void {
    this.#written.clear();
    for (const watch of this.#watches.values()) watch[Symbol.dispose]();
    this.#watches.clear();
    this.#shape = shapeOf(this.#bridges, [...this.#publications]);
    const before = this.#reentry;
    try {
      if (!this.#shape.hostRules) this.#reentry = undefined;
      else if (before === undefined || !isReentryThere(before)) this.#reentry = openReentry(this.#interfacePrefix);
      const more = { links: this.#links, reentry: this.#reentry };
      const tables = firewallTables(this.#table, this.#bridges, [...this.#publications], more);
      for (const { name, talking } of this.#bridges) if (!talking) answerForNeighbours(name, this.#links.length > 0);
      for (const table of tables) {
        const ownership = this.#connect().replace(table);
        this.#written.add(table.family);
        // An owned table is out of the reach of other programs; a plain one may be flushed by any of them.
        if (ownership === 'plain')
          this.#watches.set(
            table.family,
            watchTable(table, () => this.#restore()),
          );
      }
      for (const family of families) {
        if (!this.#written.has(family)) this.#connect().remove({ name: this.#table, family });
      }
    } catch (error) {
      const hint = this.#shape.hostRules ? ' (publishing by the rules of the host needs nft_dup in the kernel)' : '';
      throw new EngineError('unavailable', `cannot set up the firewall: ${messageOf(error)}${hint}`, { cause: error });
    }
    if (before === undefined || before === this.#reentry) return;
    deleteLinks([before.out.name]).catch((error: unknown) => {
      this.#log.warn('an interface could not be removed', { name: before.out.name, reason: messageOf(error) });
    });
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

const families = [4, 6] as const;

/** The elements of publications, map by map; those that others of `all` need, too, stay as they are. */
function changesOf(
  publications: readonly Publication[],
  all: ReadonlySet<Publication>,
  family: TableFamily,
): ElementChange[] {
  const changed = new Set(publications);
  const others = [...all].filter((one) => one.direct && !changed.has(one));
  const kept = new Set(others.flatMap((other) => elementsOf(other, family)).map(keyOf));
  const changes = new Map<NatMap, Map<string, MapElement>>();
  for (const publication of publications) {
    for (const placed of elementsOf(publication, family)) {
      const key = keyOf(placed);
      if (placed.map.value.length === 0 && kept.has(key)) continue;
      const elements = changes.get(placed.map) ?? new Map<string, MapElement>();
      changes.set(placed.map, elements.set(key, placed.element));
    }
  }
  return [...changes].map(([map, elements]) => ({ map, elements: [...elements.values()] }));
}

/** Names an element among all of one family. */
const keyOf = ({ map, element }: PlacedElement): string => `${map.name} ${keyText(element)}`;
