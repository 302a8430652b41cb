import type { ContentOperation } from './content.ts';
import type { ImageContext } from './context.ts';
import type { StoredImage } from './records.ts';

/** Ends an operation that only read `images`: what was removed meanwhile was held by it alone, and goes now. */
export async function endReading(
  { catalog, content }: ImageContext,
  operation: ContentOperation,
  images: Iterable<StoredImage>,
): Promise<void> {
  operation.end();
  for (const { id } of images) if (catalog.image(id) === undefined) return content.collect();
}
