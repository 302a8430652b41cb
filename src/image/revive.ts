import { EngineError, messageOf } from '../base/errors.ts';
import { type Digest, tryDigest } from '../base/ids.ts';
import { type AsideRecord, databaseKind } from '../spec/contract/state.ts';
import type { StoreProblem } from '../spec/engine/store-check.ts';
import type { Descriptor } from '../spec/oci/image.ts';
import { largestDocument } from '../spec/oci/json.ts';
import { parseManifestDocument } from '../spec/oci/manifest.ts';
import { parseReference } from '../spec/reference/reference.ts';
import type { ContentOperation } from './content.ts';
import type { ImageContext } from './context.ts';
import type { ContentStore } from './ports.ts';
import { type ImageName, imageKind, nameKind, type StoredImage } from './records.ts';
import { type CompleteImage, storeImage } from './store-image.ts';
import { isAttestation, makeVariant } from './variant.ts';

/** What became of a record that was set aside. */
type Outcome = Pick<StoreProblem, 'Repaired' | 'Repair'>;

/**
 * Makes images again whose records cannot be read, out of their manifests in the store, and gives them the names that
 * can still be read. With the state database gone all manifests become images that no other one has, without names.
 * Records of images and names are settled, whatever came of it; gives what that was, by record.
 */
export async function reviveImages(
  context: ImageContext,
  store: ContentStore,
  records: readonly AsideRecord[],
): Promise<ReadonlyMap<AsideRecord, Outcome>> {
  const outcomes = new Map<AsideRecord, Outcome>();
  const content = context.content.begin();
  try {
    for (const record of records) {
      if (record.kind === imageKind) outcomes.set(record, await reviveOne(context, content, record.id));
      if (record.kind === databaseKind) outcomes.set(record, await reviveAll(context, content, store));
    }
    for (const record of records) {
      if (record.kind === nameKind) outcomes.set(record, await reviveName(context, record));
    }
    await context.aside.settle([...outcomes.keys()].filter(({ kind }) => kind !== databaseKind));
    return outcomes;
  } finally {
    content.end();
  }
}

async function reviveOne(context: ImageContext, content: ContentOperation, id: string): Promise<Outcome> {
  try {
    const digest = tryDigest(id);
    if (digest === undefined) throw new EngineError('corrupt', 'its id is no digest');
    const image = await revive(context, content, digest);
    const names = context.catalog.namesOf(image.id).length;
    return { Repaired: true, Repair: `made again from its manifest, with ${names} names` };
  } catch (error) {
    return { Repaired: false, Repair: `not repaired: ${messageOf(error)}` };
  }
}

/** Every manifest or index that no image has, and that is no part of another one. */
async function reviveAll(context: ImageContext, content: ContentOperation, store: ContentStore): Promise<Outcome> {
  const found = new Map<Digest, CompleteImage>();
  for (const { digest, size } of await store.blobs.list()) {
    if (context.catalog.image(digest) !== undefined || size > largestDocument) continue;
    const image = await completeImage(context, content, digest).catch(() => undefined);
    if (image !== undefined) found.set(digest, image);
  }
  const parts = new Set(
    [...context.catalog.images(), ...found.values()].flatMap(({ target, blobs }) =>
      blobs.map(({ digest }) => digest).filter((digest) => digest !== target.digest),
    ),
  );
  let count = 0;
  for (const [digest, image] of found) {
    if (parts.has(digest)) continue;
    await record(context, image);
    count++;
  }
  return { Repaired: true, Repair: `${count} images were made again from their manifests` };
}

const revive = async (context: ImageContext, content: ContentOperation, digest: Digest): Promise<StoredImage> =>
  record(context, await completeImage(context, content, digest));

async function record(context: ImageContext, image: CompleteImage): Promise<StoredImage> {
  const names = context.catalog.lostNames.filter(({ target }) => target === image.target.digest);
  const references = names.map(({ reference }: ImageName) => reference);
  return (await storeImage(context, image, references, async () => [])).image;
}

