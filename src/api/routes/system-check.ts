import { decodeRegistryConfig } from '../http/registry-auth.ts';
import { streamProgress } from '../http/streams.ts';
import type { ImageApi } from '../services/image.ts';
import type { Handlers } from './handlers.ts';

/** Gantry's own: looks for damage in what is stored. */
export const systemCheckHandlers = (images: Pick<ImageApi, 'check'>): Handlers => ({
  SystemCheck: (exchange) =>
    streamProgress(exchange, async (progress) => {
      const logins = decodeRegistryConfig(exchange.request.headers['x-registry-config']);
      const report = await images.check({
        repair: exchange.flag('repair'),
        credentials: (domain) => logins.get(domain === 'docker.io' ? 'https://index.docker.io/v1/' : domain),
        progress,
        signal: exchange.signal,
      });
      progress({ aux: { ...report } });
    }),
});
