import { EngineError, messageOf } from '../base/errors.ts';
import { type Digest, tryDigest } from '../base/ids.ts';
import { type AsideRecord, databaseKind } from '../spec/contract/state.ts';
import type { StoreProblem } from '../spec/engine/store-check.ts';
import { largestDocument } from '../spec/oci/json.ts';
import { parseReference } from '../spec/reference/reference.ts';
import { completeImage } from './complete-image.ts';
import type { ContentOperation } from './content.ts';
import type { ImageContext } from './context.ts';
import type { ContentStore } from './ports.ts';
import { type ImageName, imageKind, nameKind, type StoredImage } from './records.ts';
import { type CompleteImage, storeImage } from './store-image.ts';

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

/** Makes the image again that has this manifest or index, if the store has it whole. */
export async function reviveTarget(context: ImageContext, target: Digest): Promise<Outcome> {
  const content = context.content.begin();
  try {
    return await reviveOne(context, content, target);
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