/** An image as far as the store has it whole: of an index, those manifests of which nothing is missing. */
async function completeImage(context: ImageContext, content: ContentOperation, digest: Digest): Promise<CompleteImage> {
  const size = await sizeOf(content, digest);
  const bytes = await context.content.readBlob(digest, largestDocument);
  const document = parseManifestDocument(bytes);
  const target: Descriptor = { mediaType: document.mediaType, digest, size };
  if (document.kind === 'manifest') {
    const { variant, blobs } = await completeManifest(context, content, target, bytes);
    return { target, variants: [variant], blobs: [target, ...blobs], origin: undefined };
  }
  const image = { variants: [] as CompleteImage['variants'][number][], blobs: [target] };
  let missing = new EngineError('not-found', 'nothing of the index is in the store');
  for (const child of document.index.manifests) {
    try {
      const childBytes = await context.content.readBlob(child.digest, largestDocument);
      if (isAttestation(child)) {
        image.blobs.push(child, ...(await attestationParts(content, childBytes, child)));
        continue;
      }
      const { variant, blobs } = await completeManifest(context, content, child, childBytes);
      image.variants.push(variant);
      image.blobs.push(child, ...blobs);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      missing = error;
    }
  }
  if (image.variants.length === 0) throw missing;
  return { target, ...image, origin: undefined };
}

async function completeManifest(
  { content: reader }: ImageContext,
  content: ContentOperation,
  descriptor: Descriptor,
  bytes: Uint8Array,
): Promise<{ variant: CompleteImage['variants'][number]; blobs: readonly Descriptor[] }> {
  const document = parseManifestDocument(bytes, descriptor.mediaType);
  if (document.kind !== 'manifest') throw new EngineError('invalid', `${descriptor.digest} is no manifest`);
  const { config, layers } = document.manifest;
  for (const { digest, size } of [config, ...layers]) await sizeOf(content, digest, size);
  const { variant } = makeVariant(descriptor, document.manifest, await reader.readBlob(config.digest, largestDocument));
  for (const { diffId } of variant.layers) await content.hasLayer(diffId);
  return { variant, blobs: [config, ...layers] };
}

async function attestationParts(
  content: ContentOperation,
  bytes: Uint8Array,
  { mediaType }: Descriptor,
): Promise<readonly Descriptor[]> {
  const document = parseManifestDocument(bytes, mediaType);
  if (document.kind !== 'manifest') return [];
  const parts = [document.manifest.config, ...document.manifest.layers];
  for (const { digest, size } of parts) await sizeOf(content, digest, size);
  return parts;
}

async function sizeOf(content: ContentOperation, digest: Digest, expected?: number): Promise<number> {
  const size = await content.blobSize(digest);
  if (size !== undefined && (expected === undefined || size === expected)) return size;
  throw new EngineError('not-found', `blob ${digest} is not in the store`);
}

/** Writes the record of an image or a name as it is in memory; false when there is none. */
export async function writeAgain({ catalog }: ImageContext, kind: string, id: string): Promise<boolean> {
  const digest = kind === imageKind ? tryDigest(id) : undefined;
  return catalog.exclusive(async (commit) => {
    const image = digest === undefined ? undefined : catalog.image(digest);
    const name = kind === nameKind ? catalog.name(parseReference(id)) : undefined;
    if (image !== undefined) await commit({ putImages: [image] });
    if (name !== undefined) await commit({ putNames: [name] });
    return image !== undefined || name !== undefined;
  });
}

/** A name whose image can still be read in its record. */
async function reviveName(context: ImageContext, { id, text }: AsideRecord): Promise<Outcome> {
  const target = tryDigest(/sha256:[0-9a-f]{64}/.exec(text)?.[0] ?? '');
  try {
    const reference = parseReference(id);
    if (context.catalog.name(reference) !== undefined) return { Repaired: true, Repair: 'the name was given anew' };
    if (target === undefined || context.catalog.image(target) === undefined) {
      throw new EngineError('not-found', 'which image it meant cannot be read');
    }
    const name = { reference, target, taggedNs: context.clock.nowNs() };
    await context.catalog.exclusive((commit) => commit({ putNames: [name] }));
    return { Repaired: true, Repair: `points to ${target} again` };
  } catch (error) {
    return { Repaired: false, Repair: `not repaired: ${messageOf(error)}` };
  }
}
