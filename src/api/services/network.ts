import type { Filters } from '../../spec/engine/filters.ts';
import type { NetworkView } from '../../spec/engine/network.ts';

export interface NetworkApi {
  /** The API leaves `Containers` out of lists. */
  list(filters: Filters): Promise<NetworkView[]>;
  inspect(nameOrId: string, options: { verbose: boolean; scope: string }): Promise<NetworkView>;
}
