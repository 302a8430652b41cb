import { codeOf, EngineError } from '../../base/errors.ts';
import type { BlobOptions } from './_fetch-blob.ts';
import type { RemoteRepository } from './client.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { Descriptor } from '../../spec/oci/image.ts';

/**
 * One repository at several places, the best first: what one of them has not got, or sends wrong, comes from the next.
 * The last one is the registry itself, and its error is what the user sees.
 */
export function firstOf(places: readonly RemoteRepository[]): RemoteRepository {
  const first = async <T>(ask: (place: RemoteRepository) => Promise<T>): Promise<T> => {
    for (const place of places.slice(0, -1)) {
      try {
        return await ask(place);
      } catch (error) {
        if (isFinal(error)) throw error;
      }
    }
    return ask(lastOf(places));
  };
  return {
    manifest: (reference, signal) => first((place) => place.manifest(reference, signal)),
    tags: (signal) => first((place) => place.tags(signal)),
    blob: (descriptor, options) => blobOfFirst(places, descriptor, options),
  };
}

/** Goes on at the next place with the byte at which the one before it broke. */
async function* blobOfFirst(
  places: readonly RemoteRepository[],
  descriptor: Descriptor,
  options: BlobOptions,
): ByteStream {
  let at = options.from ?? 0;
  for (const place of places) {
    try {
      for await (const chunk of place.blob(descriptor, { ...options, from: at })) {
        at += chunk.length;
        yield chunk;
      }
      return;
    } catch (error) {
      if (isFinal(error) || place === lastOf(places)) throw error;
    }
  }
}

const lastOf = (places: readonly RemoteRepository[]): RemoteRepository => places.at(-1) as RemoteRepository;

/** Cancelled, or no word of a registry at all. */
const isFinal = (error: unknown): boolean => !(error instanceof EngineError) || codeOf(error) === 'cancelled';
