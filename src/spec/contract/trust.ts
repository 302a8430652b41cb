import type { Digest } from '../../base/ids.ts';
import type { Reference } from '../reference/reference.ts';

/**
 * Where an image came from, in the words of a policy: `docker` is a registry, `docker-archive` and `oci-archive` are
 * what `load` takes, `tarball` is an import, `local` what was made here (commit, build). `unknown` is an image that was
 * stored before origins were recorded.
 */
export type ImageOrigin =
  /** With the tag or the digest that was asked for. */
  | { readonly transport: 'docker'; readonly reference: Reference }
  | { readonly transport: 'docker-archive' | 'oci-archive' | 'tarball' | 'local' | 'unknown' };

/** A signature as a registry keeps it. Nobody has checked it, unless it says otherwise where it is handed on. */
export interface ImageSignature {
  /** `cosign`: the payload itself is signed. `bundle`: a DSSE envelope with an in-toto statement. */
  readonly format: 'cosign' | 'bundle';
  /** Base64 of the bytes that say which image is meant. */
  readonly payload: string;
  /** Base64, as a signer made it. */
  readonly signature: string;
}

/** The documents that stand for an image, and what signs them. */
export interface SignedImage {
  /** Of the manifest and, where the image came by one, of the index: a signature of either counts. */
  readonly digests: readonly Digest[];
  readonly signatures: readonly ImageSignature[];
}

/** One requirement of a policy, held against an image. */
export interface RequirementVerdict {
  readonly type: 'insecureAcceptAnything' | 'reject' | 'sigstoreSigned';
  /** Whose signature is wanted: the file that a key came from and its fingerprint. Empty where none is. */
  readonly keys: readonly string[];
  /** What the signature must say that it is for; empty where no signature is wanted. */
  readonly identity: string;
  readonly satisfied: boolean;
  /** Why not, or by which key. */
  readonly reason: string;
}

export interface TrustVerdict {
  /** The place in the policy that counts: `transports.docker["host/repository"]`. */
  readonly scope: string;
  readonly accepted: boolean;
  readonly requirements: readonly RequirementVerdict[];
}

/** What a signature says, for people. Where no key stands behind it, anybody can have written it. */
export interface SignatureClaims {
  readonly digests: readonly string[];
  /** Empty where the format has none. */
  readonly identity: string;
  /** The key of the policy that made it; empty for none of them. */
  readonly by: string;
}

/** Which images may be used. It does not change: a reload makes another one. */
export interface TrustPolicy {
  /** The file that it was read from; empty when there is none: everything is accepted then. */
  readonly source: string;
  /** Of which formats signatures can decide about images from there; without any, `judge` needs none. */
  wantedFormats(origin: ImageOrigin): readonly ImageSignature['format'][];
  judge(origin: ImageOrigin, image: SignedImage): Promise<TrustVerdict>;
  describe(signature: ImageSignature): Promise<SignatureClaims>;
}
