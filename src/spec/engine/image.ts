import type { Descriptor, ImageRunConfig, Platform } from '../oci/image.ts';
import type { GraphDriverView } from './container.ts';

/** One entry of `GET /images/json`. Sizes in bytes; -1 means "not computed". */
export interface ImageSummary {
  Id: string;
  ParentId: string;
  /** `name:tag`; empty for an untagged image. */
  RepoTags: string[];
  /** `name@sha256:...`. */
  RepoDigests: string[];
  /** Unix seconds. */
  Created: number;
  Size: number;
  SharedSize: number;
  /** Containers that use it. */
  Containers: number;
  Labels: Record<string, string> | null;
  /** API 1.48 and later. */
  Descriptor?: Descriptor;
  /** When the request asks for `manifests`. */
  Manifests?: ImageManifestSummary[];
}

/** One manifest of an index (API 1.47 and later). */
export interface ImageManifestSummary {
  ID: string;
  Descriptor: Descriptor;
  Available: boolean;
  Kind: 'image' | 'attestation' | 'unknown';
  /** Bytes on disk; `Content` of the blobs, `Total` with what is unpacked. */
  Size: { Content: number; Total: number };
  ImageData?: {
    Platform: Platform;
    Containers: string[] | null;
    Size: { Unpacked: number };
    Identity?: ImageIdentity;
    /** When the request asks for `layers`, of what is whole here; lowest first. */
    Layers?: ImageLayerView[];
  };
  AttestationData?: { For: string };
}

/** A layer of an image; bytes on disk. */
export interface ImageLayerView {
  Digest: string;
  DiffID: string;
  /** `Content`: the blob as it came, `Unpacked`: what it unpacks to. */
  Size: { Content: number; Unpacked: number };
}

/** What `GET /images/{name}/attestations` tells of one statement (API 1.55). */
export interface AttestationStatement {
  Descriptor: Descriptor;
  PredicateType: string;
  /** When the request asks for `statement`. */
  Statement?: unknown;
}

/** Where an image came from, as the engine itself has seen it (API 1.53 and later). */
export interface ImageIdentity {
  /** Repositories that it was pulled from or pushed to. */
  Pull?: { Repository: string }[];
}

/** `GET /images/{name}/json`. */
export interface ImageInspect {
  Id: string;
  RepoTags: string[];
  RepoDigests: string[];
  /** The image that a commit made it from; else empty. */
  Parent: string;
  Comment: string;
  /** RFC 3339; left out when the image does not say it. */
  Created?: string;
  Author: string;
  Config: ImageRunConfig;
  Architecture: string;
  Variant?: string;
  Os: string;
  OsVersion?: string;
  /** Of the platform that is shown. */
  Size: number;
  /** Up to API 1.51. */
  GraphDriver: GraphDriverView;
  RootFS: { Type: 'layers'; Layers: string[] };
  Metadata: { LastTagTime: string };
  Descriptor?: Descriptor;
  Manifests?: ImageManifestSummary[];
  Identity?: ImageIdentity;
}

/** One entry of `GET /images/{name}/history`, newest first. */
export interface ImageHistoryItem {
  /** The image's id for the newest entry, else `<missing>`. */
  Id: string;
  /** Unix seconds. */
  Created: number;
  CreatedBy: string;
  Tags: string[] | null;
  Size: number;
  Comment: string;
}

/** Why an image goes, and the bytes on disk that only it has. */
export interface ImagePrunePlanItem {
  Id: string;
  RepoTags: string[];
  Reason: string;
  Freed: number;
}

/** What `POST /images/prune` deleted, and the bytes that this gave back. */
export interface ImagePruneView {
  ImagesDeleted: ImageDeleteItem[] | null;
  SpaceReclaimed: number;
  /** When the request asks for the plan alone (`dry-run`). */
  Plan?: ImagePrunePlanItem[];
}

/** What `DELETE /images/{name}` did, step by step: each entry has one of the two. */
export type ImageDeleteItem = { Untagged: string } | { Deleted: string };

/** `GET /distribution/{name}/json`: what a registry has. */
export interface DistributionInspect {
  readonly Descriptor: Pick<Descriptor, 'mediaType' | 'digest' | 'size'>;
  readonly Platforms: readonly Platform[];
}
