import { hash } from 'node:crypto';
import { EngineError, messageOf } from '../../base/errors.ts';
import { digestOfHex } from '../../base/ids.ts';
import { readAll } from '../../base/stream.ts';
import type { BlobPlace, BuildContent, BuiltLayer } from '../../spec/contract/build.ts';
import type { Descriptor, ImageManifest } from '../../spec/oci/image.ts';
import { largestDocument, objectOf, optionalList, optionalString, parseJsonObject } from '../../spec/oci/json.ts';
import { isManifestType, parseManifestDocument } from '../../spec/oci/manifest.ts';
import type { BuildJob } from '../control/job.ts';
import { cacheConfigType, decodeCache, decodeRecords, diffIdOf, type KnownStep, withDiffId } from './format.ts';
import { type CacheFinder, type CacheWish, placeOf, shownCache } from './places.ts';

/** A step that another engine has done. */
export interface ImportedStep {
  readonly layer: BuiltLayer | undefined;
  readonly createdNs: bigint;
}

/** What is known of a step by its key, its layer fetched; undefined when nothing is. */
export type ImportedSteps = (key: string) => Promise<ImportedStep | undefined>;

interface ImportedCache {
  readonly place: BlobPlace;
  readonly steps: ReadonlyMap<string, KnownStep>;
}

/**
 * The caches that a client names. One that cannot be read is told of, and the build goes on without it; layers come when a
 * step wants them.
 */
export async function importCaches(
  finder: CacheFinder,
  job: BuildJob,
  content: BuildContent,
  wishes: readonly CacheWish[],
): Promise<ImportedSteps> {
  const caches = await Promise.all(wishes.map((wish) => importCache(finder, job, wish)));
  const found = caches.filter((cache) => cache !== undefined);
  return async (key) => {
    for (const { place, steps } of found) {
      const known = steps.get(key);
      if (known === undefined) continue;
      const { layer, createdNs } = known;
      if (layer === undefined) return { layer, createdNs };
      try {
        const open = () => place.blob(layer, job.signal);
        return { layer: await content.importLayer(layer, diffIdOf(layer), open, job.signal), createdNs };
      } catch (error) {
        if (job.signal.aborted) throw error;
        // What cannot be had is made.
        await told(job, `[cache] fetch ${layer.digest}`, error);
      }
    }
    return undefined;
  };
}

const told = (job: BuildJob, name: string, error: unknown): Promise<void> =>
  job.step({ name }, () => Promise.reject(error as Error)).catch(() => undefined);

function importCache(finder: CacheFinder, job: BuildJob, wish: CacheWish): Promise<ImportedCache | undefined> {
  const work = job.step({ name: `importing cache manifest from ${shownCache(wish)}` }, async () => {
    const place = await placeOf(finder, wish);
    return { place, steps: await readCache(place, job.signal) };
  });
  return work.catch((error: unknown) => {
    if (job.signal.aborted) throw error;
    return undefined;
  });
}

async function readCache(place: BlobPlace, signal: AbortSignal): Promise<ReadonlyMap<string, KnownStep>> {
  const document = parseManifestDocument(await place.manifest(undefined, signal));
  if (document.kind === 'manifest') return readManifest(place, document.manifest, signal);
  const { manifests } = document.index;
  const config = manifests.find(({ mediaType }) => mediaType === cacheConfigType);
  if (config !== undefined) {
    return decodeCache(
      await small(place, config, signal),
      manifests.filter((layer) => layer !== config),
    );
  }
  const all = new Map<string, KnownStep>();
  for (const { digest, mediaType } of manifests) {
    if (!isManifestType(mediaType)) continue;
    const child = parseManifestDocument(await place.manifest(digest, signal), mediaType);
    if (child.kind !== 'manifest') continue;
    for (const [key, step] of await readManifest(place, child.manifest, signal)) all.set(key, step);
  }
  return all;
}

async function readManifest(
  place: BlobPlace,
  { config, layers }: ImageManifest,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, KnownStep>> {
  const bytes = await small(place, config, signal);
  if (config.mediaType === cacheConfigType) return decodeCache(bytes, layers);
  const json = parseJsonObject(bytes, 'image configuration');
  const inline = optionalString(json['moby.buildkit.cache.v0'], 'moby.buildkit.cache.v0');
  if (inline === undefined) return new Map();
  const rootfs = objectOf(json['rootfs'], 'rootfs');
  const diffIds = optionalList(rootfs['diff_ids'], 'diff_ids', 10_000, (value) => String(value)) ?? [];
  const described = layers.map((layer, at) => withDiffId(layer, diffIds[at] ?? ''));
  const records: unknown = JSON.parse(Buffer.from(inline, 'base64').toString('utf8'));
  return decodeRecords(
    records,
    layers.map(({ digest }) => digest),
    described,
  );
}

/** A document, checked against its digest. @throws EngineError `corrupt` */
async function small(place: BlobPlace, descriptor: Descriptor, signal: AbortSignal): Promise<Uint8Array> {
  const bytes = await readAll(place.blob(descriptor, signal), largestDocument, 'cache configuration');
  if (digestOfHex(hash('sha256', bytes, 'hex')) === descriptor.digest) return bytes;
  throw new EngineError('corrupt', `${descriptor.digest} has other bytes than its digest says`);
}

/** The caches that a build's attributes name: BuildKit's list, or older clients' names of images. @throws EngineError `invalid` */
export function wishesOf(attributes: ReadonlyMap<string, string>): readonly CacheWish[] {
  const listed = attributes.get('cache-imports') ?? '';
  const images = (attributes.get('cache-from') ?? '').split(',').filter((name) => name !== '');
  const plain = images.map((ref) => ({ type: 'registry', attributes: new Map([['ref', ref]]) }));
  if (listed === '') return plain;
  try {
    const wishes: unknown = JSON.parse(listed);
    return (optionalList(wishes, 'cache-imports', 1000, objectOf) ?? []).map((wish) => ({
      type: optionalString(wish['Type'], 'Type') ?? '',
      attributes: new Map(
        Object.entries(objectOf(wish['Attrs'] ?? {}, 'Attrs')).map(([name, value]) => [name, String(value)]),
      ),
    }));
  } catch (error) {
    throw new EngineError('invalid', `failed to read cache-imports: ${messageOf(error)}`, { cause: error });
  }
}
