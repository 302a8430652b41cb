import { invalid, notFound } from '../../base/errors.ts';
import { parseDuration } from '../../base/text/duration.ts';
import { decodeFilters } from '../../spec/decode/filters.ts';
import { decodePlatform } from '../../spec/decode/platform.ts';
import type { Filters } from '../../spec/engine/filters.ts';
import { queryInteger } from '../../spec/decode/query.ts';
import { bodyStream } from '../http/body.ts';
import type { Exchange } from '../http/exchange.ts';
import { decodeRegistryAuth } from '../http/registry-auth.ts';
import { streamProgress } from '../http/streams.ts';
import type { ImageApi } from '../services/image.ts';
import { imageInspectView, imageSummaryView } from '../views/image.ts';
import { compressionOf } from './layer-compression.ts';
import type { ImagePruneView } from '../../spec/engine/image.ts';
import type { Handlers } from './handlers.ts';
import { archivePlatforms, platformsOf, sendImages } from './image-archives.ts';

const listFilters = ['before', 'dangling', 'label', 'label!', 'reference', 'since', 'until'];
const pruneFilters = ['dangling', 'label', 'label!', 'until'];

export function imageHandlers(images: ImageApi): Handlers {
  return {
    async ImageList(exchange) {
      const manifests = exchange.minor >= 47 && exchange.flag('manifests');
      const identity = exchange.minor >= 54 && exchange.flag('identity');
      if (identity && !manifests) throw invalid('conflicting options: identity requires manifests=1');
      const sharedSize = exchange.minor >= 42 && exchange.flag('shared-size');
      const filters = listFiltersOf(exchange);
      const [all, layers] = [exchange.flag('all'), exchange.flag('layers')];
      const list = await images.list({ all, sharedSize, manifests, identity, layers, filters });
      exchange.send(
        200,
        list.map((summary) => imageSummaryView(summary, exchange.minor)),
      );
    },
    async ImageInspect(exchange) {
      const manifests = exchange.minor >= 48 && exchange.flag('manifests');
      const platform = platformSince(exchange, 49);
      if (manifests && platform.platform !== undefined) {
        throw invalid('conflicting options: manifests and platform options cannot both be set');
      }
      const view = await images.inspect(exchange.param('name'), { manifests, ...platform });
      exchange.send(200, imageInspectView(view, exchange.minor));
    },
    async ImageHistory(exchange) {
      exchange.send(200, await images.history(exchange.param('name'), platformSince(exchange, 48)));
    },
    async ImageTag(exchange) {
      const repository = exchange.text('repo') ?? '';
      if (repository === '') throw invalid('invalid reference format');
      await images.tag(exchange.param('name'), repository, exchange.text('tag') ?? '');
      exchange.empty(201);
    },
    async ImageDelete(exchange) {
      const deleted = await images.remove(exchange.param('name'), {
        force: exchange.flag('force'),
        noPrune: exchange.flag('noprune'),
        platforms: exchange.minor < 50 ? [] : platformsOf(exchange, 'platforms'),
      });
      exchange.send(200, deleted);
    },
    async ImageAttestations(exchange) {
      if (exchange.minor < 55) throw notFound('page not found');
      const platforms = exchange.query.get('platform') ?? [];
      if (platforms.length > 1) throw invalid('only one platform value is currently supported');
      const options = {
        ...platformSince(exchange, 55),
        types: (exchange.query.get('type') ?? []).map((type) => type.trim()).filter((type) => type !== ''),
        statement: exchange.flag('statement'),
      };
      exchange.send(200, await images.attestations(exchange.param('name'), options));
    },
    ImagePrune: async (exchange) => exchange.send(200, await prune(exchange, images)),
    ImageLoad: (exchange) =>
      streamProgress(exchange, (progress) =>
        images.load({
          body: bodyStream(exchange.request),
          quiet: exchange.flag('quiet', true),
          platforms: archivePlatforms(exchange),
          progress,
          signal: exchange.signal,
        }),
      ),
    ImageGet: (exchange) => sendImages(exchange, images, [exchange.param('name')]),
    ImageGetAll: (exchange) => sendImages(exchange, images, exchange.query.get('names') ?? []),
    ImagePush: (exchange) => push(exchange, images),
    ImageCreate: (exchange) => pullOrImport(exchange, images),
  };
}

