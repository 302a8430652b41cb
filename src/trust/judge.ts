import { messageOf } from '../base/errors.ts';
import type {
  ImageOrigin,
  ImageSignature,
  RequirementVerdict,
  SignatureClaims,
  SignedImage,
  TrustPolicy,
  TrustVerdict,
} from '../spec/contract/trust.ts';
import { claimsOf, signedBytes } from './claims.ts';
import { acceptsIdentity, identityText, type SignedIdentity } from './identity.ts';
import { isSignedBy, type TrustKey } from './key.ts';
import type { PolicyTable, Requirement, Requirements } from './policy.ts';
import { scopesOf } from './scope.ts';

/** Without a file everything is accepted. */
export const acceptAll = (): TrustPolicy =>
  policyOf({ default: [{ type: 'insecureAcceptAnything' }], transports: new Map() }, '');

/** The policy of a table that was read from the file `source`. */
export function policyOf(table: PolicyTable, source: string): TrustPolicy {
  const keys = keysOf(table);
  return {
    source,
    describe: (signature) => describeSignature(signature, keys),
    wantedFormats: (origin) => wantedFormats(requirementsFor(table, origin).requirements),
    async judge(origin, image): Promise<TrustVerdict> {
      const { scope, requirements } = requirementsFor(table, origin);
      const verdicts: RequirementVerdict[] = [];
      for (const requirement of requirements) verdicts.push(await judgeRequirement(requirement, origin, image));
      return { scope, requirements: verdicts, accepted: verdicts.every(({ satisfied }) => satisfied) };
    },
  };
}

/** A bundle names no repository: it is worth asking for only where none is wanted. */
function wantedFormats(requirements: Requirements): readonly ImageSignature['format'][] {
  const signed = requirements.filter((requirement) => requirement.type === 'sigstoreSigned');
  if (signed.length === 0) return [];
  return signed.some(({ identity }) => identity.type === 'matchDigest') ? ['cosign', 'bundle'] : ['cosign'];
}

const keysOf = ({ default: general, transports }: PolicyTable): TrustKey[] =>
  [general, ...[...transports.values()].flatMap((scopes) => [...scopes.values()])]
    .flat()
    .flatMap((requirement) => (requirement.type === 'sigstoreSigned' ? requirement.keys : []));

async function describeSignature(signature: ImageSignature, keys: readonly TrustKey[]): Promise<SignatureClaims> {
  const by = (await signerOf(signature, keys))?.name ?? '';
  try {
    const { digests, identity = '' } = claimsOf(signature);
    return { digests, identity, by };
  } catch {
    return { digests: [], identity: '', by };
  }
}

/** Only the most specific scope counts; others are not even looked at. */
function requirementsFor(table: PolicyTable, origin: ImageOrigin): { scope: string; requirements: Requirements } {
  const scopes = table.transports.get(origin.transport);
  for (const scope of scopes === undefined ? [] : scopesOf(origin)) {
    const requirements = scopes?.get(scope);
    if (requirements !== undefined) {
      return { scope: `transports.${origin.transport}[${JSON.stringify(scope)}]`, requirements };
    }
  }
  return { scope: 'default', requirements: table.default };
}

async function judgeRequirement(
  requirement: Requirement,
  origin: ImageOrigin,
  image: SignedImage,
): Promise<RequirementVerdict> {
  const { type } = requirement;
  if (type === 'insecureAcceptAnything') {
    return { type, keys: [], identity: '', satisfied: true, reason: 'any image is accepted' };
  }
  if (type === 'reject') return { type, keys: [], identity: '', satisfied: false, reason: 'all images are rejected' };
  const { keys, identity } = requirement;
  const shown = { type, keys: keys.map(({ name }) => name), identity: identityText(identity) };
  const reasons = new Set<string>();
  for (const signature of image.signatures) {
    const found = await judgeSignature(signature, keys, identity, { origin, image });
    if (found.accepted) return { ...shown, satisfied: true, reason: `signed by ${found.by}` };
    reasons.add(found.reason);
  }
  return { ...shown, satisfied: false, reason: summary([...reasons]) };
}

function summary(reasons: readonly string[]): string {
  if (reasons.length === 0) return 'it has no signature';
  const [first = '', ...more] = reasons;
  if (more.length === 0) return first;
  const shown = reasons.slice(0, 3).join('; ');
  return `none of its signatures counts: ${shown}${reasons.length > 3 ? `; and ${reasons.length - 3} more` : ''}`;
}

type SignatureVerdict =
  | { readonly accepted: true; readonly by: string }
  | { readonly accepted: false; readonly reason: string };

/** Nothing of the payload is read before a key of the policy stands behind it. */
async function judgeSignature(
  signature: ImageSignature,
  keys: readonly TrustKey[],
  identity: SignedIdentity,
  { origin, image }: { readonly origin: ImageOrigin; readonly image: SignedImage },
): Promise<SignatureVerdict> {
  const key = await signerOf(signature, keys);
  if (key === undefined) return { accepted: false, reason: 'a signature was not made by a wanted key' };
  try {
    const claims = claimsOf(signature);
    if (!claims.digests.some((digest) => image.digests.includes(digest))) {
      return { accepted: false, reason: `a signature is for another image, ${claims.digests[0] ?? 'none at all'}` };
    }
    const intended = origin.transport === 'docker' ? origin.reference : undefined;
    if (acceptsIdentity(identity, intended, claims.reference)) return { accepted: true, by: key.name };
    const said = claims.identity === undefined ? 'no name' : JSON.stringify(claims.identity.slice(0, 300));
    return { accepted: false, reason: `a signature is for ${said}, which ${identityText(identity)} does not accept` };
  } catch (error) {
    return { accepted: false, reason: `a signature cannot be understood: ${messageOf(error)}` };
  }
}

async function signerOf(signature: ImageSignature, keys: readonly TrustKey[]): Promise<TrustKey | undefined> {
  const bytes = signedBytes(signature);
  const made = Buffer.from(signature.signature, 'base64');
  for (const key of keys) if (await isSignedBy(key, bytes, made)) return key;
  return undefined;
}
