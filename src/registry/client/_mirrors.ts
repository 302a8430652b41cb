import { codeOf, EngineError } from '../../base/errors.ts';
import type { BlobOptions } from './_fetch-blob.ts';
import type { RemoteRepository } from './client.ts';
import type { Capability } from './hosts-file.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { Descriptor } from '../../spec/oci/image.ts';

/** A repository at one place. */
export interface Source {
  readonly remote: RemoteRepository;
  readonly capabilities: ReadonlySet<Capability>;
}

/**
 * One repository at several places, the best first: what one of them has not got, or sends wrong, comes from the next.
 * The last one is the registry itself, and its error is what the user sees. What a tag means is asked only where that
 * may be known. `open` is called at each use. @throws what `open` throws; not-found when no place may be asked
 */
export function firstOf(open: () => Promise<readonly Source[]>): RemoteRepository {
  const able = async (need: Capability, what: string): Promise<[RemoteRepository, ...RemoteRepository[]]> => {
    const [one, ...others] = (await open()).filter(({ capabilities }) => capabilities.has(need));
    if (one !== undefined) return [one.remote, ...others.map(({ remote }) => remote)];
    throw new EngineError(
      'not-found',
      `no place of the registry may be asked for ${what}: none has the capability ${need}`,
    );
  };
  const first = async <T>(need: Capability, what: string, ask: (place: RemoteRepository) => Promise<T>): Promise<T> => {
    const places = await able(need, what);
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
    manifest: (reference, signal) =>
      first(reference.digest === undefined ? 'resolve' : 'pull', 'manifests', (place) =>
        place.manifest(reference, signal),
      ),
    tags: (signal) => first('resolve', 'tags', (place) => place.tags(signal)),
    referrers: (digest, artifactType, signal) =>
      first('resolve', 'referrers', (place) => place.referrers(digest, artifactType, signal)),
    async *blob(descriptor, options) {
      yield* blobOfFirst(await able('pull', 'blobs'), descriptor, options);
    },
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
