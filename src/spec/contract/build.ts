import type { Digest, DiffId } from '../../base/ids.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { HostConfig } from '../engine/container.ts';
import type { ProgressSink } from '../engine/progress.ts';
import type { Descriptor, ImageConfig } from '../oci/image.ts';
import type { FileView } from './files.ts';

/** A layer as it is stored: the blob, and what it unpacks to. */
export interface BuiltLayer {
  readonly blob: Descriptor;
  readonly diffId: DiffId;
}

/** An image that a build stands on. */
export interface BaseImage {
  readonly id: Digest;
  readonly config: ImageConfig;
  /** Lowest first. */
  readonly layers: readonly BuiltLayer[];
}

export interface ImageToStore {
  readonly config: ImageConfig;
  /** Lowest first; all that `config` names. */
  readonly layers: readonly BuiltLayer[];
  /** As users write them. */
  readonly names: readonly string[];
}

/** What one build uses and makes of the image store: none of it is deleted until `end`. */
export interface BuildContent {
  /** @throws not-found, forbidden (the trust policy), invalid. */
  base(nameOrId: string, platform: string | undefined): Promise<BaseImage>;
  /** Stores a layer out of its archive; undefined when it is of no files at all. @throws no-space, invalid, cancelled. */
  storeLayer(archive: ByteStream, signal: AbortSignal): Promise<BuiltLayer | undefined>;
  /** Holds a layer of an earlier build; false when it is not there any more. */
  hold(layer: BuiltLayer): Promise<boolean>;
  /** Records an image, gives it its names, and tells of it. */
  storeImage(image: ImageToStore): Promise<{ readonly id: Digest; readonly config: Digest }>;
  end(): void;
}

/** Credentials for one registry. */
export interface RegistryLogin {
  readonly username?: string;
  readonly password?: string;
  readonly identityToken?: string;
  readonly registryToken?: string;
}

export interface PullForBuild {
  readonly reference: string;
  readonly platform: string;
  readonly auth?: RegistryLogin;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}

/** The image store as builds need it. */
export interface BuildImages {
  beginBuild(): BuildContent;
  /** @throws not-found, unauthorized, unavailable */
  pull(request: PullForBuild): Promise<void>;
  /** Layers that later builds may use again: they stay as long as `live` names them. */
  keepLayers(live: () => Iterable<BuiltLayer>): void;
  /** Deletes what nobody needs any more. */
  collect(): Promise<void>;
}

/** Something of the host, or of the image store, that a step sees besides its root. */
export type StepMount =
  | { readonly kind: 'bind'; readonly source: string; readonly target: string; readonly readOnly: boolean }
  | { readonly kind: 'tmpfs'; readonly target: string; readonly options: readonly string[] }
  | {
      readonly kind: 'layers';
      readonly layers: readonly DiffId[];
      readonly subpath: string;
      readonly target: string;
    }
  | { readonly kind: 'volume'; readonly name: string; readonly target: string; readonly readOnly: boolean };

/** A command of a build. */
export interface StepRequest {
  /** Lowest first; all in the store. */
  readonly layers: readonly DiffId[];
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  /** `buildkitsandbox` when it is left out. */
  readonly hostname?: string;
  readonly mounts: readonly StepMount[];
  /** What is not Docker's default: network, limits, hosts, privilege. */
  readonly hostConfig: Partial<HostConfig>;
  /** Bytes of stdout (1) and stderr (2). */
  readonly output: (stream: 1 | 2, bytes: Uint8Array) => void;
  readonly signal: AbortSignal;
}

/** How a command ended. */
export interface StepResult {
  readonly code: number;
  readonly oomKilled: boolean;
}

/** Runs commands of builds in the sandbox of containers. */
export interface BuildSteps {
  /**
   * Runs a command; when it succeeds, `changed` gets the archive of what it changed, and must read it to its end.
   * @throws invalid, internal when it cannot be started; cancelled.
   */
  run(request: StepRequest, changed: (archive: ByteStream) => Promise<void>): Promise<StepResult>;
  /** Makes the volume of a cache mount where there is none; it belongs to `owner` while it is empty. */
  cacheVolume(
    name: string,
    id: string,
    owner: { readonly uid: number; readonly gid: number } | undefined,
  ): Promise<void>;
  /** Lets `look` see a root file system of these layers, read-only. */
  view<T>(layers: readonly DiffId[], look: (view: FileView) => Promise<T>): Promise<T>;
}
