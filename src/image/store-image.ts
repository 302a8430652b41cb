import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../base/errors.ts';
import type { Digest } from '../base/ids.ts';
import type { EventInput } from '../spec/engine/event.ts';
import type { ImageOrigin, ImageSignature } from '../spec/contract/trust.ts';
import type { Descriptor } from '../spec/oci/image.ts';
import { familiarReference, formatReference, type Reference, repositoryOf } from '../spec/reference/reference.ts';
import type { ImageContext } from './context.ts';
import type { ImageVariant, StoredImage } from './records.ts';
import { withOrigin, withSignatures } from './trust/records.ts';

/** An image whose content is complete in the store, under a lease of the caller. */
export interface CompleteImage {
  readonly target: Descriptor;
  readonly variants: readonly ImageVariant[];
  /** All its blobs, `target` included. */
  readonly blobs: readonly Descriptor[];
  /** The image that a commit made it from. */
  readonly parent?: Digest;
  /** The repository that it was pulled from. */
  readonly source?: Reference;
  /** How it came; the policy has admitted it. Undefined where nobody knows. */
  readonly origin: ImageOrigin | undefined;
  readonly signatures?: readonly ImageSignature[];
}

/** What `storeImage` found and did. */
export interface StoredOutcome {
  readonly image: StoredImage;
  /** The name pointed to the image already, and nothing was missing. */
  readonly upToDate: boolean;
  /** Names that pointed elsewhere until now, and where. */
  readonly moved: readonly { readonly name: string; readonly from: Digest }[];
}

/**
 * Records an image and its names, with the event, in one commit; where nothing is new, nobody waits for the event. What the
 * store had of the same image (other platforms of the index) stays; images that lose a name to this one become dangling.
 */
export function storeImage(
  context: ImageContext,
  complete: CompleteImage,
  references: readonly Reference[],
  eventOf: (image: StoredImage) => Promise<readonly EventInput[]>,
): Promise<StoredOutcome> {
  return context.catalog.exclusive(async (commit) => {
    const id = complete.target.digest;
    const known = context.catalog.image(id);
    const now = context.clock.nowNs();
    const image: StoredImage = {
      id,
      target: known?.target ?? bareDescriptor(complete.target),
      variants: mergeBy(known?.variants ?? [], complete.variants, (variant) => variant.manifest.digest),
      blobs: mergeBy(known?.blobs ?? [], complete.blobs.map(bareDescriptor), (blob) => blob.digest),
      storedNs: known?.storedNs ?? now,
      ...parentOf(known?.parent ?? complete.parent),
      sources:
        complete.source === undefined ? (known?.sources ?? []) : withSource(known?.sources ?? [], complete.source),
      origins:
        complete.origin === undefined ? (known?.origins ?? []) : withOrigin(known?.origins ?? [], complete.origin),
      signatures: withSignatures(known?.signatures ?? [], complete.signatures ?? []),
    };
    const isNew = known === undefined || image.variants.length > known.variants.length;
    const moved: { name: string; from: Digest }[] = [];
    let renamed = false;
    for (const reference of references) {
      const before = context.catalog.name(reference)?.target;
      if (before === id) continue;
      // A digest names what the repository's tag has brought already.
      const repository = formatReference(repositoryOf(reference));
      const isOther = (name: { reference: Reference }): boolean =>
        formatReference(repositoryOf(name.reference)) !== repository;
      if (reference.digest !== undefined && !context.catalog.namesOf(id).every(isOther)) continue;
      renamed = true;
      if (before !== undefined) moved.push({ name: familiarReference(reference), from: before });
    }
    const putNames = references
      .filter((reference) => context.catalog.name(reference)?.target !== id)
      .map((reference) => ({ reference, target: id, taggedNs: now }));
    const events = await eventOf(image);
    if (putNames.length > 0 || !isDeepStrictEqual(image, known)) {
      await commit({ putImages: [image], putNames: uniqueNames(putNames), events });
    } else {
      commit({ events, mayWait: true }).catch((error: unknown) =>
        context.log.error('an event could not be journalled', { image: id, error: messageOf(error) }),
      );
    }
    return { image, upToDate: !isNew && !renamed, moved };
  });
}

const parentOf = (parent: Digest | undefined): { parent?: Digest } => (parent === undefined ? {} : { parent });

/** An image pushed to more repositories than these is told of with the last ones. */
const mostSources = 100;

/** The repositories that an image came from or went to, and one more. */
export function withSource(sources: readonly string[], repository: Reference): readonly string[] {
  const name = formatReference(repositoryOf(repository));
  return sources.includes(name) ? sources : [...sources, name].slice(-mostSources);
}

/** What a record keeps of a descriptor: annotations tell where a copy came from, not what it is. */
function bareDescriptor({ mediaType, digest, size, artifactType }: Descriptor): Descriptor {
  return { mediaType, digest, size, ...(artifactType === undefined ? {} : { artifactType }) };
}

function mergeBy<T>(before: readonly T[], added: readonly T[], keyOf: (item: T) => string): T[] {
  const merged = new Map(before.map((item) => [keyOf(item), item]));
  for (const item of added) merged.set(keyOf(item), item);
  return [...merged.values()];
}

const uniqueNames = <T extends { reference: Reference }>(names: readonly T[]): T[] => [
  ...new Map(names.map((name) => [formatReference(name.reference), name])).values(),
];
