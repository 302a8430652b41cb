import type { Digest } from '../base/ids.ts';
import type { WantedBlob } from '../spec/decode/image-content.ts';
import type { ImageContent } from './content.ts';

/**
 * Which of these blobs are not in the store, or have another size there. Nothing is held: what is there now may be gone
 * when the rest comes, and then a load says what it misses.
 */
export async function missingContent(content: ImageContent, blobs: readonly WantedBlob[]): Promise<Digest[]> {
  const operation = content.begin();
  try {
    const missing = new Set<Digest>();
    for (const { digest, size } of blobs) {
      if ((await operation.blobSize(digest)) !== size) missing.add(digest);
    }
    return [...missing];
  } finally {
    operation.end();
  }
}
