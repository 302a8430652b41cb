import { invalid } from './errors.ts';

/** A string that only its own parser makes: `Brand<'Digest'>` is not assignable from a plain string. */
export type Brand<Name extends string> = string & { readonly __brand: Name };

/** `sha256:` and 64 lower-case hex digits (OCI image-spec, descriptor, "digests"); no other algorithm is stored. */
export type Digest = Brand<'Digest'>;
/** The digest of a layer's uncompressed tar stream (OCI image-spec, config, `rootfs.diff_ids`). */
export type DiffId = Digest & { readonly __diff: true };
/** 64 lower-case hex digits. */
export type ContainerId = Brand<'ContainerId'>;
export type ExecId = Brand<'ExecId'>;
export type NetworkId = Brand<'NetworkId'>;
export type EndpointId = Brand<'EndpointId'>;

const isLowerHex = (text: string, from: number): boolean => {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (!((code >= 48 && code <= 57) || (code >= 97 && code <= 102))) return false;
  }
  return true;
};

/** True for exactly 64 lower-case hex digits. */
export const isHex64 = (text: string): boolean => text.length === 64 && isLowerHex(text, 0);

/** The digest in `text`, or undefined when it is not a sha256 digest in canonical form. */
export function tryDigest(text: string): Digest | undefined {
  return text.length === 71 && text.startsWith('sha256:') && isLowerHex(text, 7) ? (text as Digest) : undefined;
}

/** @throws EngineError `invalid`, naming `what`, when `text` is not a canonical sha256 digest. */
export function parseDigest(text: string, what = 'digest'): Digest {
  const digest = tryDigest(text);
  if (digest === undefined) {
    throw invalid(
      `invalid ${what} ${JSON.stringify(text.slice(0, 100))}: expected sha256: and 64 lower-case hex digits`,
    );
  }
  return digest;
}

export const parseDiffId = (text: string): DiffId => parseDigest(text, 'diff ID') as DiffId;
/** For digests that the engine computed itself from 32 hash bytes in hex. */
export const digestOfHex = (hex: string): Digest => parseDigest(`sha256:${hex}`);
/** The 64 hex digits of a digest: a safe file name. */
export const hexOf = (digest: Digest): string => digest.slice(7);

/** 32 random bytes as 64 hex digits, the form of container, exec and network ids. */
export function randomHex64(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return bytes.toHex();
}

export const newContainerId = (): ContainerId => randomHex64() as ContainerId;
export const newExecId = (): ExecId => randomHex64() as ExecId;
export const newNetworkId = (): NetworkId => randomHex64() as NetworkId;
export const newEndpointId = (): EndpointId => randomHex64() as EndpointId;
