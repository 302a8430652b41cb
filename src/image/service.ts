import { Bundles } from '../archive/bundle/bundle.ts';
import type { Clock } from '../base/clock.ts';
import { systemClock } from '../base/clock.ts';
import type { Digest } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { ByteStream } from '../base/stream.ts';
import type { RegistryClient } from '../registry/client/client.ts';
import type { RegistryCredentials } from '../registry/client/token.ts';
import type { BuildImages } from '../spec/contract/build.ts';
import type { RunnableImages } from '../spec/contract/image.ts';
import type { AsideRecord, StateJournal } from '../spec/contract/state.ts';
import type {
  AttestationStatement,
  DistributionInspect,
  ImageDeleteItem,
  ImageHistoryItem,
  ImageInspect,
  ImagePruneView,
  ImageSummary,
} from '../spec/engine/image.ts';
import type { ContentBlob } from '../spec/engine/image-content.ts';
import type { ImageMountView } from '../spec/engine/image-mount.ts';
import type { ProgressSink } from '../spec/engine/progress.ts';
import type { WantedBlob } from '../spec/decode/image-content.ts';
import type { StoreCheckView } from '../spec/engine/store-check.ts';
import type { ImageTrustInspect } from '../spec/engine/trust.ts';
import type { TrustPolicy } from '../spec/contract/trust.ts';
import type { StorageBudget } from '../spec/engine/storage-budget.ts';
import type { Platform } from '../spec/oci/image.ts';
import type { LayerCompression } from '../spec/oci/layer-compression.ts';
import { hostPlatform } from '../spec/oci/platform.ts';
import { parseReference, type Reference, withDefaultTag } from '../spec/reference/reference.ts';
import { type AttestationOptions, imageAttestations } from './attestations.ts';
import { BlobSources } from './blob-sources.ts';
import { keepBudget } from './budget.ts';
import { blobPlace } from './blob-place.ts';
import { ImageCatalog } from './catalog.ts';
import { applyChanges } from './changes.ts';
import { beginBuild } from './build.ts';
import { commitImage } from './commit.ts';
import { type CheckOptions, checkStore } from './check.ts';
import { createImageContent } from './content.ts';
import { createConfigReader, type ImageContext } from './context.ts';
import { createTransfers, type Transfers } from './fetch-layers.ts';
import { imageHistory } from './history.ts';
import { importImage, type ImportOptions } from './import.ts';
import { inspectImage } from './inspect.ts';
import { inspectRemote } from './inspect-remote.ts';
import { KeptLayers } from './kept-layers.ts';
import { LastUses } from './last-uses.ts';
import { listImages, type ListOptions } from './list.ts';
import { missingContent } from './missing.ts';
import { loadImages, type LoadOptions } from './load.ts';
import { listMounts, mountImage, unmountImage } from './mount.ts';
import { MountedImages } from './mounted.ts';
import type { ContentStore } from './ports.ts';
import { pruneImages } from './prune.ts';
import { leftovers } from './prune-unfinished.ts';
import type { PruneOptions } from './prune-plan.ts';
import { nameToPull, pullImage } from './pull.ts';
import { pushImages, type PushOptions } from './push.ts';
import { removeImage, type RemoveOptions } from './remove.ts';
import { imageIdOf, imageOfLayers, releaseImage, resolveImage } from './resolve.ts';
import { reviveImages, writeAgain } from './revive.ts';
import { archiveContent, type ImageArchiveStream, saveImages, type SaveOptions } from './save.ts';
import { tagImage } from './tag.ts';
import { inspectRemoteTrust, inspectTrust } from './trust/inspect.ts';
import { UnfinishedPulls } from './unfinished.ts';
import { UnfinishedUploads } from './unfinished-uploads.ts';
import { ImageUsers } from './users.ts';

export interface PullRequest {
  /** As the user wrote it. */
  readonly reference: string;
  /** A tag or a digest that came beside it. */
  readonly tag?: string;
  readonly platform?: string;
  readonly auth?: RegistryCredentials;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}

