import { decodePlatform } from '../../spec/decode/platform.ts';
import type { Exchange } from '../http/exchange.ts';
import type { ImageApi } from '../services/image.ts';
import type { Handlers } from './handlers.ts';

const platformOf = (exchange: Exchange): { platform?: string } => {
  const platform = decodePlatform(exchange.text('platform'));
  return platform === undefined ? {} : { platform };
};

/** Gantry's own: file systems of images on the engine's host. */
export const imageMountHandlers = (images: Pick<ImageApi, 'mount' | 'unmount' | 'mounts'>): Handlers => ({
  ImageMountList: async (exchange) => exchange.send(200, images.mounts()),
  async ImageMount(exchange) {
    exchange.send(200, await images.mount(exchange.param('name'), platformOf(exchange)));
  },
  async ImageUnmount(exchange) {
    await images.unmount(exchange.param('name'), { ...platformOf(exchange), force: exchange.flag('force') });
    exchange.empty(204);
  },
});
