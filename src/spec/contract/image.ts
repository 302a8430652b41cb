import type { Digest, DiffId } from '../../base/ids.ts';
import type { Descriptor, ImageConfig, Platform } from '../oci/image.ts';

/** An image that is ready to run on this host. */
export interface RunnableImage {
  /** The digest of the manifest or index that the name points to: what `docker images` shows as the Id. */
  readonly id: Digest;
  readonly manifest: Descriptor;
  readonly platform: Platform;
  readonly config: ImageConfig;
  /** Lowest first; all present in the layer store. */
  readonly layers: readonly DiffId[];
}

export interface RunnableImages {
  /**
   * Finds an image by name, id or unambiguous id prefix. @throws not-found `No such image: ...`; invalid or not-found
   * when it has nothing for the wanted (or the host's) platform.
   */
  resolve(nameOrId: string, platform?: string): Promise<RunnableImage>;
  /** The image that a name means now; undefined when there is none. */
  idOf(nameOrId: string): Digest | undefined;
  /** While a container exists, its image cannot be deleted without force. `id` is the image's, `user` the container's. */
  retain(id: Digest, user: string): void;
  release(id: Digest, user: string): void;
}
