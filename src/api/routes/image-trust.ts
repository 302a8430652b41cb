import { decodeRegistryAuth } from '../http/registry-auth.ts';
import type { ImageApi } from '../services/image.ts';
import type { Handlers } from './handlers.ts';

/** What the trust policy says of images. */
export function imageTrustHandlers(images: Pick<ImageApi, 'inspectTrust' | 'inspectRemoteTrust'>): Handlers {
  return {
    async ImageTrust(exchange) {
      const name = exchange.param('name');
      if (!exchange.flag('remote')) return exchange.send(200, await images.inspectTrust(name));
      const auth = decodeRegistryAuth(exchange.request.headers['x-registry-auth']);
      const request = { reference: name, signal: exchange.signal, ...(auth === undefined ? {} : { auth }) };
      exchange.send(200, await images.inspectRemoteTrust(request));
    },
  };
}
