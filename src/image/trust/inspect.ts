import type { Digest } from '../../base/ids.ts';
import type { ImageOrigin, ImageSignature, TrustVerdict } from '../../spec/contract/trust.ts';
import type { ImageTrustInspect, TrustOriginView, TrustSignatureView } from '../../spec/engine/trust.ts';
import { familiarReference, formatReference, withDefaultTag } from '../../spec/reference/reference.ts';
import type { ImageContext } from '../context.ts';
import { nameToPull, type OpenRepository } from '../pull.ts';
import { chooseManifest, readDocument } from '../pull-documents.ts';
import { chooseVariant, findImage } from '../resolve.ts';
import { fetchFormat, originsOf } from './admit.ts';

/** What the policy says of a stored image, with the signatures that were kept. @throws EngineError not-found, invalid */
export async function inspectTrust(context: ImageContext, nameOrId: string): Promise<ImageTrustInspect> {
  const { image } = findImage(context.catalog, nameOrId);
  const variant = chooseVariant(image, context.host, undefined, nameOrId);
  const manifest = variant.manifest.digest;
  const view = await judged(context, originsOf(context, image), [image.id, manifest], image.signatures);
  const accepted = view.Origins.map(({ Accepted }) => Accepted);
  // As `admitUse` decides: where the ways are only guessed, all must be good.
  const isAccepted = image.origins.length === 0 ? accepted.every(Boolean) : accepted.some(Boolean);
  return { Id: image.id, Manifest: manifest, Accepted: isAccepted, ...view };
}

/** What a pull would be told, with all signatures that the registry has; nothing is stored. @throws EngineError as a pull */
export async function inspectRemoteTrust(
  context: ImageContext,
  open: OpenRepository,
  name: string,
  signal: AbortSignal,
): Promise<ImageTrustInspect> {
  const wanted = withDefaultTag(nameToPull(name, undefined));
  const remote = open(wanted);
  const { descriptor, bytes } = await remote.manifest(wanted, signal);
  const document = readDocument(bytes, descriptor.mediaType, familiarReference(wanted));
  const id = descriptor.digest;
  const manifest = document.kind === 'manifest' ? id : chooseManifest(document.index, context.host).digest;
  const signatures: ImageSignature[] = [];
  for (const digest of new Set([id, manifest])) {
    for (const fetch of Object.values(fetchFormat)) {
      signatures.push(...(await fetch({ remote, repository: wanted, signal }, digest)));
    }
  }
  const view = await judged(context, [{ transport: 'docker', reference: wanted }], [id, manifest], signatures);
  return { Id: id, Manifest: manifest, Accepted: view.Origins.every(({ Accepted }) => Accepted), ...view };
}

async function judged(
  { trust }: ImageContext,
  origins: readonly ImageOrigin[],
  digests: readonly Digest[],
  signatures: readonly ImageSignature[],
): Promise<Pick<ImageTrustInspect, 'Policy' | 'Origins' | 'Signatures'>> {
  const policy = trust();
  const views: TrustOriginView[] = [];
  for (const origin of origins) views.push(originView(origin, await policy.judge(origin, { digests, signatures })));
  const shown: TrustSignatureView[] = [];
  for (const signature of signatures) {
    const { digests: signed, identity, by } = await policy.describe(signature);
    shown.push({ Format: signature.format, Digests: [...signed], Identity: identity, SignedBy: by });
  }
  return { Policy: policy.source, Origins: views, Signatures: shown };
}

const originView = (origin: ImageOrigin, { scope, accepted, requirements }: TrustVerdict): TrustOriginView => ({
  Transport: origin.transport,
  Reference: origin.transport === 'docker' ? formatReference(origin.reference) : '',
  Scope: scope,
  Accepted: accepted,
  Requirements: requirements.map(({ type, keys, identity, satisfied, reason }) => ({
    Type: type,
    Keys: [...keys],
    Identity: identity,
    Satisfied: satisfied,
    Reason: reason,
  })),
});
