import { messageOf } from '../base/errors.ts';
import type { StoreProblem } from '../spec/engine/store-check.ts';
import { formatReference } from '../spec/reference/reference.ts';
import { completeImage } from './complete-image.ts';
import type { ContentOperation } from './content.ts';
import type { ImageContext } from './context.ts';
import type { StoredImage } from './records.ts';
import { reviveTarget } from './revive.ts';
import type { CompleteImage } from './store-image.ts';

const problem = (id: string, message: string): StoreProblem => ({
  Kind: 'record',
  Id: id,
  Images: [],
  Message: message,
  Repaired: false,
  Repair: '',
});

/** Names that point to images that are not there: where the manifest is, the image is made again. */
export async function checkNames(context: ImageContext, repair: boolean): Promise<StoreProblem[]> {
  const problems: StoreProblem[] = [];
  for (const { reference, target } of context.catalog.lostNames) {
    if (context.catalog.name(reference) !== undefined) continue;
    const name = formatReference(reference);
    const found = problem(`image-name ${name}`, `it points to ${target}, which is not in the store`);
    if (!repair) problems.push(found);
    else {
      const { Repaired, Repair } = await reviveTarget(context, target);
      problems.push({ ...found, Repaired, Repair: Repaired ? Repair : `${Repair}: pull it` });
    }
  }
  return problems;
}

/** What the record says of an image against its manifests: a layer that it does not name could be deleted. */
export async function checkMetadata(
  context: ImageContext,
  content: ContentOperation,
  image: StoredImage,
  repair: boolean,
): Promise<StoreProblem[]> {
  let actual: CompleteImage;
  try {
    actual = await completeImage(context, content, image.id);
  } catch (error) {
    const message = messageOf(error);
    // What the record names was looked at already.
    if (image.blobs.some(({ digest }) => message.includes(digest))) return [];
    const found = problem(`image ${image.id}`, `it does not name all that its manifest has: ${message}`);
    return [{ ...found, Repair: repair ? 'not repaired: pull it again' : '' }];
  }
  const needed = neededOf(image, actual);
  const missing = missingIn(image, needed);
  if (missing === undefined || context.catalog.image(image.id) === undefined) return [];
  const found = problem(`image ${image.id}`, `it does not name ${missing}, which its manifest has`);
  if (!repair) return [found];
  try {
    const { variants, blobs } = needed;
    const others = image.blobs.filter(({ digest }) => !blobs.some((blob) => blob.digest === digest));
    await context.catalog.exclusive((commit) =>
      commit({ putImages: [{ ...image, variants, blobs: [...others, ...blobs] }] }),
    );
    return [{ ...found, Repaired: true, Repair: 'written anew from its manifests' }];
  } catch (error) {
    return [{ ...found, Repair: `not repaired: ${messageOf(error)}` }];
  }
}

/** What the manifests that the record names have; the store may have others of the index through other images. */
function neededOf(image: StoredImage, actual: CompleteImage): Pick<CompleteImage, 'variants' | 'blobs'> {
  const named = new Set(image.variants.map(({ manifest }) => manifest.digest));
  const variants = actual.variants.filter(({ manifest }) => named.size === 0 || named.has(manifest.digest));
  const blobs = variants.flatMap(({ manifest, config, layers }) => [
    manifest,
    config,
    ...layers.map(({ blob }) => blob),
  ]);
  return { variants, blobs: [actual.target, ...blobs] };
}

function missingIn(image: StoredImage, needed: Pick<CompleteImage, 'variants' | 'blobs'>): string | undefined {
  const blobs = new Set(image.blobs.map(({ digest }) => digest));
  const blob = needed.blobs.find(({ digest }) => !blobs.has(digest));
  if (blob !== undefined) return `blob ${blob.digest}`;
  const layersOf = ({ variants }: Pick<StoredImage, 'variants'>): string[] =>
    variants.flatMap(({ manifest, layers }) =>
      layers.map(({ diffId }, at) => `layer ${diffId} as ${at} of ${manifest.digest}`),
    );
  const layers = new Set(layersOf(image));
  return layersOf(needed).find((layer) => !layers.has(layer));
}
