import { createHash } from 'node:crypto';
import { digestOfHex, hexOf } from '../../base/ids.ts';
import type { Descriptor, ImageRunConfig, Platform } from './image.ts';
import { mediaTypes } from './image.ts';

/** A file, directory or symbolic link of a composed image; owned by root, dated 1970. */
export type ComposedFile =
  /** Relative path without a leading slash; `mode` as in 0o755. */
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly content: Uint8Array }
  | { readonly kind: 'directory'; readonly path: string; readonly mode: number }
  | { readonly kind: 'link'; readonly path: string; readonly target: string };

export interface ComposedImage {
  /** `name:tag`, in full (`docker.io/library/busybox:latest`). */
  readonly reference: string;
  readonly platform: Platform;
  readonly config: ImageRunConfig;
  readonly files: readonly ComposedFile[];
  /** RFC 3339; 1970 by default, so that the same files always give the same image. */
  readonly created?: string;
}

const encoder = new TextEncoder();
const jsonBytes = (value: unknown): Uint8Array => encoder.encode(JSON.stringify(value));
const beginning = '1970-01-01T00:00:00Z';

/**
 * An image of one layer as an OCI image layout in a tar archive (OCI image-spec, image-layout), ready for
 * `POST /images/load`: how an image is made where there is no registry, out of files that are at hand.
 */
export function* composeLayout(image: ComposedImage): Generator<Uint8Array, void, undefined> {
  const layer = concat([...tarOf(image.files)]);
  const layerDescriptor = describe(mediaTypes.ociLayer, layer);
  const created = image.created ?? beginning;
  const { os, architecture, variant } = image.platform;
  const config = jsonBytes({
    created,
    architecture,
    ...(variant === undefined ? {} : { variant }),
    os,
    config: image.config,
    rootfs: { type: 'layers', diff_ids: [layerDescriptor.digest] },
    history: [{ created, created_by: 'composed from files' }],
  });
  const configDescriptor = describe(mediaTypes.ociConfig, config);
  const manifest = jsonBytes({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: configDescriptor,
    layers: [layerDescriptor],
  });
  const target = describe(mediaTypes.ociManifest, manifest);
  const index = jsonBytes({
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: [{ ...target, annotations: { 'io.containerd.image.name': image.reference } }],
  });
  const blob = ({ digest }: Descriptor, content: Uint8Array): ComposedFile => ({
    kind: 'file',
    path: `blobs/sha256/${hexOf(digest)}`,
    mode: 0o644,
    content,
  });
  const small = (path: string, content: Uint8Array): ComposedFile => ({ kind: 'file', path, mode: 0o644, content });
  yield* tarOf([
    small('oci-layout', jsonBytes({ imageLayoutVersion: '1.0.0' })),
    small('index.json', index),
    blob(target, manifest),
    blob(configDescriptor, config),
    blob(layerDescriptor, layer),
  ]);
}

const describe = (mediaType: string, bytes: Uint8Array): Descriptor => ({
  mediaType,
  digest: digestOfHex(createHash('sha256').update(bytes).digest('hex')),
  size: bytes.length,
});

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

const block = 512;

/** A ustar archive (POSIX.1-1988); names have at most 100 bytes here. */
function* tarOf(files: readonly ComposedFile[]): Generator<Uint8Array, void, undefined> {
  for (const file of files) {
    yield headerOf(file);
    if (file.kind !== 'file') continue;
    yield file.content;
    const padding = (block - (file.content.length % block)) % block;
    if (padding > 0) yield new Uint8Array(padding);
  }
  yield new Uint8Array(2 * block);
}

const typeFlags = { file: '0', link: '2', directory: '5' } as const;

function headerOf(file: ComposedFile): Uint8Array {
  const header = new Uint8Array(block);
  const put = (text: string, at: number, length: number): void => {
    const bytes = encoder.encode(text);
    if (bytes.length > length) throw new RangeError(`${JSON.stringify(text)} is too long for a tar header`);
    header.set(bytes, at);
  };
  const octal = (value: number, at: number, digits: number) => put(value.toString(8).padStart(digits, '0'), at, digits);
  put(file.kind === 'directory' ? `${file.path}/` : file.path, 0, 100);
  octal(file.kind === 'link' ? 0o777 : file.mode, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(file.kind === 'file' ? file.content.length : 0, 124, 11);
  octal(0, 136, 11);
  put(typeFlags[file.kind], 156, 1);
  if (file.kind === 'link') put(file.target, 157, 100);
  put('ustar\x0000', 257, 8);
  // The checksum counts its own field as spaces.
  const sum = header.reduce((total, byte) => total + byte, 8 * 0x20);
  put(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8);
  return header;
}
