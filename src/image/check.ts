import { createHash } from 'node:crypto';
import { conflict, EngineError, messageOf, notFound } from '../base/errors.ts';
import { type Digest, type DiffId, digestOfHex } from '../base/ids.ts';
import type { RemoteRepository } from '../registry/client/client.ts';
import type { RegistryCredentials } from '../registry/client/token.ts';
import type { ProgressSink } from '../spec/engine/progress.ts';
import type { StoreCheckView, StoreProblem } from '../spec/engine/store-check.ts';
import type { Descriptor } from '../spec/oci/image.ts';
import { isIndexType, isManifestType } from '../spec/oci/manifest.ts';
import { familiarReference, type Reference, repositoryOf } from '../spec/reference/reference.ts';
import type { ContentOperation } from './content.ts';
import type { ImageContext } from './context.ts';
import { endReading } from './end-reading.ts';
import { checkMetadata, checkNames } from './check-metadata.ts';
import type { ContentStore } from './ports.ts';
import { shortDigest } from './progress.ts';
import type { StoredImage } from './records.ts';

export interface CheckOptions {
  /** Unpacks damaged layers again and fetches damaged blobs from the registries that their images are named after. */
  readonly repair: boolean;
  /** The login to use at a registry. */
  readonly credentials?: (domain: string) => RegistryCredentials | undefined;
  /** Layers below the files of containers, and which containers: images need not have them any more. */
  readonly containers?: ReadonlyMap<DiffId, readonly string[]>;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}

/** What a check works with beside the images. */
export interface CheckParts {
  readonly context: ImageContext;
  readonly store: ContentStore;
  readonly open: (reference: Reference) => RemoteRepository;
}

/**
 * Reads everything that images have: every blob must have its digest, every layer be what its blob unpacks to.
 * All of it is held meanwhile, so nothing is deleted under the check's hands.
 * @throws EngineError `cancelled`; what is wrong with the store is told, not thrown
 */
export async function checkStore(parts: CheckParts, options: CheckOptions): Promise<StoreCheckView> {
  const { context } = parts;
  const content = context.content.begin();
  const images = context.catalog.images();
  try {
    const { blobs, layers } = await holdAll(content, images);
    const check = { ...parts, ...options, content };
    const report: StoreCheckView = {
      Blobs: 0,
      Layers: 0,
      Images: images.length,
      Records: 0,
      Bytes: 0,
      Problems: [],
    };
    report.Problems.push(...(await checkNames(context, options.repair)));
    const sound = new Set<Digest>();
    for (const [digest, owned] of blobs) {
      options.signal.throwIfAborted();
      const { bytes, problem } = await checkBlob(check, owned);
      report.Blobs++;
      report.Bytes += bytes;
      if (problem === undefined || problem.Repaired) sound.add(digest);
      if (problem !== undefined) report.Problems.push(problem);
    }
    for (const [diffId, owned] of layers) {
      options.signal.throwIfAborted();
      const problem = await checkLayer(check, diffId, owned, sound.has(owned.item.digest));
      report.Layers++;
      if (problem !== undefined) report.Problems.push(problem);
    }
    for (const image of images) report.Problems.push(...(await checkMetadata(context, content, image, options.repair)));
    for (const diffId of options.containers?.keys() ?? []) {
      if (layers.has(diffId)) continue;
      report.Layers++;
      const problem = await checkContainersLayer(check, diffId);
      if (problem !== undefined) report.Problems.push(problem);
    }
    return report;
  } finally {
    await endReading(context, content, images);
  }
}

/** A blob, and the images that have it. */
interface Owned {
  readonly item: Descriptor;
  readonly images: Set<StoredImage>;
}

type Check = CheckParts & CheckOptions & { readonly content: ContentOperation };

async function holdAll(
  content: ContentOperation,
  images: readonly StoredImage[],
): Promise<{ blobs: Map<Digest, Owned>; layers: Map<DiffId, Owned> }> {
  const blobs = new Map<Digest, Owned>();
  const layers = new Map<DiffId, Owned>();
  const own = <Key>(map: Map<Key, Owned>, key: Key, item: Descriptor, image: StoredImage): void => {
    const owned = map.get(key) ?? { item, images: new Set() };
    owned.images.add(image);
    map.set(key, owned);
  };
  for (const image of images) {
    for (const blob of image.blobs) {
      await content.blobSize(blob.digest);
      own(blobs, blob.digest, blob, image);
    }
    for (const { blob, diffId } of image.variants.flatMap((variant) => variant.layers)) {
      await content.hasLayer(diffId);
      own(layers, diffId, blob, image);
    }
  }
  return { blobs, layers };
}

