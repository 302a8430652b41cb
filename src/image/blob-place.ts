import { afterBytes } from '../base/stream.ts';
import type { RegistryClient } from '../registry/client/client.ts';
import type { RegistryCredentials } from '../registry/client/token.ts';
import type { BlobPlace } from '../spec/contract/build.ts';
import { type Reference, repositoryOf } from '../spec/reference/reference.ts';

/** What a tag of a repository means, as builds read and write their caches. */
export function blobPlace(
  registry: RegistryClient,
  reference: Reference,
  credentials: RegistryCredentials | undefined,
): BlobPlace {
  const repository = repositoryOf(reference);
  const source = registry.repository(repository, credentials);
  const target = registry.pushTarget(repository, credentials);
  return {
    async manifest(digest, signal) {
      const wanted = digest === undefined ? reference : { ...repository, digest };
      return (await source.manifest(wanted, signal)).bytes;
    },
    blob: (descriptor, signal) => source.blob(descriptor, { signal }),
    async put(descriptor, open, signal) {
      await target.blob(descriptor, { open: (from) => afterBytes(open(), from), signal });
    },
    putManifest: (descriptor, bytes, signal, { byDigest = false } = { byDigest: false }) =>
      target.manifest(descriptor, {
        bytes,
        signal,
        ...(reference.tag === undefined || byDigest ? {} : { tag: reference.tag }),
      }),
  };
}
