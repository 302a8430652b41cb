import { formatReference, parseReference, type Reference, sameRepository } from '../spec/reference/reference.ts';

/**
 * What a signature must say that it is for (`signedIdentity` of containers-policy.json(5)). `matchDigest` is an addition:
 * the digest alone counts, wherever the image was signed.
 */
export type SignedIdentity =
  | { readonly type: 'matchExact' | 'matchRepoDigestOrExact' | 'matchRepository' | 'matchDigest' }
  | { readonly type: 'exactReference'; readonly reference: Reference }
  | { readonly type: 'exactRepository'; readonly reference: Reference }
  | { readonly type: 'remapIdentity'; readonly prefix: string; readonly signedPrefix: string };

const isNameOnly = ({ tag, digest }: Reference): boolean => tag === undefined && digest === undefined;
const isSame = (a: Reference, b: Reference): boolean => formatReference(a) === formatReference(b);

/**
 * Whether a signature for `signed` counts for an image that was asked for as `intended`; either is undefined where there
 * is none: a signature can name no repository, an archive has no name that could be trusted.
 */
export function acceptsIdentity(
  identity: SignedIdentity,
  intended: Reference | undefined,
  signed: Reference | undefined,
): boolean {
  if (identity.type === 'matchDigest') return true;
  if (signed === undefined) return false;
  switch (identity.type) {
    case 'exactReference':
      return !isNameOnly(signed) && isSame(identity.reference, signed);
    case 'exactRepository':
      return sameRepository(identity.reference, signed);
    case 'matchRepository':
      return intended !== undefined && sameRepository(intended, signed);
    case 'matchExact':
      return intended !== undefined && !isNameOnly(intended) && isSame(intended, signed);
    case 'matchRepoDigestOrExact':
      return intended !== undefined && repoDigestOrExact(intended, signed);
    case 'remapIdentity':
      return intended !== undefined && remappedMatches(identity, intended, signed);
  }
}

/** By tag only the same tag counts; by digest the repository is enough, for the digest is compared anyway. */
function repoDigestOrExact(intended: Reference, signed: Reference): boolean {
  if (isNameOnly(signed)) return false;
  if (intended.tag !== undefined) return isSame(intended, signed);
  return intended.digest !== undefined && sameRepository(intended, signed);
}

function remappedMatches(
  { prefix, signedPrefix }: { readonly prefix: string; readonly signedPrefix: string },
  intended: Reference,
  signed: Reference,
): boolean {
  const name = formatReference(intended);
  const repository = `${intended.domain}/${intended.path}`;
  if (repository !== prefix && !repository.startsWith(`${prefix}/`)) return repoDigestOrExact(intended, signed);
  const remapped = tryReference(signedPrefix + name.slice(prefix.length));
  return remapped !== undefined && repoDigestOrExact(remapped, signed);
}

/** What a signature says that it is for; undefined when that is no name of an image. */
export function tryReference(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}

/** In words, for people who read why an image was refused. */
export function identityText(identity: SignedIdentity): string {
  switch (identity.type) {
    case 'exactReference':
    case 'exactRepository':
      return `${identity.type} ${formatReference(identity.reference)}`;
    case 'remapIdentity':
      return `${identity.type} ${identity.prefix} -> ${identity.signedPrefix}`;
    default:
      return identity.type;
  }
}
