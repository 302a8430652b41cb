import type { Digest } from '../../base/ids.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { WantedBlob } from '../../spec/decode/image-content.ts';
import type { Filters } from '../../spec/engine/filters.ts';
import type { ContentBlob } from '../../spec/engine/image-content.ts';
import type {
  AttestationStatement,
  DistributionInspect,
  ImageDeleteItem,
  ImageHistoryItem,
  ImageInspect,
  ImagePruneView,
  ImageSummary,
} from '../../spec/engine/image.ts';
import type { ImageMountView } from '../../spec/engine/image-mount.ts';
import type { ProgressSink } from '../../spec/engine/progress.ts';
import type { LayerCompression } from '../../spec/oci/layer-compression.ts';
import type { OutgoingArchive } from './container-files.ts';
import type { StoreCheckView } from '../../spec/engine/store-check.ts';
import type { ImageTrustInspect } from '../../spec/engine/trust.ts';

export interface ImageListOptions {
  readonly all: boolean;
  readonly sharedSize: boolean;
  readonly manifests: boolean;
  /** Where images came from, in their manifests. */
  readonly identity?: boolean;
  /** The layers of what is here, in their manifests. */
  readonly layers?: boolean;
  readonly filters: Filters;
}
/** What `X-Registry-Auth` carries, for one registry. */
export interface RegistryAuth {
  readonly username?: string;
  readonly password?: string;
  readonly identityToken?: string;
  readonly registryToken?: string;
}
export interface PullRequest {
  /** As the user wrote it, without the tag or digest that came beside it. */
  readonly reference: string;
  /** A tag or a digest; undefined when the reference says it itself, or all tags are wanted. */
  readonly tag?: string;
  readonly platform?: string;
  readonly auth?: RegistryAuth;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}
export interface PushRequest extends Omit<PullRequest, 'tag'> {
  /** Undefined when the reference says it itself, or all tags are wanted. */
  readonly tag?: string;
}
export interface ImportRequest {
  /** `-` for the request's body, else a URL that the engine fetches. */
  readonly source: string;
  readonly body: ByteStream;
  /** `name[:tag]`; empty for an untagged image. */
  readonly repository: string;
  readonly tag: string;
  readonly message: string;
  /** Dockerfile instructions for the image's configuration. */
  readonly changes: readonly string[];
  /** Of the layer, when the archive is not compressed; the engine's choice by default. */
  readonly compression?: LayerCompression;
  readonly platform?: string;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}
export interface ImageApi {
  list(options: ImageListOptions): Promise<ImageSummary[]>;
  inspect(nameOrId: string, options: { manifests: boolean; platform?: string }): Promise<ImageInspect>;
  history(nameOrId: string, options: { platform?: string }): Promise<ImageHistoryItem[]>;
  tag(nameOrId: string, repository: string, tag: string): Promise<void>;
  remove(
    nameOrId: string,
    options: { force: boolean; noPrune: boolean; platforms: readonly string[] },
  ): Promise<ImageDeleteItem[]>;
  /** In-toto statements about one platform of an image. */
  attestations(
    nameOrId: string,
    options: { platform?: string; types: readonly string[]; statement: boolean },
  ): Promise<AttestationStatement[]>;
  /** `dryRun` tells only what would go; `keepLast` keeps so many of the newest images of each repository. */
  /** Removes what a budget of so many bytes or percent has no room for; `engine` is the one that the engine has. */
  overBudget(limit: string, options: { readonly dryRun: boolean }): Promise<ImagePruneView>;
  prune(options: {
    readonly filters: Filters;
    readonly dryRun: boolean;
    readonly keepLast: number;
    /** Nanoseconds: what was used or came since then stays. */
    readonly unusedForNs: bigint;
  }): Promise<ImagePruneView>;
  /** Resolves when everything in the archive is stored; reports `Loaded image: ...` by itself. */
  load(request: {
    body: ByteStream;
    quiet: boolean;
    platforms: readonly string[];
    progress: ProgressSink;
    signal: AbortSignal;
  }): Promise<void>;
  /** Everything is checked before it resolves; what is in the archive stays until its `close`. */
  save(
    names: readonly string[],
    options: { platforms: readonly string[]; signal: AbortSignal; without?: ReadonlySet<Digest> },
  ): Promise<OutgoingArchive>;
  /** The blobs that `save` would send. */
  content(names: readonly string[], platforms: readonly string[]): ContentBlob[];
  /** Which of these blobs are not here. */
  missing(blobs: readonly WantedBlob[]): Promise<Digest[]>;
  /** Mounts its file system on the host, read-only; as often as it is mounted it must be unmounted. */
  mount(nameOrId: string, options: { readonly platform?: string }): Promise<ImageMountView>;
  unmount(nameOrId: string, options: { readonly platform?: string; readonly force: boolean }): Promise<void>;
  mounts(): ImageMountView[];
  pull(request: PullRequest): Promise<void>;
  push(request: PushRequest): Promise<void>;
  /** What the registry has under a name, without pulling it. */
  inspectRemote(request: Pick<PullRequest, 'reference' | 'auth' | 'signal'>): Promise<DistributionInspect>;
  /** What the trust policy says of a stored image; else of what a registry has: what a pull would be told. */
  inspectTrust(nameOrId: string): Promise<ImageTrustInspect>;
  inspectRemoteTrust(request: Pick<PullRequest, 'reference' | 'auth' | 'signal'>): Promise<ImageTrustInspect>;
  /** Reports the new image's id as its last status. */
  import(request: ImportRequest): Promise<void>;
  /** Reads all content and tells what is wrong with it; `repair` mends what can be mended. */
  check(options: {
    readonly repair: boolean;
    /** The client's login at a registry (`docker.io`, `host:port`). */
    readonly credentials: (domain: string) => RegistryAuth | undefined;
    readonly progress: ProgressSink;
    readonly signal: AbortSignal;
  }): Promise<StoreCheckView>;
}
