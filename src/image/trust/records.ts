import type { ImageOrigin, ImageSignature } from '../../spec/contract/trust.ts';
import { objectOf, requiredString } from '../../spec/oci/json.ts';
import { formatReference, parseReference } from '../../spec/reference/reference.ts';

/** Ways that an image is remembered to have come by; with the oldest forgotten an image is pulled again to be trusted. */
const mostOrigins = 64;
const mostSignatures = 200;
/** Characters of all of them. */
const longestSignatures = 512 * 1024;

/** The origins of an image that comes once more: each is there once, the last one last. */
export function withOrigin(before: readonly ImageOrigin[], added: ImageOrigin): ImageOrigin[] {
  const key = encodeOrigin(added);
  return [...before.filter((origin) => encodeOrigin(origin) !== key), added].slice(-mostOrigins);
}

const lengthOf = ({ payload, signature }: ImageSignature): number => payload.length + signature.length;

/** The signatures of an image that comes once more: each is there once, and the oldest go when they are too many. */
export function withSignatures(
  before: readonly ImageSignature[],
  added: readonly ImageSignature[],
): readonly ImageSignature[] {
  if (added.length === 0) return before;
  const byText = new Map<string, ImageSignature>();
  for (const signature of [...before, ...added]) {
    const key = `${signature.format} ${signature.payload} ${signature.signature}`;
    byText.delete(key);
    byText.set(key, signature);
  }
  const all = [...byText.values()].slice(-mostSignatures);
  let length = all.reduce((sum, signature) => sum + lengthOf(signature), 0);
  while (length > longestSignatures) length -= lengthOf(all.shift() as ImageSignature);
  return all;
}

const transports = ['docker-archive', 'oci-archive', 'tarball', 'local', 'unknown'] as const;

/** `docker REFERENCE`, or the transport alone. */
export const encodeOrigin = (origin: ImageOrigin): string =>
  origin.transport === 'docker' ? `docker ${formatReference(origin.reference)}` : origin.transport;

/** @throws EngineError when the value is no origin */
export function decodeOrigin(value: unknown, what: string): ImageOrigin {
  const text = requiredString(value, what);
  if (text.startsWith('docker ')) return { transport: 'docker', reference: parseReference(text.slice(7)) };
  return { transport: transports.find((transport) => transport === text) ?? 'unknown' };
}

/** @throws EngineError when the value is no signature */
export function decodeSignature(value: unknown, what: string): ImageSignature {
  const json = objectOf(value, what);
  return {
    format: json['format'] === 'bundle' ? 'bundle' : 'cosign',
    payload: requiredString(json['payload'], `${what}.payload`),
    signature: requiredString(json['signature'], `${what}.signature`),
  };
}
