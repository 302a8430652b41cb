import { hash } from 'node:crypto';
import { invalid } from '../../base/errors.ts';
import { digestOfHex } from '../../base/ids.ts';
import type { BlobPlace, BuildContent } from '../../spec/contract/build.ts';
import { type Descriptor, mediaTypes } from '../../spec/oci/image.ts';
import type { BuildJob } from '../control/job.ts';
import { flag } from '../export/attributes.ts';
import type { Built } from '../frontend/build.ts';
import { cacheConfigType, type CacheStep, type EncodedCache, encodeCache } from './format.ts';
import { type CacheFinder, type CacheWish, placeOf } from './places.ts';

const encoder = new TextEncoder();

const describe = (mediaType: string, bytes: Uint8Array): Descriptor => ({
  mediaType,
  digest: digestOfHex(hash('sha256', bytes, 'hex')),
  size: bytes.length,
});

/** `max` is all steps that were looked at, `min` those that the result consists of. @throws EngineError `invalid` */
export function stepsOf(images: readonly Built[], attributes: ReadonlyMap<string, string>): readonly CacheStep[] {
  const mode = attributes.get('mode') ?? 'min';
  if (mode !== 'min' && mode !== 'max')
    throw invalid(`invalid cache export mode ${JSON.stringify(mode)}: expected min or max`);
  const all = images.flatMap(({ steps, resultSteps }) => (mode === 'max' ? steps : resultSteps));
  // What several platforms have in common is theirs together.
  return [...new Map(all.map((step) => [step.key, step])).values()];
}

/** Writes what the steps of a build have made to where a client wants it. Gives what the client gets to know. */
export async function exportCache(
  finder: CacheFinder,
  job: BuildJob,
  content: BuildContent,
  images: readonly Built[],
  wish: CacheWish,
): Promise<ReadonlyMap<string, string>> {
  const { attributes, type } = wish;
  const name = type === 'registry' ? 'exporting cache to registry' : 'exporting cache to client directory';
  const work = (): Promise<ReadonlyMap<string, string>> =>
    job.step({ name }, async (output) => {
      const cache = encodeCache(stepsOf(images, attributes));
      if (cache.layers.length === 0) {
        output.line('skipping cache export for empty result').done();
        return new Map();
      }
      const place = await placeOf(finder, wish);
      for (const layer of cache.layers) {
        const line = output.line(`writing layer ${layer.digest}`);
        await place.put(layer, () => content.blob(layer), job.signal);
        line.done();
      }
      const manifest = await writeDocuments(place, cache, attributes, job.signal);
      output.line(`writing cache manifest ${manifest.digest}`).done();
      return new Map([['cache.manifest', JSON.stringify(manifest)]]);
    });
  if (!flag(attributes, 'ignore-error', false)) return work();
  // The step has told of it.
  return work().catch(() => new Map());
}

async function writeDocuments(
  place: BlobPlace,
  { config, layers }: EncodedCache,
  attributes: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<Descriptor> {
  const configBytes = encoder.encode(JSON.stringify(config));
  const described = describe(cacheConfigType, configBytes);
  await place.put(described, () => [configBytes], signal);
  const isOci = flag(attributes, 'oci-mediatypes', true);
  const isManifest = flag(attributes, 'image-manifest', isOci);
  if (isManifest && !isOci) throw invalid('image-manifest=true needs oci-mediatypes=true');
  const mediaType = isManifest ? mediaTypes.ociManifest : isOci ? mediaTypes.ociIndex : mediaTypes.dockerIndex;
  const document = isManifest
    ? { schemaVersion: 2, mediaType, config: described, layers }
    : { schemaVersion: 2, mediaType, manifests: [...layers, described] };
  const bytes = encoder.encode(JSON.stringify(document));
  const manifest = describe(mediaType, bytes);
  await place.putManifest(manifest, bytes, signal);
  return manifest;
}

/**
 * Records about an image's own layers, for its configuration; undefined when there are none. Their places are those in the
 * image: only steps whose layers are its lowest ones can be told of.
 */
export function inlineCache(built: Built): string | undefined {
  const own = built.layers.map(({ blob }) => blob.digest);
  const steps = built.resultSteps.filter(({ layers }) => layers.every(({ blob }, at) => blob.digest === own[at]));
  const { config } = encodeCache(steps);
  const records = config.records.filter(({ layers = [] }) => layers.every(({ layer }) => layer < own.length));
  if (records.length === 0) return undefined;
  return Buffer.from(JSON.stringify(records)).toString('base64');
}