/** Everything the engine can do with images. Errors are EngineErrors in Docker's words. */
export interface ImageService extends RunnableImages, BuildImages {
  list(options: ListOptions): Promise<ImageSummary[]>;
  inspect(
    nameOrId: string,
    options: { readonly manifests: boolean; readonly platform?: string },
  ): Promise<ImageInspect>;
  history(nameOrId: string, options: { readonly platform?: string }): Promise<ImageHistoryItem[]>;
  tag(nameOrId: string, repository: string, tag: string): Promise<void>;
  remove(nameOrId: string, options: RemoveOptions): Promise<ImageDeleteItem[]>;
  attestations(nameOrId: string, options: AttestationOptions): Promise<AttestationStatement[]>;
  prune(options: PruneOptions): Promise<ImagePruneView>;
  /** Deletes what a budget has no room for; see `keepBudget`. */
  keepBudget(budget: StorageBudget, options?: { readonly dryRun?: boolean }): Promise<ImagePruneView>;
  load(request: LoadOptions & { readonly body: ByteStream }): Promise<void>;
  save(names: readonly string[], options: SaveOptions): Promise<ImageArchiveStream>;
  /** The blobs that `save` would send. */
  content(names: readonly string[], platforms: readonly string[]): ContentBlob[];
  /** Which of these blobs are not here, or have another size. */
  missing(blobs: readonly WantedBlob[]): Promise<Digest[]>;
  pull(request: PullRequest): Promise<void>;
  push(request: PushOptions & Pick<PullRequest, 'auth'>): Promise<void>;
  /** What the registry has under a name, without pulling it. */
  inspectRemote(request: Pick<PullRequest, 'reference' | 'auth' | 'signal'>): Promise<DistributionInspect>;
  /** What the trust policy says of a stored image. */
  inspectTrust(nameOrId: string): Promise<ImageTrustInspect>;
  /** What it would say to a pull. */
  inspectRemoteTrust(request: Pick<PullRequest, 'reference' | 'auth' | 'signal'>): Promise<ImageTrustInspect>;
  import(request: ImportOptions): Promise<void>;
  /** Reads all content, and mends what can be mended if that is asked for. */
  check(options: CheckOptions): Promise<StoreCheckView>;
  /** Makes images and names again whose records could not be read; see `reviveImages`. */
  revive(records: readonly AsideRecord[]): ReturnType<typeof reviveImages>;
  /** Writes the record of an image or name as it is in memory; false when there is none. */
  writeAgain(kind: string, id: string): Promise<boolean>;
  /** Bytes on disk that broken pulls have left, besides what images need. */
  leftoverBytes(): Promise<number>;
  /** Mounts its file system on the host, read-only. */
  mount(nameOrId: string, options: { readonly platform?: string }): Promise<ImageMountView>;
  unmount(nameOrId: string, options: { readonly platform?: string; readonly force: boolean }): Promise<void>;
  mounts(): ImageMountView[];
  /** How many images there are, for `info`. */
  count(): number;
  /**
   * Mounts images again that were mounted on the host, and deletes what interrupted operations left; to be called at boot, once containers and their snapshots are known.
   */
  sweep(): Promise<void>;
}

export interface ImageServiceOptions {
  readonly journal: StateJournal;
  readonly store: ContentStore;
  readonly registry: RegistryClient;
  readonly log: Logger;
  /** Whether a container runs right now: the image of a running one is never deleted. */
  readonly isRunning: (containerId: string) => boolean;
  readonly clock?: Clock;
  /** Limits of what goes on at once. */
  readonly transfers?: Transfers;
  /** Which images may be used, asked at each use. */
  readonly trust: () => TrustPolicy;
  /** Of layers that are made here; gzip by default. */
  readonly layerCompression?: LayerCompression | undefined;
  /** What images are chosen for; this process's own by default. */
  readonly platform?: Platform;
}

/** Reads the image records and opens the service. */
export async function openImages(options: ImageServiceOptions): Promise<ImageService> {
  const { journal, store, registry, log, isRunning } = options;
  const catalog = new ImageCatalog(journal);
  await catalog.load(log);
  const clock = options.clock ?? systemClock;
  const uses = new LastUses(journal, clock, log);
  await uses.load((id) => catalog.image(id) !== undefined);
  const mounted = new MountedImages(journal, store.imageMounts);
  const unfinished = new UnfinishedPulls(journal, clock);
  await unfinished.load(log);
  const uploads = new UnfinishedUploads(journal, clock);
  await uploads.load(log);
  const sources = new BlobSources(journal, clock, log);
  await sources.load();
  const kept = new KeptLayers();
  const content = createImageContent(
    store,
    () => kept.addTo(unfinished.addTo(catalog.live())),
    () => journal.aside.ofContent().length,
    log,
  );
  store.onGarbage(() => void content.collect());
  const context: ImageContext = {
    catalog,
    content,
    users: new ImageUsers(),
    mounted,
    uses,
    unfinished,
    uploads,
    sources,
    configs: createConfigReader(content),
    clock,
    host: options.platform ?? hostPlatform(process.arch),
    log,
    aside: journal.aside,
    layerCompression: options.layerCompression ?? 'gzip',
    isRunning,
    trust: options.trust,
  };
  return createService(context, store, registry, { kept, transfers: options.transfers ?? createTransfers() });
}

