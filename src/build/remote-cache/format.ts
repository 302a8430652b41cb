import { formatTime } from '../../base/clock.ts';
import { invalid } from '../../base/errors.ts';
import { type Digest, parseDiffId } from '../../base/ids.ts';
import type { BuiltLayer } from '../../spec/contract/build.ts';
import { parseTimestamp } from '../../spec/decode/time.ts';
import type { Descriptor } from '../../spec/oci/image.ts';
import { digestOf, objectOf, optionalList, optionalString, parseJsonObject } from '../../spec/oci/json.ts';

/** A cache that travels is an image manifest, or an index, with a configuration of this type (BuildKit, remotecache/v1). */
export const cacheConfigType = 'application/vnd.buildkit.cacheconfig.v0';

/** The diff ID of a layer, at its descriptor. */
const diffIdAnnotation = 'containerd.io/uncompressed';
const createdAnnotation = 'buildkit/createdat';

/** What a step has made, as it travels. */
export interface CacheStep {
  /** 64 hex digits. */
  readonly key: string;
  readonly createdNs: bigint;
  /** Of its result, lowest first. */
  readonly layers: readonly BuiltLayer[];
  /** The last layer is its own; false for a step that changed no file. */
  readonly hasLayer: boolean;
}

/** Steps as BuildKit's files have them. */
export interface EncodedCache {
  readonly config: { readonly layers: readonly CacheLayer[]; readonly records: readonly CacheRecord[] };
  /** The layers, each once, as a manifest names them. */
  readonly layers: readonly Descriptor[];
}

interface CacheLayer {
  readonly blob: Digest;
  /** The place of the layer below; -1 for none. */
  readonly parent: number;
}

interface CacheRecord {
  readonly digest: string;
  readonly layers?: readonly { readonly layer: number; readonly createdat: string }[];
  /** Instead, of a step that changed no file: BuildKit has no records of such, and passes this by. */
  readonly createdat?: string;
}

export function encodeCache(steps: readonly CacheStep[]): EncodedCache {
  const layers: CacheLayer[] = [];
  const places = new Map<string, number>();
  const descriptors = new Map<Digest, Descriptor>();
  const placeOf = (chain: readonly BuiltLayer[], created: string): number => {
    let parent = -1;
    for (const { blob, diffId } of chain) {
      const name = `${parent} ${blob.digest}`;
      let place = places.get(name);
      if (place === undefined) {
        place = layers.push({ blob: blob.digest, parent }) - 1;
        places.set(name, place);
      }
      const { mediaType, digest, size } = blob;
      const annotations = { [diffIdAnnotation]: diffId, [createdAnnotation]: created };
      if (!descriptors.has(digest)) descriptors.set(digest, { mediaType, digest, size, annotations });
      parent = place;
    }
    return parent;
  };
  const records = steps.map(({ key, createdNs, layers: chain, hasLayer }): CacheRecord => {
    const digest = `sha256:${key}`;
    const createdat = formatTime(createdNs);
    return hasLayer ? { digest, layers: [{ layer: placeOf(chain, createdat), createdat }] } : { digest, createdat };
  });
  return { config: { layers, records }, layers: [...descriptors.values()] };
}

/** What a step has made elsewhere. */
export interface KnownStep {
  /** Undefined when it changed no file. */
  readonly layer: Descriptor | undefined;
  readonly createdNs: bigint;
}

/** More records than any build has. */
const mostRecords = 100_000;

/** The steps of a cache by their keys, where their layers are among `layers`. @throws EngineError `invalid` */
export function decodeCache(bytes: Uint8Array, layers: readonly Descriptor[]): ReadonlyMap<string, KnownStep> {
  const json = parseJsonObject(bytes, 'cache configuration');
  const chain = optionalList(json['layers'], 'layers', mostRecords, objectOf) ?? [];
  const blobs = chain.map((layer) => digestOf(layer['blob'], 'blob'));
  return decodeRecords(json['records'], blobs, layers);
}

/** The same of records alone, whose layers are those of an image (inline caches). @throws EngineError `invalid` */
export function decodeRecords(
  value: unknown,
  chain: readonly Digest[],
  layers: readonly Descriptor[],
): ReadonlyMap<string, KnownStep> {
  const byDigest = new Map(layers.map((layer) => [layer.digest, layer]));
  const steps = new Map<string, KnownStep>();
  for (const record of optionalList(value, 'records', mostRecords, objectOf) ?? []) {
    const key = digestOf(record['digest'], 'digest').slice('sha256:'.length);
    const [result] = optionalList(record['layers'], 'layers', mostRecords, objectOf) ?? [];
    if (result === undefined) {
      const createdat = optionalString(record['createdat'], 'createdat');
      if (createdat !== undefined) steps.set(key, { layer: undefined, createdNs: timeOf(createdat) });
      continue;
    }
    const place = result['layer'] ?? 0;
    const layer = typeof place === 'number' ? byDigest.get(chain[place] as Digest) : undefined;
    if (layer === undefined) continue;
    steps.set(key, { layer, createdNs: timeOf(optionalString(result['createdat'], 'createdat')) });
  }
  return steps;
}

/** Only dates: a time that no image can show is none. */
const timeOf = (text = ''): bigint => (/^\d{4}-/.test(text) ? parseTimestamp(text, 0n, 'createdat') : 0n);

/** What a layer of a cache unpacks to. @throws EngineError `invalid` when its descriptor does not say so */
export function diffIdOf({ digest, annotations }: Descriptor) {
  const text = annotations?.[diffIdAnnotation];
  if (text === undefined) throw invalid(`the cache does not say what ${digest} unpacks to`);
  return parseDiffId(text);
}

/** An image's layers as descriptors of a cache. */
export const withDiffId = (layer: Descriptor, diffId: string): Descriptor => ({
  ...layer,
  annotations: { ...layer.annotations, [diffIdAnnotation]: diffId },
});
