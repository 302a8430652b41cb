import type { ContainerPruneView } from '../../spec/engine/container.ts';
import type { Filters } from '../../spec/engine/filters.ts';
import type { UpdateContainerRequest, UpdateContainerView } from '../../spec/engine/update.ts';
import type { TopView } from '../../spec/engine/top.ts';

/** Changing containers that exist, and looking into running ones. */
export interface ContainerControlsApi {
  /** Halts all its processes. @throws conflict when it does not run, restarts, or is paused already. */
  pause(nameOrId: string): Promise<void>;
  /** @throws when it is not paused. */
  unpause(nameOrId: string): Promise<void>;
  /** @throws invalid for a bad name or the present one; conflict when another container has it. */
  rename(nameOrId: string, name: string): Promise<void>;
  /** `psArguments`: one line, parted by blanks; empty for `-ef`. @throws conflict when it does not run. */
  top(nameOrId: string, psArguments: string): Promise<TopView>;
  /** All of it or nothing. @throws invalid, conflict; unavailable for limits that the host does not have. */
  update(nameOrId: string, request: UpdateContainerRequest): Promise<UpdateContainerView>;
  /** Removes what does not run; filters `until`, `label`, `label!`. @throws conflict while another one is under way. */
  prune(filters: Filters): Promise<ContainerPruneView>;
}
