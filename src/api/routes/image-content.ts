import { decodeWantedContent, decodeWithout } from '../../spec/decode/image-content.ts';
import type { ImageApi } from '../services/image.ts';
import type { Handlers } from './handlers.ts';
import { archivePlatforms, sendImages } from './image-archives.ts';

/** Gantry's own: images go from one engine to another without what the other one has. */
export const imageContentHandlers = (images: Pick<ImageApi, 'save' | 'content' | 'missing'>): Handlers => ({
  async ImageContent(exchange) {
    const blobs = images.content(exchange.query.get('names') ?? [], archivePlatforms(exchange));
    exchange.send(200, { Blobs: blobs });
  },
  async ImageMissing(exchange) {
    exchange.send(200, { Missing: await images.missing(decodeWantedContent(await exchange.json())) });
  },
  async ImageGetPart(exchange) {
    const without = new Set(decodeWithout(await exchange.json()));
    await sendImages(exchange, images, exchange.query.get('names') ?? [], without);
  },
});
