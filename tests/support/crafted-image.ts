import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { architecture, type ImageRecipe } from './image-archive.ts';
import { testImage } from './images.ts';
import { type TarMember, tarOf } from './tar.ts';

/** An image put together in memory, byte for byte as a test wants it. */
export interface CraftedImage {
  /** `docker load` names it so; none for an image without a name. */
  readonly names?: readonly string[];
  readonly config?: ImageRecipe['config'] & { readonly Labels?: Readonly<Record<string, string>> };
  readonly layers: readonly CraftedLayer[];
  readonly platform?: { readonly os?: string; readonly architecture?: string; readonly variant?: string };
  readonly created?: string;
  /** Instead of one entry for each layer. */
  readonly history?: readonly object[];
}

export interface CraftedLayer {
  /** Bytes as they are in the archive: a tar, plain or compressed. */
  readonly blob: Uint8Array;
  /** sha256 of the plain tar; that of the blob when it is plain. */
  readonly diffId?: string;
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export const layerOf = (...members: readonly TarMember[]): CraftedLayer => ({ blob: tarOf(members) });

/** The layer with busybox of the test images. */
export async function busyboxLayer(): Promise<CraftedLayer> {
  const { recipe } = await testImage('busybox');
  return { blob: await readFile(recipe.layers[0] ?? '') };
}

/** The config document. */
export function craftedConfig(image: CraftedImage): Buffer {
  const diffIds = image.layers.map(({ blob, diffId }) => `sha256:${diffId ?? sha256(blob)}`);
  const created = image.created ?? '2024-01-01T00:00:00Z';
  const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  return json({
    architecture,
    os: 'linux',
    ...image.platform,
    created,
    config: { Env: [path], ...image.config },
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: image.history ?? diffIds.map((_, at) => ({ created, created_by: `crafted layer ${at + 1}` })),
  });
}

export const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

/** An archive as `docker save` wrote them until Docker 25. */
export function dockerArchive(...images: readonly CraftedImage[]): Buffer {
  return tarOf(dockerMembers(...images));
}

/** The members of `dockerArchive`, for tests that damage some. */
export function dockerMembers(...images: readonly CraftedImage[]): TarMember[] {
  const members = new Map<string, TarMember>();
  const manifest = images.map((image) => {
    const config = craftedConfig(image);
    const configName = `${sha256(config)}.json`;
    members.set(configName, { name: configName, body: config });
    const layers = image.layers.map(({ blob }) => {
      const name = `${sha256(blob)}/layer.tar`;
      members.set(name, { name, body: blob });
      return name;
    });
    return { Config: configName, RepoTags: image.names ?? null, Layers: layers };
  });
  return [...members.values(), { name: 'manifest.json', body: json(manifest) }];
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: object;
  readonly annotations?: Readonly<Record<string, string>>;
}

export const mediaTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
} as const;

export const describeBlob = (mediaType: string, blob: Uint8Array): Descriptor => ({
  mediaType,
  digest: `sha256:${sha256(blob)}`,
  size: blob.length,
});

/** The magic numbers of RFC 1952 and RFC 8878. */
function layerType(blob: Uint8Array): string {
  const suffix = blob[0] === 0x1f ? '+gzip' : blob[0] === 0x28 && blob[1] === 0xb5 ? '+zstd' : '';
  return `application/vnd.oci.image.layer.v1.tar${suffix}`;
}

/** Everything an image consists of in OCI's form: the blobs, and which of them is the manifest. */
export function ociBlobs(image: CraftedImage): { manifest: Buffer; blobs: readonly Buffer[] } {
  const config = craftedConfig(image);
  const layers = image.layers.map(({ blob }) => Buffer.from(blob));
  const manifest = json({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: describeBlob(mediaTypes.config, config),
    layers: layers.map((layer) => describeBlob(layerType(layer), layer)),
  });
  return { manifest, blobs: [config, ...layers, manifest] };
}

export const blobMember = (blob: Uint8Array): TarMember => ({ name: `blobs/sha256/${sha256(blob)}`, body: blob });

/** An OCI layout (image-spec, image-layout.md) as one tar; the index comes last, as in `skopeo`'s and `docker save`'s. */
export function ociLayout(...images: readonly CraftedImage[]): Buffer {
  return tarOf(ociMembers(...images));
}

/** The members of `ociLayout`, for tests that damage some. */
export function ociMembers(...images: readonly CraftedImage[]): TarMember[] {
  const members: TarMember[] = [{ name: 'oci-layout', body: '{"imageLayoutVersion":"1.0.0"}' }];
  const manifests: Descriptor[] = [];
  for (const image of images) {
    const { manifest, blobs } = ociBlobs(image);
    members.push(...blobs.map(blobMember));
    const described = describeBlob(mediaTypes.manifest, manifest);
    const named = (image.names ?? []).map((name) => ({
      ...described,
      annotations: { 'io.containerd.image.name': name },
    }));
    manifests.push(...(named.length === 0 ? [described] : named));
  }
  members.push({ name: 'index.json', body: json({ schemaVersion: 2, mediaType: mediaTypes.index, manifests }) });
  return members;
}
