import type { Networks } from '../spec/contract/network.ts';
import type { Filters } from '../spec/engine/filters.ts';
import type { CreateNetworkRequest, NetworkView } from '../spec/engine/network.ts';

/** Everything that the network room offers: to the container service (`Networks`), to the API and to the daemon. */
export interface NetworkService extends Networks {
  /** Networks with the endpoints of running containers. @throws invalid for an unknown filter. */
  list(filters: Filters): Promise<NetworkView[]>;
  /**
   * With the status of its addresses. @throws not-found `network ... not found`; invalid for an ambiguous id prefix.
   */
  inspect(nameOrId: string, options: { verbose: boolean; scope: string }): Promise<NetworkView>;
  /**
   * Makes a network; gives its id. @throws invalid, forbidden (also for subnets that overlap), conflict when the name is
   * taken, not-found for an unknown driver; nothing is changed then.
   */
  create(request: CreateNetworkRequest): Promise<string>;
  /**
   * What is in the way of containers on a network, or on all: sentences for people, with the command that mends it.
   * @throws not-found
   */
  warnings(nameOrId?: string): Promise<string[]>;
  /**
   * Other options for a network that may be in use, at once: those about bandwidth (`rates/rate.ts`); an empty value takes
   * one away. @throws not-found; invalid for other options and malformed values; unavailable where the kernel cannot limit
   */
  update(nameOrId: string, options: Readonly<Record<string, string>>): Promise<void>;
  /** @throws forbidden for predefined networks and those that running containers use, not-found. */
  remove(nameOrId: string): Promise<void>;
  /** Removes the networks that no running container uses: predefined ones never are. Gives the names. @throws invalid */
  prune(filters: Filters): Promise<string[]>;
  /**
   * The engine goes down: the ready namespaces go, and, when no container uses a network any more, the firewall table
   * and the bridges too; with running containers both stay and keep them connected.
   */
  shutdown(): Promise<void>;
}
