import type { Filters } from '../../spec/engine/filters.ts';
import type { NetworkView } from '../../spec/engine/network.ts';

export interface NetworkApi {
  /** The API leaves `Containers` out of lists. */
  list(filters: Filters): Promise<NetworkView[]>;
  /** Removes networks that nobody uses, and gives their names; predefined ones stay. @throws invalid for an unknown filter */
  prune(filters: Filters): Promise<string[]>;
  inspect(nameOrId: string, options: { verbose: boolean; scope: string }): Promise<NetworkView>;
}
