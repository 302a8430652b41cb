import { decompress } from '../archive/compress/decompress.ts';
import { detectIn } from '../archive/compress/detect.ts';
import { EngineError } from '../base/errors.ts';
import type { ByteStream } from '../base/stream.ts';
import type { ContentOperation } from './content.ts';

/** The bytes of a layer's blob, and how they are compressed. */
export interface LayerBytes {
  readonly compression: 'none' | 'gzip' | 'zstd';
  readonly bytes: ByteStream;
  /** Whether they are those of the archive; their number is not known otherwise. */
  readonly unchanged: boolean;
}

/**
 * The bytes that become a layer's blob: those of the archive, but for bzip2 and xz, which no specification of images
 * knows: other engines would not take such a layer, so it is kept uncompressed.
 */
export async function asLayer(
  content: ContentOperation,
  archive: ByteStream,
  what: string,
  signal: AbortSignal,
): Promise<LayerBytes> {
  const { compression, whole } = await detectIn(archive);
  if (compression !== 'bzip2' && compression !== 'xz') return { compression, bytes: whole, unchanged: true };
  const bytes = decompress(whole, { maxBytes: Number.MAX_SAFE_INTEGER, what, signal });
  return { compression: 'none', bytes: fitting(bytes, await content.room(), what), unchanged: false };
}

/** A few bytes can become more than any disk has: this ends before everybody else's writes fail. */
async function* fitting(bytes: ByteStream, room: number, what: string): ByteStream {
  let left = room;
  for await (const chunk of bytes) {
    left -= chunk.length;
    if (left < 0) {
      throw new EngineError(
        'no-space',
        `no space left on device: ${what} is larger than the ${room} bytes that are free`,
      );
    }
    yield chunk;
  }
}
