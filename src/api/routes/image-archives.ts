import { invalid } from '../../base/errors.ts';
import type { Digest } from '../../base/ids.ts';
import { decodePlatform } from '../../spec/decode/platform.ts';
import type { Exchange } from '../http/exchange.ts';
import { sendArchive } from '../http/outgoing-archive.ts';
import type { ImageApi } from '../services/image.ts';

/** The platforms that a query names under `key`. @throws EngineError `invalid` */
export const platformsOf = (exchange: Exchange, key: string): string[] =>
  (exchange.query.get(key) ?? []).flatMap((text) => decodePlatform(text) ?? []);

/** Those of an archive: one since API 1.48, several since 1.52. @throws EngineError `invalid` */
export function archivePlatforms(exchange: Exchange): string[] {
  if (exchange.minor < 48) return [];
  if (exchange.minor < 52 && (exchange.query.get('platform') ?? []).length > 1) {
    throw invalid('multiple platform parameters are not supported in this API version; use API version 1.52 or later');
  }
  return platformsOf(exchange, 'platform');
}

/** Answers with an archive of images, but for some blobs. */
export async function sendImages(
  exchange: Exchange,
  images: Pick<ImageApi, 'save'>,
  names: readonly string[],
  without?: ReadonlySet<Digest>,
): Promise<void> {
  const archive = await images.save(names, {
    platforms: archivePlatforms(exchange),
    signal: exchange.signal,
    ...(without === undefined ? {} : { without }),
  });
  await sendArchive(exchange, archive, { 'Content-Type': 'application/x-tar' });
}