/** Clients of API 1.24 name a pattern by `filter`. */
function listFiltersOf(exchange: Exchange): Filters {
  const filters = decodeFilters(exchange.text('filters'), listFilters);
  const pattern = exchange.minor < 25 ? (exchange.text('filter') ?? '') : '';
  return pattern === '' || filters.has('reference') ? filters : new Map([...filters, ['reference', [pattern]]]);
}

const platformSince = (exchange: Exchange, minor: number): { platform?: string } => {
  const platform = exchange.minor < minor ? undefined : decodePlatform(exchange.text('platform'));
  return platform === undefined ? {} : { platform };
};

async function prune(exchange: Exchange, images: ImageApi): Promise<ImagePruneView> {
  const dryRun = exchange.flag('dry-run');
  const budget = exchange.text('budget') ?? '';
  if (budget !== '') {
    if (['filters', 'keep-last', 'unused-for'].some((name) => (exchange.text(name) ?? '') !== '')) {
      throw invalid('conflicting options: budget goes with dry-run only');
    }
    return images.overBudget(budget, { dryRun });
  }
  const filters = decodeFilters(exchange.text('filters'), pruneFilters);
  const keepLast = queryInteger(exchange.query, 'keep-last', { min: 0, max: 1_000_000 }) ?? 0;
  const unusedForNs = parseDuration(exchange.text('unused-for') || '0');
  if (unusedForNs < 0n) throw invalid("'unused-for' must not be negative");
  return images.prune({ filters, dryRun, keepLast, unusedForNs });
}

function push(exchange: Exchange, images: ImageApi): Promise<void> {
  const tag = exchange.text('tag') ?? '';
  const auth = decodeRegistryAuth(exchange.request.headers['x-registry-auth']);
  const platform = exchange.minor < 46 ? '' : (exchange.text('platform') ?? '');
  // There was no other form before this one.
  if (platform !== '' && !platform.startsWith('{')) throw invalid('failed to parse platform: expected a JSON object');
  return streamProgress(exchange, (progress) =>
    images.push({
      reference: exchange.param('name'),
      progress,
      signal: exchange.signal,
      ...platformSince(exchange, 46),
      ...(tag === '' ? {} : { tag }),
      ...(auth === undefined ? {} : { auth }),
    }),
  );
}

function pullOrImport(exchange: Exchange, images: ImageApi): Promise<void> {
  const reference = exchange.text('fromImage') ?? '';
  const tag = exchange.text('tag') ?? '';
  const platform = platformSince(exchange, 32);
  const auth = decodeRegistryAuth(exchange.request.headers['x-registry-auth']);
  const { signal } = exchange;
  if (reference !== '') {
    return streamProgress(exchange, (progress) =>
      images.pull({
        reference,
        progress,
        signal,
        ...platform,
        ...(tag === '' ? {} : { tag }),
        ...(auth === undefined ? {} : { auth }),
      }),
    );
  }
  const source = exchange.text('fromSrc') ?? '';
  if (source === '') throw invalid('either fromImage or fromSrc is required');
  const compression = compressionOf(exchange);
  return streamProgress(exchange, (progress) =>
    images.import({
      source,
      body: bodyStream(exchange.request),
      repository: exchange.text('repo') ?? '',
      tag,
      message: exchange.text('message') ?? '',
      changes: exchange.query.get('changes') ?? [],
      progress,
      signal,
      ...platform,
      ...(compression === undefined ? {} : { compression }),
    }),
  );
}
