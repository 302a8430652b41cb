import { EngineError, invalid, notFound } from '../base/errors.ts';
import type { AttestationStatement } from '../spec/engine/image.ts';
import type { Descriptor, Platform } from '../spec/oci/image.ts';
import { isIndexType } from '../spec/oci/manifest.ts';
import { bestForPlatform, formatPlatform, parsePlatform } from '../spec/oci/platform.ts';
import type { ImageContext } from './context.ts';
import { reachableManifests } from './manifests.ts';
import { findImage } from './resolve.ts';
import { attestedDigest, attestationKind, isAttestation, predicateAnnotation } from './variant.ts';

export interface AttestationOptions {
  /** Whose attestations; the host's by default. */
  readonly platform?: string;
  /** Only statements of these in-toto predicate types; all when it is empty. */
  readonly types: readonly string[];
  /** With what the statements say. */
  readonly statement: boolean;
}

/** Bytes of a statement that is shown. */
const largestStatement = 4 * 1024 * 1024;

/**
 * What in-toto statements an index has about one of its platforms (BuildKit, `attestation-storage.md`). Nothing is verified:
 * who signed them is another question.
 * @throws EngineError not-found for a platform that the image has not got, or statements that were not brought here
 */
export async function imageAttestations(
  context: ImageContext,
  nameOrId: string,
  options: AttestationOptions,
): Promise<AttestationStatement[]> {
  const { image } = findImage(context.catalog, nameOrId);
  if (!isIndexType(image.target.mediaType)) return [];
  const wanted = options.platform === undefined ? context.host : parsePlatform(options.platform, context.host);
  const manifests = await reachableManifests(context, image);
  const images = manifests.filter(({ descriptor }) => !isAttestation(descriptor));
  const chosen = bestForPlatform(
    wanted,
    images,
    ({ descriptor, variant }): Platform | undefined => descriptor.platform ?? variant?.platform,
  );
  if (chosen === undefined) {
    throw notFound(
      `image with reference ${nameOrId} was found but does not provide the specified platform (${formatPlatform(wanted)})`,
    );
  }
  const attestation = manifests.find(
    ({ descriptor }) =>
      attestationKind(descriptor) === 'attestation-manifest' && attestedDigest(descriptor) === chosen.descriptor.digest,
  );
  if (attestation === undefined) return [];
  if (attestation.manifest === undefined) throw isElsewhere('attestation manifest', attestation.descriptor);
  const statements: AttestationStatement[] = [];
  for (const layer of attestation.manifest.layers) {
    const type = layer.annotations?.[predicateAnnotation] ?? '';
    if (type === '' || (options.types.length > 0 && !options.types.includes(type))) continue;
    const said = options.statement ? { Statement: await readStatement(context, layer) } : {};
    statements.push({ Descriptor: layer, PredicateType: type, ...said });
  }
  return statements;
}

const isElsewhere = (what: string, { digest }: Descriptor): EngineError =>
  notFound(`${what} ${digest} is not available locally`);

async function readStatement({ content }: ImageContext, layer: Descriptor): Promise<unknown> {
  if (layer.size > largestStatement) {
    throw invalid(`attestation statement ${layer.digest} is larger than the ${largestStatement} bytes that are shown`);
  }
  const bytes = await content.readBlob(layer.digest, largestStatement).catch((error: unknown) => {
    throw error instanceof EngineError && error.code === 'not-found'
      ? isElsewhere('attestation statement', layer)
      : error;
  });
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new EngineError('corrupt', `attestation statement ${layer.digest} is no JSON`, { cause: error });
  }
}
