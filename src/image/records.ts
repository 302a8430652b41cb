import { EngineError } from '../base/errors.ts';
import { type Digest, type DiffId, parseDiffId, parseDigest } from '../base/ids.ts';
import type { Descriptor, Platform } from '../spec/oci/image.ts';
import {
  defined,
  objectOf,
  optionalList,
  optionalObject,
  optionalString,
  optionalStrings,
  requiredString,
} from '../spec/oci/json.ts';
import { descriptorOf } from '../spec/oci/manifest.ts';
import { normalizePlatform } from '../spec/oci/platform.ts';
import type { ImageOrigin, ImageSignature } from '../spec/contract/trust.ts';
import { parseReference, type Reference } from '../spec/reference/reference.ts';
import { decodeOrigin, decodeSignature, encodeOrigin } from './trust/records.ts';

/** A layer of a variant: the blob as it came, and what it unpacks to. */
export interface VariantLayer {
  readonly blob: Descriptor;
  readonly diffId: DiffId;
}

/** One runnable manifest of an image that is complete in the store. An index can have several. */
export interface ImageVariant {
  readonly manifest: Descriptor;
  readonly platform: Platform;
  readonly config: Descriptor;
  /** Lowest first. */
  readonly layers: readonly VariantLayer[];
}

/**
 * A stored image. Its id is the digest of `target`, the manifest or index that a name points to. It lives until it is
 * deleted, with or without names.
 */
export interface StoredImage {
  readonly id: Digest;
  readonly target: Descriptor;
  readonly variants: readonly ImageVariant[];
  /** Every blob that belongs to it: target, manifests, configs, layers, attestations. */
  readonly blobs: readonly Descriptor[];
  /** When it came into the store. */
  readonly storedNs: bigint;
  /** The image that a commit made it from. */
  readonly parent?: Digest;
  /** Repositories (`docker.io/library/alpine`) that it was pulled from or pushed to. */
  readonly sources: readonly string[];
  /** How it came here, the last way last; empty when it was stored before this was recorded. */
  readonly origins: readonly ImageOrigin[];
  /** What registries had, so that policies can be asked without them. */
  readonly signatures: readonly ImageSignature[];
}

/** A name and where it points. */
export interface ImageName {
  readonly reference: Reference;
  readonly target: Digest;
  readonly taggedNs: bigint;
}

export const imageKind = 'image';
export const nameKind = 'image-name';

/** The JSON of a record; times are decimal strings of nanoseconds. */
export const encodeImage = ({
  target,
  variants,
  blobs,
  storedNs,
  parent,
  sources,
  origins,
  signatures,
}: StoredImage): unknown => ({
  version: 1,
  target,
  variants,
  blobs,
  storedNs: String(storedNs),
  ...(parent === undefined ? {} : { parent }),
  ...(sources.length === 0 ? {} : { sources }),
  origins: origins.map(encodeOrigin),
  ...(signatures.length === 0 ? {} : { signatures }),
});

export const encodeName = ({ target, taggedNs }: ImageName): unknown => ({
  version: 1,
  target,
  taggedNs: String(taggedNs),
});

/** @throws EngineError when the value is no image record */
export function decodeImage(id: string, value: unknown): StoredImage {
  const json = objectOf(value, 'image record');
  const target = descriptorOf(json['target'], 'target');
  if (target.digest !== parseDigest(id)) throw new EngineError('corrupt', `it is about ${target.digest}`);
  const parent = optionalString(json['parent'], 'parent');
  return {
    id: target.digest,
    target,
    variants: optionalList(json['variants'], 'variants', 10_000, decodeVariant) ?? [],
    blobs: optionalList(json['blobs'], 'blobs', 1_000_000, descriptorOf) ?? [],
    storedNs: BigInt(requiredString(json['storedNs'], 'storedNs')),
    ...(parent === undefined ? {} : { parent: parseDigest(parent) }),
    sources: optionalStrings(json['sources'], 'sources') ?? [],
    origins: optionalList(json['origins'], 'origins', 1000, decodeOrigin) ?? [],
    signatures: optionalList(json['signatures'], 'signatures', 1000, decodeSignature) ?? [],
  };
}

function decodeVariant(value: unknown, what: string): ImageVariant {
  const json = objectOf(value, what);
  const platform = optionalObject(json['platform'], `${what}.platform`) ?? {};
  return {
    manifest: descriptorOf(json['manifest'], `${what}.manifest`),
    platform: normalizePlatform(
      defined({
        os: requiredString(platform['os'], `${what}.os`),
        architecture: requiredString(platform['architecture'], `${what}.architecture`),
        variant: platform['variant'] as string | undefined,
        'os.version': platform['os.version'] as string | undefined,
      }) as Platform,
    ),
    config: descriptorOf(json['config'], `${what}.config`),
    layers: (optionalList(json['layers'], `${what}.layers`, 10_000, objectOf) ?? []).map((layer) => ({
      blob: descriptorOf(layer['blob'], `${what}.blob`),
      diffId: parseDiffId(requiredString(layer['diffId'], `${what}.diffId`)),
    })),
  };
}

/** @throws EngineError when the value is no name record */
export function decodeName(id: string, value: unknown): ImageName {
  const json = objectOf(value, 'image name record');
  return {
    reference: parseReference(id),
    target: parseDigest(requiredString(json['target'], 'target')),
    taggedNs: BigInt(requiredString(json['taggedNs'], 'taggedNs')),
  };
}
