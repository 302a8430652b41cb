import type { Digest, DiffId } from '../../base/ids.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { Descriptor, ImageConfig, ImageRunConfig, Platform } from '../oci/image.ts';
import type { LayerCompression } from '../oci/layer-compression.ts';

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

/** An image to be made of another one and one more layer. */
export interface CommitImageRequest {
  /** The image below, and its manifest that counts. */
  readonly image: Digest;
  readonly manifest: Digest;
  /** The archive of the layer, not compressed. A piece is only valid until the next one is asked for. */
  readonly layer: ByteStream;
  /** How it is stored; the engine's own choice by default. */
  readonly compression?: LayerCompression;
  readonly config: ImageRunConfig;
  /** Empty for an image without a name; the tag is `latest` when it is empty. */
  readonly repository: string;
  readonly tag: string;
  /** Empty: the author of the image below. */
  readonly author: string;
  readonly comment: string;
  /** For the history: what made the layer. */
  readonly createdBy: string;
  readonly signal: AbortSignal;
}

export interface CommittedImage {
  readonly id: Digest;
  /** As users write it; empty without a name. */
  readonly name: string;
}

/** A container that is being made of an image. */
export interface ImageUser {
  readonly id: string;
  /** It runs the image, not only shows it. */
  readonly runs: boolean;
}

export interface RunnableImages {
  /**
   * Finds an image by name, id or unambiguous id prefix. @throws not-found `No such image: ...`; invalid or not-found
   * when it has nothing for the wanted (or the host's) platform; forbidden when the trust policy of now does not admit
   * it. Whoever makes something of an image (a container, a mount, a build's FROM) gets it here.
   * For a `user` it is retained in the same moment: nobody removes it between; who got it releases it.
   */
  resolve(nameOrId: string, platform?: string, user?: ImageUser): Promise<RunnableImage>;
  /** The image that a name means now; undefined when there is none. */
  idOf(nameOrId: string): Digest | undefined;
  /** An image that consists of exactly these layers, lowest first; undefined when there is none. */
  ofLayers(layers: readonly DiffId[]): Digest | undefined;
  /**
   * While a container exists, its image cannot be deleted without force. `id` is the image's, `user` the container's,
   * `manifest` the one that it runs; without one it only shows the image.
   */
  retain(id: Digest, user: string, manifest?: Digest): void;
  release(id: Digest, user: string): void;
  /** Applies Dockerfile instructions to a configuration. @throws invalid, quoting the instruction. */
  configure(config: ImageRunConfig, changes: readonly string[]): ImageRunConfig;
  /** @throws conflict when the image below is gone, invalid for a wrong name, no-space. */
  commit(request: CommitImageRequest): Promise<CommittedImage>;
}
