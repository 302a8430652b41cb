import { compress } from '../archive/compress/compress.ts';
import { digestOfHex } from '../base/ids.ts';
import type { ByteStream } from '../base/stream.ts';
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
  try {
    const stored = compression === 'none' || isPacked ? archive : compress(archive, compression);
    const { digest, size } = await content.writeBlob(
      () => stored,
      {},
      (growing) => {
        unpacking = unpacks.run(() => content.unpack(growing, { signal: either }));
        unpacking.catch(() => undefined);
      },
    );
    const diffId = await (unpacking ?? content.unpack(digest, { signal }));
    return { blob: { mediaType: layerTypes[compression], digest, size }, diffId };
  } catch (error) {
    abort.abort();
    await unpacking?.catch(() => undefined);
    throw error;
  }
}
