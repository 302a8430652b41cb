import type { Duplex } from 'node:stream';
import { invalid } from '../../base/errors.ts';
import { isDecimal } from '../../base/text/digits.ts';
import { decodeFilters } from '../../spec/decode/filters.ts';
import { bodyStream } from '../http/body.ts';
import { classicBuild, uploadedFor } from './classic-build.ts';
import { takeOverWith } from '../hijack/takeover.ts';
import type { Exchange } from '../http/exchange.ts';
import { streamProgress } from '../http/streams.ts';
import type { BuildApi, BuildPruneRequest, SessionRequest } from '../services/build.ts';
import type { Handlers } from './handlers.ts';

export function buildHandlers(builds: BuildApi): Handlers {
  return {
    async BuildKitControl(exchange) {
      await builds.serve(await upgrade(exchange));
    },
    async Session(exchange) {
      const request = sessionRequest(exchange);
      builds.checkSession(request);
      await builds.openSession(await upgrade(exchange), request);
    },
    async ImageBuild(exchange) {
      const upload = uploadedFor(exchange);
      if (upload === undefined) {
        await streamProgress(exchange, async (progress) => builds.build(classicBuild(exchange, progress)));
        return;
      }
      await builds.upload(upload, bodyStream(exchange.request), exchange.signal);
      exchange.empty(200);
    },
    async BuildPrune(exchange) {
      exchange.send(200, await builds.pruneCache(pruneRequest(exchange)));
    },
    BuildCancel(exchange) {
      const id = exchange.text('id') ?? '';
      if (id === '') throw invalid('build ID not provided');
      builds.cancel(id);
      exchange.empty(200);
    },
  };
}

const spaces = ['keep-storage', 'reserved-space', 'max-used-space', 'min-free-space'] as const;

/** @throws EngineError `invalid` */
function pruneRequest(exchange: Exchange): BuildPruneRequest {
  const filters = decodeFilters(exchange.text('filters'));
  const bytes = new Map<string, number>();
  for (const name of spaces) {
    const text = exchange.text(name) ?? '';
    if (text !== '' && !isDecimal(text)) {
      throw invalid(`${name} is in bytes and expects an integer, got ${text.slice(0, 100)}`);
    }
    if (text !== '') bytes.set(name, Number(text));
  }
  const of = (name: (typeof spaces)[number]): number => bytes.get(name) ?? 0;
  // Before API 1.48 there was one of them.
  const isNew = exchange.minor >= 48;
  return {
    all: exchange.flag('all'),
    reservedBytes: (isNew ? of('reserved-space') : 0) || of('keep-storage'),
    maxUsedBytes: isNew ? of('max-used-space') : 0,
    minFreeBytes: isNew ? of('min-free-space') : 0,
    filters,
  };
}

/** HTTP/2 in the clear, by HTTP/1.1's upgrade: the only way that clients ask for. */
async function upgrade(exchange: Exchange): Promise<Duplex> {
  const wanted = exchange.request.headers.upgrade;
  if (exchange.upgraded === undefined || wanted === undefined) throw invalid('no upgrade proto in request');
  if (wanted.toLowerCase() !== 'h2c') throw invalid(`protocol ${wanted} not supported`);
  await exchange.settle();
  const version = String(exchange.response.getHeader('Api-Version'));
  const head = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nApi-Version: ${version}\r\n\r\n`;
  return takeOverWith(exchange, head);
}

const prefix = 'x-docker-expose-session-';

/** The headers come once a method: node:http would give the first alone. */
function sessionRequest({ request }: Exchange): SessionRequest {
  const values = (name: string): string[] =>
    request.rawHeaders.filter(
      (_value, at) => at % 2 === 1 && request.rawHeaders[at - 1]?.toLowerCase() === `${prefix}${name}`,
    );
  return {
    id: values('uuid')[0] ?? '',
    sharedKey: values('sharedkey')[0] ?? '',
    methods: new Set(values('grpc-method')),
  };
}
