import type { Digest, DiffId } from '../../base/ids.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { HostConfig } from '../engine/container.ts';
import type { ProgressSink } from '../engine/progress.ts';
import type { Descriptor, ImageConfig, Platform } from '../oci/image.ts';
import type { LayerCompression } from '../oci/layer-compression.ts';
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

/** What is noted at the parts of an image, by key. */
export interface ImageAnnotations {
  readonly manifest: Readonly<Record<string, string>>;
  /** Where the index names the manifest. */
  readonly manifestDescriptor: Readonly<Record<string, string>>;
  readonly index: Readonly<Record<string, string>>;
  /** Where the index of an archive names the image. */
  readonly indexDescriptor: Readonly<Record<string, string>>;
}

/** What a statement about an image says (in-toto attestation, v0.1); of which image is added when that is written. */
export interface Predicate {
  readonly type: string;
  /** JSON. */
  readonly predicate: unknown;
  /** What a file with it is called. */
  readonly file: string;
}

export interface ImageToWrite {
  readonly config: ImageConfig;
  /** Lowest first; all that `config` names. */
  readonly layers: readonly BuiltLayer[];
  readonly annotations?: ImageAnnotations;
  /** Statements beside the image: where there are any, the result is an index. */
  readonly predicates?: readonly Predicate[];
  /** What the statements call the image, by package URLs. */
  readonly subjects?: readonly string[];
}

/** How images are written. */
export interface WriteOptions {
  /** As an index, if only of one; otherwise there is one image. */
  readonly isList: boolean;
  /** Docker's media types instead of OCI's. */
  readonly dockerTypes: boolean;
  /** Statements are OCI artifacts about the manifest; else they look like images, as older clients expect. */
  readonly artifactStatements?: boolean;
}

/** One platform of a written image. */
export interface WrittenVariant {
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly platform: Platform;
  /** As the manifest names them. */
  readonly layers: readonly BuiltLayer[];
  /** The manifest of the statements about it; undefined where there are none. */
  readonly statements?: Descriptor;
}

/** An image whose documents and layers are all in the store; nothing says yet that the engine has it. */
export interface WrittenImage {
  /** The manifest, or the index where there are several, or there is something beside it. */
  readonly target: Descriptor;
  /** In the order in which they were given. */
  readonly variants: readonly WrittenVariant[];
  /** All of it, each once. */
  readonly blobs: readonly Descriptor[];
}

/** How a layer is to become another one. */
export interface LayerConversion {
  /** The engine's own choice when it is left out. */
  readonly compression?: LayerCompression;
  /** Makes another archive of its archive. */
  readonly change?: (archive: ByteStream) => ByteStream;
}

/** What one build uses and makes of the image store: none of it is deleted until `end`. */
export interface BuildContent {
  /** @throws not-found, forbidden (the trust policy), invalid. */
  base(nameOrId: string, platform: string | undefined): Promise<BaseImage>;
  /**
   * Stores a layer out of its archive, of which a piece need only be valid until the next one is asked for; undefined when it
   * is of no files at all. @throws no-space, invalid, cancelled. */
  storeLayer(archive: ByteStream, signal: AbortSignal): Promise<BuiltLayer | undefined>;
  /** Holds a layer of an earlier build; false when it is not there any more. */
  hold(layer: BuiltLayer): Promise<boolean>;
  /** Stores a layer that another engine has made. `open` may be called again. @throws corrupt, unavailable, no-space */
  importLayer(blob: Descriptor, diffId: DiffId, open: () => ByteStream, signal: AbortSignal): Promise<BuiltLayer>;
  /** The same layer, stored in another way. @throws as `storeLayer` */
  convertLayer(layer: BuiltLayer, conversion: LayerConversion, signal: AbortSignal): Promise<BuiltLayer>;
  /**
   * Stores the documents of an image, for one platform or for several. What is noted at the index is what the first one says.
   * @throws invalid for a layer that its media types have not
   */
  writeImage(images: readonly ImageToWrite[], options: WriteOptions): Promise<WrittenImage>;
  /**
   * Makes a written image one of the engine's, gives it its names (as users write them), of `canonical` ones with its digest
   * instead of a tag, and tells of it.
   */
  recordImage(image: WrittenImage, names: readonly string[], canonical?: readonly string[]): Promise<void>;
  /**
   * A written image as an OCI layout in one archive, with `manifest.json` for Docker where that is wished. A piece is only
   * valid until the next one is asked for. @throws invalid for a wrong name
   */
  archiveImage(
    image: WrittenImage,
    options: { readonly names: readonly string[]; readonly forDocker: boolean; readonly signal: AbortSignal },
  ): Promise<ByteStream>;
  /** The bytes of a stored blob that this build holds. */
  blob(descriptor: Descriptor): ByteStream;
  end(): void;
}

/** What a token is wanted for (distribution's token specification). */
export interface TokenWish {
  readonly realm: string;
  readonly service: string;
  readonly scope: string;
}

/** A bearer token, and for how many seconds it is good; 0 where nobody says. */
export interface GivenToken {
  readonly token: string;
  readonly expiresIn: number;
}

