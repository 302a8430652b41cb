import { formatTime } from '../base/clock.ts';
import { invalid } from '../base/errors.ts';
import type { Digest } from '../base/ids.ts';
import type { ByteStream } from '../base/stream.ts';
import type { ProgressSink } from '../spec/engine/progress.ts';
import { type Descriptor, mediaTypes, type Platform } from '../spec/oci/image.ts';
import type { LayerCompression } from '../spec/oci/layer-compression.ts';
import { parsePlatform } from '../spec/oci/platform.ts';
import { familiarReference } from '../spec/reference/reference.ts';
import { applyChanges } from './changes.ts';
import type { ContentOperation } from './content.ts';
import { asLayer } from './as-layer.ts';
import type { ImageContext } from './context.ts';
import { type ProgressTeller, tellProgress } from './progress.ts';
import { download } from './download.ts';
import { describeBytes, encodeDocument } from './document.ts';
import { imageEvent } from './event.ts';
import type { Transfers } from './fetch-layers.ts';
import { storeNewLayer } from './new-layer.ts';
import { storeImage } from './store-image.ts';
import { nameToGive } from './tag.ts';
import { admitOrigin } from './trust/admit.ts';
import { makeVariant } from './variant.ts';

export interface ImportOptions {
  /** `-`: the body is the archive; else the URL that it is fetched from. */
  readonly source: string;
  readonly body: ByteStream;
  /** Empty for an untagged image. */
  readonly repository: string;
  readonly tag: string;
  readonly message: string;
  readonly changes: readonly string[];
  /** Of the layer, when the archive is not compressed, instead of the engine's choice; one that is stays as it is. */
  readonly compression?: LayerCompression;
  readonly platform?: string;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}

/** Makes an image with one layer out of an archive of a root file system. @throws EngineError */
export async function importImage(context: ImageContext, transfers: Transfers, options: ImportOptions): Promise<void> {
  // All that can be wrong with the request is found before the upload is read.
  const reference = options.repository === '' ? undefined : nameToGive(options.repository, options.tag);
  const platform = options.platform ? parsePlatform(options.platform, context.host) : context.host;
  const runConfig = applyChanges({}, options.changes);
  const origin = { transport: 'tarball' } as const;
  await admitOrigin(context, origin, reference === undefined ? 'from an archive' : familiarReference(reference));
  const content = context.content.begin();
  let done = false;
  try {
    const { layer, diffId } = await importLayer(context, content, transfers, options);
    const created = formatTime(context.clock.nowNs());
    const config = encodeDocument({
      created,
      ...platformFields(platform),
      config: runConfig,
      rootfs: { type: 'layers', diff_ids: [diffId] },
      history: [{ created, comment: options.message || `Imported from ${options.source}` }],
    });
    const configDescriptor = describeBytes(mediaTypes.ociConfig, config);
    const manifest = encodeDocument({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: configDescriptor,
      layers: [layer],
    });
    const target = describeBytes(mediaTypes.ociManifest, manifest);
    await content.putBlob(config, configDescriptor.digest);
    await content.putBlob(manifest, target.digest);
    const { variant } = makeVariant(target, { schemaVersion: 2, config: configDescriptor, layers: [layer] }, config);
    const blobs = [target, configDescriptor, layer];
    const references = reference === undefined ? [] : [reference];
    await storeImage(context, { target, variants: [variant], blobs, origin }, references, async (image) => [
      ...(reference === undefined
        ? []
        : [await imageEvent(context, 'tag', image, { name: familiarReference(reference) })]),
      await imageEvent(context, 'import', image, {}),
    ]);
    done = true;
    options.progress({ status: target.digest });
  } finally {
    content.end();
    if (!done) await context.content.collect();
  }
}

async function importLayer(
  context: ImageContext,
  content: ContentOperation,
  transfers: Transfers,
  options: ImportOptions,
): Promise<{ layer: Descriptor; diffId: Digest }> {
  const { compression: wanted = context.layerCompression, signal } = options;
  const body = options.source === '-' ? options.body : await fetched(options);
  const { compression, bytes } = await asLayer(content, body, 'the archive', signal);
  const isPacked = compression !== 'none';
  const layer = { archive: notEmpty(bytes), compression: isPacked ? compression : wanted, isPacked, signal };
  const { blob, diffId } = await storeNewLayer(content, transfers, layer);
  return { layer: blob, diffId };
}

async function* notEmpty(archive: ByteStream): ByteStream {
  let isEmpty = true;
  for await (const piece of archive) {
    isEmpty &&= piece.length === 0;
    yield piece;
  }
  if (isEmpty) throw invalid('the archive is empty');
}

async function fetched({ source, progress, signal }: ImportOptions): Promise<ByteStream> {
  const { name, length, body } = await download(source, signal);
  progress({ status: `Downloading from ${name}` });
  return told(body, tellProgress(progress, 'Importing', '', length));
}

async function* told(body: ByteStream, tell: ProgressTeller): ByteStream {
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    tell(bytes);
    yield chunk;
  }
}

const platformFields = ({ os, architecture, variant }: Platform) => ({
  architecture,
  os,
  ...(variant === undefined ? {} : { variant }),
});
