import { NetlinkError, netlinkFamily, NetlinkSocket } from '../netlink/socket.ts';
import {
  addElements,
  deleteElements,
  type Existing,
  getTable,
  type Ownership,
  ownershipIn,
  removeTable,
  replaceTable,
  type TableName,
  transaction,
} from './encode.ts';
import type { MapElement, NatMap, Table } from './ruleset.ts';

/** Room for a table with some ten thousand elements. */
const transactionBytes = 8 << 20;

/** Elements that one transaction adds to or takes out of a map. */
export interface ElementChange {
  readonly map: NatMap;
  readonly elements: readonly MapElement[];
}

/**
 * The netfilter tables of the calling thread's network namespace. A table that is `owned` belongs to this connection
 * until it is disposed of; the table stays.
 */
export class Nftables implements Disposable {
  readonly #socket: NetlinkSocket;
  #protects: boolean;

  /** With `protect: false` tables are never owned, as on kernels before 6.9. @throws SystemError. */
  constructor(options: { protect?: boolean } = {}) {
    this.#protects = options.protect ?? true;
    this.#socket = new NetlinkSocket(netlinkFamily.netfilter);
    this.#socket.reserve(transactionBytes);
  }

  /** What there is under a name. @throws NetlinkError. */
  existing(table: TableName): Existing {
    try {
      const answer = this.#socket.query(getTable(table), 'looking up the firewall table')[0];
      return answer === undefined ? 'none' : ownershipIn(answer);
    } catch (error) {
      if (error instanceof NetlinkError && error.code === 'ENOENT') return 'none';
      throw error;
    }
  }

  /**
   * Makes a table exactly as described, in one transaction, protected against other programs' flushes where the kernel
   * can do that; says whether it is. @throws NetlinkError, EPERM when a living program owns a table of that name.
   */
  replace(table: Table): Ownership {
    const existing = this.existing(table);
    const what = `writing the firewall table ${table.name}`;
    if (this.#protects) {
      try {
        this.#apply(replaceTable(table, 'owned', existing), what);
        return 'owned';
      } catch (error) {
        // Kernels before 6.9 do not know the flag that lets a table outlive its owner.
        if (existing === 'owned' || !(error instanceof NetlinkError) || !unsupported.has(error.code)) throw error;
        this.#protects = false;
      }
    }
    this.#apply(replaceTable(table, 'plain', existing), what);
    return 'plain';
  }

  /** Removes a table, when it exists. @throws NetlinkError, EPERM when a living program owns it. */
  remove(table: TableName): void {
    const existing = this.existing(table);
    if (existing !== 'none') this.#apply(removeTable(table, existing), `removing the firewall table ${table.name}`);
  }

  /** Changes maps of a table in one transaction. @throws NetlinkError, ENOENT when the table or an element is gone. */
  change(table: TableName, change: { add?: readonly ElementChange[]; delete?: readonly ElementChange[] }): void {
    const messages = [
      ...(change.delete ?? []).flatMap(({ map, elements }) => deleteElements(table, map, elements)),
      ...(change.add ?? []).flatMap(({ map, elements }) => addElements(table, map, elements)),
    ];
    if (messages.length > 0) this.#apply(messages, `changing the firewall table ${table.name}`);
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  #apply(messages: Parameters<typeof transaction>[0], what: string): void {
    this.#socket.request(transaction(messages), what);
  }
}

const unsupported = new Set(['EOPNOTSUPP', 'ENOTSUP', 'EINVAL']);
