import type { EndpointSettings } from '../../spec/engine/container.ts';
import type { Filters } from '../../spec/engine/filters.ts';
import type { CreateNetworkRequest, NetworkView } from '../../spec/engine/network.ts';

export interface NetworkApi {
  /** The API leaves `Containers` out of lists. */
  list(filters: Filters): Promise<NetworkView[]>;
  /** Makes a network; gives its id. @throws invalid, forbidden, conflict, not-found in Docker's words */
  create(request: CreateNetworkRequest): Promise<string>;
  /** What is in the way of containers on a network. */
  warnings(nameOrId: string): Promise<string[]>;
  /** Other options about bandwidth; an empty value takes one away. @throws not-found, invalid, unavailable */
  update(nameOrId: string, options: Readonly<Record<string, string>>): Promise<void>;
  /** @throws forbidden for predefined networks and those that running containers use */
  remove(nameOrId: string): Promise<void>;
  /** @throws not-found, invalid, forbidden, unavailable */
  connect(network: string, container: string, settings: EndpointSettings | null): Promise<void>;
  /** @throws not-found, invalid, conflict when the container is not connected to it */
  disconnect(network: string, container: string, options: { readonly force: boolean }): Promise<void>;
  /** Removes networks that nobody uses, and gives their names; predefined ones stay. @throws invalid for an unknown filter */
  prune(filters: Filters): Promise<string[]>;
  /** With the status of its addresses. */
  inspect(nameOrId: string, options: { verbose: boolean; scope: string }): Promise<NetworkView>;
}