async function checkBlob(check: Check, owned: Owned): Promise<{ bytes: number; problem?: StoreProblem }> {
  const { item } = owned;
  const { progress, store, signal } = check;
  progress({ status: 'Checking blob', id: shortDigest(item.digest), progressDetail: {} });
  let bytes = 0;
  try {
    const hash = createHash('sha256');
    for await (const chunk of store.blobs.read(item.digest, { expectedSize: item.size })) {
      signal.throwIfAborted();
      hash.update(chunk);
      bytes += chunk.length;
    }
    const actual = digestOfHex(hash.digest('hex'));
    if (actual === item.digest) return { bytes };
    throw new EngineError('corrupt', `its bytes have the digest ${actual}`);
  } catch (error) {
    signal.throwIfAborted();
    if (isGone(check, owned)) return { bytes };
    const fixed = check.repair ? await attempt(() => fetchAgain(check, owned)) : notAsked;
    return { bytes, problem: { ...problemOf(check, 'blob', item.digest, owned, error), ...fixed } };
  }
}

async function checkLayer(
  check: Check,
  diffId: DiffId,
  owned: Owned,
  isBlobSound: boolean,
): Promise<StoreProblem | undefined> {
  const { progress, store, signal, content } = check;
  progress({ status: 'Checking layer', id: shortDigest(owned.item.digest), progressDetail: {} });
  const wrong =
    store.layers.info(diffId) === undefined
      ? 'it is missing'
      : await store.layers.verify(diffId, isBlobSound ? store.blobs.path(owned.item.digest) : undefined);
  signal.throwIfAborted();
  if (wrong === undefined || isGone(check, owned)) return undefined;
  const unpackAgain = async (): Promise<string> => {
    if (!isBlobSound) throw new EngineError('corrupt', 'the blob that it was unpacked from is damaged as well');
    refuseMounted(check, diffId);
    await store.layers.delete(diffId);
    await content.unpack(owned.item.digest, { expected: diffId, signal });
    return 'unpacked again';
  };
  const fixed = check.repair ? await attempt(unpackAgain) : notAsked;
  return { ...problemOf(check, 'layer', diffId, owned, new Error(wrong)), ...fixed };
}

/** Under processes that read it a layer is not exchanged. */
function refuseMounted({ store, containers }: Check, diffId: DiffId): void {
  if (store.layers.users(diffId) === 0) return;
  const names = containers?.get(diffId) ?? [];
  const who = names.length === 0 ? 'it is mounted' : `it is mounted, containers have it: ${names.join(', ')}`;
  throw conflict(`${who}: stop them and repair again`);
}

/** A layer that no image has any more, under containers: its blob is gone, so nothing can be made anew. */
async function checkContainersLayer({ store, containers }: Check, diffId: DiffId): Promise<StoreProblem | undefined> {
  const wrong = store.layers.info(diffId) === undefined ? 'it is missing' : await store.layers.verify(diffId);
  if (wrong === undefined) return undefined;
  const users = containers?.get(diffId) ?? [];
  return {
    Kind: 'layer',
    Id: diffId,
    Images: [],
    Message: `${wrong}; of the containers ${users.join(', ')}, whose image was removed`,
    ...notAsked,
  };
}

/** The images were removed while the check was under way. */
const isGone = ({ context }: Check, { images }: Owned): boolean =>
  [...images].every(({ id }) => context.catalog.image(id) === undefined);

const notAsked = { Repaired: false, Repair: '' };

function problemOf({ context }: Check, kind: 'blob' | 'layer', id: string, owned: Owned, error: unknown): StoreProblem {
  const names = [...owned.images].flatMap((image) => {
    const known = context.catalog.namesOf(image.id).map(({ reference }) => familiarReference(reference));
    return known.length === 0 ? [image.id] : known;
  });
  return { Kind: kind, Id: id, Images: names, Message: messageOf(error), ...notAsked };
}

async function attempt(work: () => Promise<string>): Promise<{ Repaired: boolean; Repair: string }> {
  try {
    return { Repaired: true, Repair: await work() };
  } catch (error) {
    return { Repaired: false, Repair: `not repaired: ${messageOf(error)}` };
  }
}

/** The damaged blob is kept until a whole one is there. */
async function fetchAgain(check: Check, { item, images }: Owned): Promise<string> {
  const { context, open, store } = check;
  const repositories = [...images].flatMap(({ id }) =>
    context.catalog.namesOf(id).map(({ reference }) => repositoryOf(reference)),
  );
  if (repositories.length === 0) throw notFound('its images have no name that tells of a registry');
  const aside = await store.blobs.setAside(item.digest);
  let failure: unknown;
  for (const repository of repositories) {
    try {
      await fetchFrom(check, open(repository), repository, item);
      await aside.drop();
      return `fetched again from ${repository.domain}/${repository.path}`;
    } catch (error) {
      failure = error;
    }
  }
  await aside.restore();
  throw failure;
}

async function fetchFrom(
  { content, signal }: Check,
  remote: RemoteRepository,
  repository: Reference,
  item: Descriptor,
): Promise<void> {
  const { digest, size, mediaType } = item;
  if (isManifestType(mediaType) || isIndexType(mediaType)) {
    const { bytes } = await remote.manifest({ ...repository, digest }, signal);
    await content.putBlob(bytes, digest);
    return;
  }
  await content.writeBlob((from) => remote.blob(item, { from, signal }), { digest, size });
}
