/** One requirement of the trust policy, held against an image. */
export interface TrustRequirementView {
  Type: string;
  /** Files and fingerprints of the keys of which one must have signed. */
  Keys: string[];
  /** What the signature must say that it is for. */
  Identity: string;
  Satisfied: boolean;
  /** By which key, or why not. */
  Reason: string;
}

/** One way that an image came by, or would come by. */
export interface TrustOriginView {
  Transport: string;
  /** As it was asked for; empty for everything that is not pulled. */
  Reference: string;
  /** The place in the policy that counts. */
  Scope: string;
  Accepted: boolean;
  Requirements: TrustRequirementView[];
}

export interface TrustSignatureView {
  Format: string;
  /** What it says, believed by nobody unless `SignedBy` is there. */
  Digests: string[];
  /** The name that was signed; empty where there is none. */
  Identity: string;
  /** A key of the policy; empty when none of them made it. */
  SignedBy: string;
}

/** `GET /images/{name}/trust` */
export interface ImageTrustInspect {
  Id: string;
  /** Digest of the manifest that counts for this host. */
  Manifest: string;
  /** The file; empty without a policy. */
  Policy: string;
  /** Whether a container may be made from it; of a registry's image: whether it may be pulled. */
  Accepted: boolean;
  Origins: TrustOriginView[];
  Signatures: TrustSignatureView[];
}
