import type { LayerCompression } from '../oci/layer-compression.ts';
import type { ContainerConfig } from './container.ts';

/** `POST /commit`, decoded: query and body. */
export interface CommitRequest {
  /** Instead of the container's own configuration; what it leaves out comes from there. */
  readonly config: ContainerConfig | undefined;
  /** Empty for an image without a name. */
  readonly repository: string;
  readonly tag: string;
  readonly comment: string;
  readonly author: string;
  /** The container's processes stand still meanwhile. */
  readonly pause: boolean;
  /** Of the new layer; undefined for the engine's choice. */
  readonly compression: LayerCompression | undefined;
  /** Dockerfile instructions for the configuration. */
  readonly changes: readonly string[];
}
