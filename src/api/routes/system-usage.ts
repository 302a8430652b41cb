import { invalid } from '../../base/errors.ts';
import type { UsageKind } from '../../spec/engine/usage.ts';
import type { Exchange } from '../http/exchange.ts';
import type { SystemApi } from '../services/system.ts';
import { usageView } from '../views/usage.ts';
import type { Handlers } from './handlers.ts';

const kinds: readonly UsageKind[] = ['container', 'image', 'volume', 'build-cache'];

export function systemUsageHandlers(system: SystemApi): Handlers {
  return {
    async SystemDataUsage(exchange) {
      const report = await system.diskUsage(kindsOf(exchange), exchange.signal);
      exchange.send(200, usageView(report, exchange.minor, exchange.flag('verbose')));
    },
  };
}

/** `type` is known since 1.42; without it everything is meant. */
function kindsOf(exchange: Exchange): readonly UsageKind[] {
  const wanted = exchange.query.get('type');
  if (exchange.minor < 42 || wanted === undefined) return kinds;
  return wanted.map((text) => {
    const kind = kinds.find((known) => known === text);
    if (kind === undefined) throw invalid(`unknown object type: ${text.slice(0, 100)}`);
    return kind;
  });
}
