import { decodeRegistryAuth } from '../http/registry-auth.ts';
import type { ImageApi } from '../services/image.ts';
import type { Handlers } from './handlers.ts';

/** What registries have, without pulling it. */
export function distributionHandlers(images: Pick<ImageApi, 'inspectRemote'>): Handlers {
  return {
    async DistributionInspect(exchange) {
      const auth = decodeRegistryAuth(exchange.request.headers['x-registry-auth']);
      const view = await images.inspectRemote({
        reference: exchange.param('name'),
        signal: exchange.signal,
        ...(auth === undefined ? {} : { auth }),
      });
      exchange.send(200, view);
    },
  };
}
