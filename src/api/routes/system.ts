import { systemClock } from '../../base/clock.ts';
import { invalid } from '../../base/errors.ts';
import { decodeFilters } from '../../spec/decode/filters.ts';
import { queryInteger } from '../../spec/decode/query.ts';
import { parseTimestamp } from '../../spec/decode/time.ts';
import { namedType } from '../http/accept.ts';
import type { Exchange } from '../http/exchange.ts';
import { decodeLogin } from '../http/registry-auth.ts';
import { beginStream, writeChunk } from '../http/streams.ts';
import type { EventsApi, EventSubscription, SystemApi } from '../services/system.ts';
import { eventView } from '../views/event.ts';
import { infoView } from '../views/info.ts';
import type { Handlers } from './handlers.ts';

/** "2" is BuildKit's protocol, "1" the classic builder at `POST /build`. */
const builderVersion = '2';

export function systemHandlers(system: SystemApi, events: EventsApi): Handlers {
  return {
    SystemPing: ping,
    SystemPingHead: ping,
    async SystemVersion(exchange) {
      exchange.send(200, await system.version());
    },
    async SystemAuth(exchange) {
      const token = await system.login(decodeLogin(await exchange.json()), exchange.signal);
      exchange.send(200, { Status: 'Login Succeeded', IdentityToken: token ?? '' });
    },
    async SystemInfo(exchange) {
      exchange.send(200, infoView(await system.info(), exchange.minor));
    },
    SystemEvents: (exchange) => streamEvents(exchange, events),
  };
}

function ping({ request, response }: Exchange): void {
  response.writeHead(200, {
    'Builder-Version': builderVersion,
    Swarm: 'inactive',
    'Cache-Control': 'no-cache, no-store, must-revalidate',
    Pragma: 'no-cache',
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': 2,
  });
  response.end(request.method === 'HEAD' ? undefined : 'OK');
}

/** What a client may ask for by its Accept header; one text a line in all of them. */
const eventTypes = ['application/jsonl', 'application/x-ndjson', 'application/json-seq'];
/** Minor API versions. */
const jsonLinesSince = 52;
const imagesCreatedSince = 46;

async function streamEvents(exchange: Exchange, events: EventsApi): Promise<void> {
  const { response, signal, minor } = exchange;
  const stream = events.subscribe(subscriptionOf(exchange));
  const usual = minor < jsonLinesSince ? 'application/json' : 'application/jsonl';
  const type = namedType(exchange.request.headers.accept, eventTypes) ?? usual;
  // RFC 7464: each text behind a record separator.
  const before = type === 'application/json-seq' ? '\u001e' : '';
  beginStream(response, type);
  try {
    for await (const event of stream) {
      // Older clients do not know that images are created.
      if (minor < imagesCreatedSince && event.type === 'image' && event.action === 'create') continue;
      await writeChunk(response, `${before}${JSON.stringify(eventView(event, minor))}\n`, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  response.end();
}

/** `since-seq` is an addition of this engine: it goes on behind an event's `Gantry.Seq` without a gap. */
function subscriptionOf(exchange: Exchange): EventSubscription {
  const nowNs = systemClock.nowNs();
  const time = (key: string): bigint | undefined => {
    const text = exchange.text(key);
    return text === undefined || text === '' ? undefined : parseTimestamp(text, nowNs, key);
  };
  const sinceNs = time('since');
  const untilNs = time('until');
  if (sinceNs !== undefined && untilNs !== undefined && untilNs < sinceNs) {
    throw invalid(
      `\`since\` time (${exchange.text('since')}) cannot be after \`until\` time (${exchange.text('until')})`,
    );
  }
  const sinceSeq = queryInteger(exchange.query, 'since-seq', { min: 0, max: Number.MAX_SAFE_INTEGER });
  return {
    filters: decodeFilters(exchange.text('filters')),
    signal: exchange.signal,
    ...(sinceNs === undefined ? {} : { sinceNs }),
    ...(untilNs === undefined ? {} : { untilNs }),
    ...(sinceSeq === undefined ? {} : { sinceSeq }),
  };
}
