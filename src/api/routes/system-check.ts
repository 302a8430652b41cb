import { streamProgress } from '../http/streams.ts';
import type { ImageApi } from '../services/image.ts';
import type { Handlers } from './handlers.ts';

/** Gantry's own: looks for damage in what is stored. */
export const systemCheckHandlers = (images: Pick<ImageApi, 'check'>): Handlers => ({
  SystemCheck: (exchange) =>
    streamProgress(exchange, async (progress) => {
      const report = await images.check({ repair: exchange.flag('repair'), progress, signal: exchange.signal });
      progress({ aux: { ...report } });
    }),
});
