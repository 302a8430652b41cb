import { compress } from '../archive/compress/compress.ts';
import { digestOfHex } from '../base/ids.ts';
import type { ByteStream } from '../base/stream.ts';
import type { GrowingFile } from '../store/blobs/growing.ts';
import { ArchiveFeed } from '../store/layers/feed.ts';
import { mediaTypes } from '../spec/oci/image.ts';
import type { LayerCompression } from '../spec/oci/layer-compression.ts';
import type { ContentOperation } from './content.ts';
import type { Transfers } from './fetch-layers.ts';
import type { VariantLayer } from './records.ts';

/** The diff ID of no files at all. */
export const emptyLayer = digestOfHex('5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef');

const layerTypes = { none: mediaTypes.ociLayer, gzip: mediaTypes.ociLayerGzip, zstd: mediaTypes.ociLayerZstd };

export interface NewLayer {
  /** Its archive, not compressed, or as `isPacked` says. A piece is only valid until the next one is asked for. */
  readonly archive: ByteStream;
  readonly compression: LayerCompression;
  /** The archive is compressed so already: its bytes are kept. */
  readonly isPacked?: boolean;
  readonly signal: AbortSignal;
}

/**
 * Stores a layer that is made here, compressed once and for all (an image's id is the digest of its manifest, which names
 * the compressed bytes), and unpacks it while it is written. @throws EngineError corrupt, invalid, no-space, cancelled
 */
export async function storeNewLayer(
  content: ContentOperation,
  { unpacks }: Transfers,
  { archive, compression, isPacked = false, signal }: NewLayer,
): Promise<VariantLayer> {
  const abort = new AbortController();
  const either = AbortSignal.any([abort.signal, signal]);
  let unpacking: Promise<VariantLayer['diffId']> | undefined;
  const unpack = (source: GrowingFile | ArchiveFeed): Promise<unknown> => {
    unpacking = unpacks.run(() => content.unpack(source, { signal: either }));
    unpacking.catch(() => undefined);
    return unpacking;
  };
  try {
    const stored =
      compression === 'none' || isPacked
        ? await content.writeBlob(
            () => archive,
            {},
            (growing) => void unpack(growing),
          )
        : await content.writeBlob(() => compressed(archive, compression, unpack), {});
    const { digest, size } = stored;
    const diffId = await (unpacking ?? content.unpack(digest, { signal }));
    if (!(await content.hasLayer(diffId))) await content.unpack(digest, { expected: diffId, signal });
    return { blob: { mediaType: layerTypes[compression], digest, size }, diffId };
  } catch (error) {
    abort.abort();
    await unpacking?.catch(() => undefined);
    throw error;
  }
}

/** The archive compressed; what it was before goes to who unpacks it. */
async function* compressed(
  archive: ByteStream,
  form: 'gzip' | 'zstd',
  unpack: (feed: ArchiveFeed) => Promise<unknown>,
): ByteStream {
  const feed = new ArchiveFeed();
  void unpack(feed)
    .finally(() => feed.close())
    .catch(() => undefined);
  yield* compress(archive, form, (plain) => feed.write(plain));
  feed.end();
}
