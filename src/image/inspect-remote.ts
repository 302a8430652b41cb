import { EngineError } from '../base/errors.ts';
import { readAll } from '../base/stream.ts';
import type { RemoteRepository } from '../registry/client/client.ts';
import type { DistributionInspect } from '../spec/engine/image.ts';
import { parseImageConfig } from '../spec/oci/config.ts';
import type { Descriptor, ImageManifest, Platform } from '../spec/oci/image.ts';
import { largestDocument } from '../spec/oci/json.ts';
import { familiarReference, type Reference, withDefaultTag } from '../spec/reference/reference.ts';
import { describeBytes } from './document.ts';
import type { OpenRepository } from './pull.ts';
import { readDocument } from './pull-documents.ts';
import { imageConfigTypes, isAttestation } from './variant.ts';

/** What a registry has under a name: digest and platforms; nothing is stored. @throws EngineError as a pull does */
export async function inspectRemote(
  open: OpenRepository,
  reference: Reference,
  signal: AbortSignal,
): Promise<DistributionInspect> {
  const wanted = reference.digest === undefined ? withDefaultTag(reference) : reference;
  const remote = open(wanted);
  const { descriptor, bytes } = await remote.manifest(wanted, signal);
  const document = readDocument(bytes, descriptor.mediaType, familiarReference(wanted));
  const { digest, size } = descriptor;
  const platforms =
    document.kind === 'index'
      ? document.index.manifests.filter((entry) => !isAttestation(entry)).flatMap(({ platform }) => platform ?? [])
      : await platformsOf(remote, document.manifest, signal);
  return { Descriptor: { mediaType: document.mediaType, digest, size }, Platforms: platforms };
}

/** Of a single manifest, as its configuration says; an artifact has none. */
async function platformsOf(
  remote: RemoteRepository,
  manifest: ImageManifest,
  signal: AbortSignal,
): Promise<Platform[]> {
  const { config } = manifest;
  if (!imageConfigTypes.includes(config.mediaType)) return [];
  const { os, architecture, variant } = parseImageConfig(await configBytes(remote, config, signal));
  return [{ architecture, os, ...(variant === undefined ? {} : { variant }) }];
}

async function configBytes(remote: RemoteRepository, config: Descriptor, signal: AbortSignal): Promise<Uint8Array> {
  const bytes = await readAll(remote.blob(config, { signal }), largestDocument, 'image config');
  if (describeBytes(config.mediaType, bytes).digest === config.digest) return bytes;
  throw new EngineError('corrupt', `image config verification failed for digest ${config.digest}`);
}
