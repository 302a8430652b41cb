import type { Descriptor } from '../../spec/oci/image.ts';
import { acceptedManifestTypes } from '../../spec/oci/manifest.ts';
import type { Reference } from '../../spec/reference/reference.ts';
import { persistently, type Retry } from './_retry.ts';
import type { RegistrySession } from './_session.ts';
import { checkStored, pushFailure } from './_stored.ts';
import { BlobUpload, type PushBlobOptions, type PushedBlob } from './_upload.ts';

/** One repository of a registry, for writing (OCI distribution-spec, "push"). */
export interface PushTarget {
  /**
   * Brings a blob there unless the registry has it. What breaks is tried again, and goes on where the registry says
   * that it has arrived. @throws EngineError in Docker's words
   */
  blob(descriptor: Descriptor, options: PushBlobOptions): Promise<PushedBlob>;
  /**
   * Stores a manifest or index under `tag`, else under its digest alone. One that the registry has by digest already
   * is not sent again without a tag. @throws EngineError
   */
  manifest(
    descriptor: Descriptor,
    options: { readonly bytes: Uint8Array; readonly tag?: string; readonly signal: AbortSignal },
  ): Promise<void>;
}

/** `session` must have been opened for pushing. */
export const pushTargetOf = (session: RegistrySession, reference: Reference, retry: Retry): PushTarget => ({
  blob: (descriptor, options) => new BlobUpload(session, reference, descriptor, options).run(retry),
  async manifest(descriptor, { bytes, tag, signal }) {
    await persistently(retry, signal, () => putManifest(session, reference, descriptor, { bytes, tag, signal }));
  },
});

async function putManifest(
  session: RegistrySession,
  reference: Reference,
  { digest, mediaType }: Descriptor,
  { bytes, tag, signal }: { bytes: Uint8Array; tag: string | undefined; signal: AbortSignal },
): Promise<void> {
  const target = `manifests/${tag ?? digest}`;
  if (tag === undefined) {
    const headers = { accept: acceptedManifestTypes.join(', ') };
    const known = await session.send({ method: 'HEAD', target, headers, signal });
    known.discard();
    if (known.status === 200) return;
  }
  const body = { length: bytes.length, open: () => [bytes] };
  const response = await session.send({
    method: 'PUT',
    target,
    headers: { 'content-type': mediaType },
    body,
    signal,
  });
  if (response.status !== 201 && response.status !== 200) throw await pushFailure(response, reference);
  response.discard();
  checkStored(response, digest);
}
