import { notFound } from '../../base/errors.ts';
import type { Handlers } from './handlers.ts';

/**
 * There are no managed plugins in this engine, and these two say just that: `docker inspect NAME` asks for a plugin of
 * that name last, and shows whatever comes then.
 */
export const pluginHandlers: Handlers = {
  PluginList: (exchange) => exchange.send(200, []),
  PluginInspect: (exchange) => {
    throw notFound(`plugin ${JSON.stringify(exchange.param('name'))} not found`);
  },
};