/** Credentials for one registry. */
export interface RegistryLogin {
  readonly username?: string;
  readonly password?: string;
  readonly identityToken?: string;
  readonly registryToken?: string;
  /** Who has the password gets the tokens: it stays where it is. */
  readonly tokens?: (wish: TokenWish, signal: AbortSignal | undefined) => Promise<GivenToken>;
  /** Name and password for a registry that wants these; asked for then only. */
  readonly basic?: (signal: AbortSignal | undefined) => Promise<RegistryLogin | undefined>;
}

export interface PullForBuild {
  readonly reference: string;
  readonly platform: string;
  readonly auth?: RegistryLogin;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}

/** A place with blobs and one named manifest, which is not the store: a repository of a registry, a folder of the client. */
export interface BlobPlace {
  /** The bytes of a manifest or index: the named one, or that of a digest. @throws not-found, unavailable */
  manifest(digest: Digest | undefined, signal: AbortSignal): Promise<Uint8Array>;
  /** Not verified: who keeps them does that. */
  blob(descriptor: Descriptor, signal: AbortSignal): ByteStream;
  /** Brings a blob there, unless it is there. `open` may be called again. */
  put(descriptor: Descriptor, open: () => ByteStream | Iterable<Uint8Array>, signal: AbortSignal): Promise<void>;
  /** Makes these bytes the named manifest; with `byDigest` one that is only found by its digest. */
  putManifest(
    descriptor: Descriptor,
    bytes: Uint8Array,
    signal: AbortSignal,
    options?: { readonly byDigest: boolean },
  ): Promise<void>;
}

export interface PushForBuild {
  /** With its tag. */
  readonly reference: string;
  readonly auth?: RegistryLogin;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}

/** The image store as builds need it. */
export interface BuildImages {
  beginBuild(): BuildContent;
  /** @throws not-found, unauthorized, unavailable */
  pull(request: PullForBuild): Promise<void>;
  /** Sends an image of the engine to where its name says. @throws unauthorized, unavailable */
  push(request: PushForBuild): Promise<void>;
  /** What a name of a registry means, with its tag. No request is made yet. @throws invalid */
  repository(reference: string, auth?: RegistryLogin): BlobPlace;
  /** Layers that later builds may use again: they stay as long as `live` names them. */
  keepLayers(live: () => Iterable<BuiltLayer>): void;
  /** The layers of all images. */
  imageLayers(): ReadonlySet<DiffId>;
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
      /** What is written is seen by the step alone, and thrown away. */
      readonly writable: boolean;
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

/** The volume of a cache mount. */
export interface CacheVolume {
  readonly name: string;
  /** What the build calls it; undefined for a volume that is no cache mount's. */
  readonly id: string | undefined;
  /** Whom it belongs to, with that mode, while it is empty. */
  readonly owner: { readonly uid: number; readonly gid: number; readonly mode: number } | undefined;
  /** What a new one begins with: what is at `path` of a root of these layers. */
  readonly seed: { readonly layers: readonly DiffId[]; readonly path: string } | undefined;
}

/** Runs commands of builds in the sandbox of containers. */
export interface BuildSteps {
  /**
   * Runs a command; when it succeeds, `changed` gets the archive of what it changed, and must read it to its end.
   * @throws invalid, internal when it cannot be started; cancelled.
   */
  run(request: StepRequest, changed: (archive: ByteStream) => Promise<void>): Promise<StepResult>;
  /** Makes the volume of a cache mount where there is none, and fills it while it is empty. */
  cacheVolume(volume: CacheVolume): Promise<void>;
  /** Somebody of a step as the host knows them: with --userns-remap these are other numbers. */
  hostOwner(owner: { readonly uid: number; readonly gid: number }): { readonly uid: number; readonly gid: number };
  /** Lets `look` see a root file system of these layers, read-only. */
  view<T>(layers: readonly DiffId[], look: (view: FileView) => Promise<T>): Promise<T>;
}

/** What programs a host can run. */
export interface HostPlatforms {
  /** That of its processor first. */
  list(): Promise<readonly Platform[]>;
  /** Why programs for a platform do not run, and what would help; undefined when they do. */
  obstacle(platform: Platform): Promise<string | undefined>;
}

/** A program of the host that is to work on what strangers send. */
export interface ConfinedRequest {
  readonly program: string;
  readonly args: readonly string[];
  /** The one folder that it can write to: it belongs to 65534. */
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** One request (GET) for something that a build wants from elsewhere. */
export interface DownloadRequest {
  readonly url: URL;
  /** What the Dockerfile or the client named: where that leads to must not be more than it. */
  readonly named: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

export interface DownloadResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Must be read to its end, or given up with `discard`. @throws EngineError unavailable when it stops, cancelled */
  readonly body: ByteStream;
  discard(): void;
}

/** Asks once, by the engine's proxies, and follows nothing. @throws EngineError unavailable, cancelled */
export type Download = (request: DownloadRequest) => Promise<DownloadResponse>;

/** Its output, to be read to its end. @throws EngineError `internal` with what it complained, cancelled */
export type ConfinedPrograms = (request: ConfinedRequest) => ByteStream;
