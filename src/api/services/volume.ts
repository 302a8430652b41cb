import type { Filters } from '../../spec/engine/filters.ts';
import type { CreateVolumeRequest, VolumeListView, VolumePruneView, VolumeView } from '../../spec/engine/volume.ts';

export interface VolumeApi {
  list(filters: Filters): Promise<VolumeListView>;
  create(request: CreateVolumeRequest): Promise<VolumeView>;
  inspect(name: string): Promise<VolumeView>;
  remove(name: string, options: { force: boolean }): Promise<void>;
  prune(filters: Filters): Promise<VolumePruneView>;
}
