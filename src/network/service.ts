import type { Networks } from '../spec/contract/network.ts';
import type { Filters } from '../spec/engine/filters.ts';
import type { NetworkView } from '../spec/engine/network.ts';

/** Everything that the network room offers: to the container service (`Networks`), to the API and to the daemon. */
export interface NetworkService extends Networks {
  /** Networks with the endpoints of running containers. @throws invalid for an unknown filter. */
  list(filters: Filters): Promise<NetworkView[]>;
  /** @throws not-found `network ... not found`; invalid for an ambiguous id prefix. */
  inspect(nameOrId: string, options: { verbose: boolean; scope: string }): Promise<NetworkView>;
  /** User-defined networks are not there yet. @throws forbidden for names that are taken for ever, not-implemented. */
  create(name: string): Promise<never>;
  /** @throws forbidden for predefined networks, not-found. */
  remove(nameOrId: string): Promise<never>;
  connect(nameOrId: string): Promise<never>;
  disconnect(nameOrId: string): Promise<never>;
  /** Removes the networks that nobody uses: predefined ones never are. Gives the names. */
  prune(filters: Filters): Promise<string[]>;
  /**
   * The engine goes down: the ready namespaces go, and, when no container uses a network any more, the firewall table
   * and the bridge too; with running containers both stay and keep them connected.
   */
  shutdown(): Promise<void>;
}
