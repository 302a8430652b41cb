import { type LayerCompression, parseLayerCompression } from '../../spec/oci/layer-compression.ts';
import type { Exchange } from '../http/exchange.ts';

/** `compression`, an addition to Docker's API: of a layer that the request makes. Undefined for the engine's choice. @throws invalid */
export function compressionOf(exchange: Exchange): LayerCompression | undefined {
  const text = exchange.text('compression') ?? '';
  return text === '' ? undefined : parseLayerCompression(text, 'compression');
}