function createService(
  context: ImageContext,
  store: ContentStore,
  registry: RegistryClient,
  { kept, transfers }: { readonly kept: KeptLayers; readonly transfers: Transfers },
): ImageService {
  const bundles = new Bundles();
  return {
    async resolve(nameOrId, platform, user) {
      const found = await resolveImage(context, nameOrId, platform, user);
      context.uses.note(found.id);
      return found;
    },
    idOf: (nameOrId) => imageIdOf(context.catalog, nameOrId),
    ofLayers: (layers) => imageOfLayers(context.catalog, layers),
    retain: (id, user, manifest) => context.users.retain(id, user, manifest),
    release: (id, user) => releaseImage(context, id, user),
    list: (request) => listImages(context, request),
    inspect: (nameOrId, request) => inspectImage(context, nameOrId, request),
    history: (nameOrId, request) => imageHistory(context, nameOrId, request),
    tag: (nameOrId, repository, tag) => tagImage(context, nameOrId, repository, tag),
    remove: (nameOrId, request) => removeImage(context, nameOrId, request),
    attestations: (nameOrId, request) => imageAttestations(context, nameOrId, request),
    prune: (request) => pruneImages(context, request),
    keepBudget: (budget, { dryRun = false } = {}) => keepBudget(context, store, budget, dryRun),
    load: ({ body, ...request }) => loadImages(context, transfers, body, request),
    save: (names, request) => saveImages(context, bundles, names, request),
    check(request) {
      const open = (name: Reference) => registry.repository(name, request.credentials?.(name.domain));
      return checkStore({ context, store, open }, request);
    },
    content: (names, platforms) =>
      archiveContent(context, names, platforms).map(({ digest, size }) => ({ Digest: digest, Size: size })),
    missing: (blobs) => missingContent(context.content, blobs),
    revive: (records) => reviveImages(context, store, records),
    writeAgain: (kind, id) => writeAgain(context, kind, id),
    async pull({ reference, tag, auth, ...request }) {
      const open = (name: Parameters<RegistryClient['repository']>[0]) => registry.repository(name, auth);
      await pullImage(context, transfers, open, nameToPull(reference, tag), request);
    },
    push: ({ auth, ...request }) =>
      pushImages(context, { open: (name) => registry.pushTarget(name, auth), uploads: transfers.uploads }, request),
    repository: (reference, auth) => blobPlace(registry, withDefaultTag(parseReference(reference)), auth),
    inspectRemote: ({ reference, auth, signal }) =>
      inspectRemote((name) => registry.repository(name, auth), parseReference(reference), signal),
    inspectTrust: (nameOrId) => inspectTrust(context, nameOrId),
    inspectRemoteTrust: ({ reference, auth, signal }) =>
      inspectRemoteTrust(context, (name) => registry.repository(name, auth), reference, signal),
    configure: applyChanges,
    commit: (request) => commitImage(context, transfers, request),
    beginBuild: () => beginBuild(context, transfers, bundles),
    keepLayers: (live) => kept.keep(live),
    imageLayers: () => context.catalog.live().layers,
    collect: () => context.content.collect(),
    import: (request) => importImage(context, transfers, request),
    leftoverBytes: async () => (await leftovers(context)).bytes,
    count: () => context.catalog.images().length,
    mount: (nameOrId, request) => mountImage(context, nameOrId, request),
    unmount: (nameOrId, request) => unmountImage(context, nameOrId, request),
    mounts: () => listMounts(context),
    async sweep() {
      await context.mounted.restore((id) => context.catalog.image(id) !== undefined, context.log);
      await context.content.collect();
    },
  };
}
