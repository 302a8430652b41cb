import { EngineError } from '../../base/errors.ts';
import type { Digest } from '../../base/ids.ts';
import type { ImageOrigin, ImageSignature, TrustPolicy, TrustVerdict } from '../../spec/contract/trust.ts';
import { familiarReference, type Reference } from '../../spec/reference/reference.ts';
import type { ImageContext } from '../context.ts';
import type { StoredImage } from '../records.ts';
import { fetchBundles } from './fetch-bundles.ts';
import { fetchSignatures, type SignatureSource } from './fetch-signatures.ts';

/** How signatures of each format are asked for. */
export const fetchFormat = { cosign: fetchSignatures, bundle: fetchBundles };

/**
 * Whether images from there may come in at all, before anything of them is asked for. Where signatures of a registry
 * decide, nothing is said yet. @throws EngineError `forbidden`
 */
export async function admitOrigin({ trust }: ImageContext, origin: ImageOrigin, shown: string): Promise<void> {
  const policy = trust();
  if (origin.transport === 'docker' && policy.wantedFormats(origin).length > 0) return;
  const verdict = await policy.judge(origin, { digests: [], signatures: [] });
  if (!verdict.accepted) throw refused(shown, policy, verdict);
}

/**
 * Whether an image of a registry may come in: its signatures are fetched where the policy wants some, first those of the
 * index, then those of the manifest. Gives what is to be kept of them, so that later uses need no network.
 * @throws EngineError `forbidden`; else as for any document of a registry
 */
export async function admitPull(
  { trust }: ImageContext,
  reference: Reference,
  digests: readonly Digest[],
  source: SignatureSource,
): Promise<readonly ImageSignature[]> {
  const policy = trust();
  const origin = { transport: 'docker', reference } as const;
  const formats = policy.wantedFormats(origin);
  if (formats.length === 0) return [];
  const signatures: ImageSignature[] = [];
  let verdict: TrustVerdict | undefined;
  for (const digest of new Set(digests)) {
    for (const format of formats) {
      signatures.push(...(await fetchFormat[format](source, digest)));
      verdict = await policy.judge(origin, { digests, signatures });
      if (verdict.accepted) return signatures;
    }
  }
  throw refused(familiarReference(reference), policy, verdict);
}

/**
 * Whether an archive may name an image: signatures can only be known from a registry that had the same one.
 * @throws EngineError `forbidden`
 */
export async function admitLoad({ trust, catalog }: ImageContext, origin: ImageOrigin, id: Digest): Promise<void> {
  const policy = trust();
  const signatures = catalog.image(id)?.signatures ?? [];
  const verdict = await policy.judge(origin, { digests: [id], signatures });
  if (!verdict.accepted) throw refused(id, policy, verdict);
}

/**
 * Whether a stored image may be used by the policy of now: one way that it came by, with the signatures that were kept,
 * must be good; where the ways are only guessed, all must. `manifest` is the one of it that counts. @throws EngineError `forbidden`, with what would mend it
 */
export async function admitUse(
  context: ImageContext,
  image: StoredImage,
  manifest: Digest,
  shown: string,
): Promise<void> {
  const policy = context.trust();
  const digests = [image.id, manifest];
  const isGuess = image.origins.length === 0;
  let bad: { origin: ImageOrigin; verdict: TrustVerdict } | undefined;
  for (const origin of originsOf(context, image)) {
    const verdict = await policy.judge(origin, { digests, signatures: image.signatures });
    if (verdict.accepted && !isGuess) return;
    if (!verdict.accepted) bad = { origin, verdict };
  }
  if (bad !== undefined) throw refused(shown, policy, bad.verdict, bad.origin);
}

/** Of an image from the time before origins were recorded its names are the best guess. */
export function originsOf({ catalog }: ImageContext, image: StoredImage): readonly ImageOrigin[] {
  if (image.origins.length > 0) return image.origins;
  const named = catalog.namesOf(image.id).map(({ reference }): ImageOrigin => ({ transport: 'docker', reference }));
  return named.length > 0 ? named : [{ transport: 'unknown' }];
}

function refused(
  shown: string,
  policy: TrustPolicy,
  verdict: TrustVerdict | undefined,
  origin?: ImageOrigin,
): EngineError {
  const unmet = verdict?.requirements.find(({ satisfied }) => !satisfied);
  const place = verdict === undefined ? policy.source : `${policy.source}, ${verdict.scope}`;
  const why = unmet === undefined ? 'nothing is known of it' : reasonOf(unmet);
  const mayMend = origin?.transport === 'docker' && policy.wantedFormats(origin).length > 0;
  const mend = mayMend ? `: "gantry pull ${familiarReference(origin.reference)}" looks for its signatures` : '';
  return new EngineError('forbidden', `image ${shown} is refused by the trust policy (${place}): ${why}${mend}`);
}

function reasonOf({ type, keys, identity, reason }: TrustVerdict['requirements'][number]): string {
  if (type !== 'sigstoreSigned') return reason;
  return `it must be signed by ${keys.join(' or ')} (${identity}), but ${reason}`;
}
