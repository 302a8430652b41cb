import type { Bundles } from '../archive/bundle/bundle.ts';
import { decompress } from '../archive/compress/decompress.ts';
import { EngineError } from '../base/errors.ts';
import { afterBytes, type ByteStream } from '../base/stream.ts';
import type { BaseImage, BuildContent, BuiltLayer, LayerConversion, WrittenImage } from '../spec/contract/build.ts';
import { bestForPlatform } from '../spec/oci/platform.ts';
import { familiarReference, parseReference, repositoryOf } from '../spec/reference/reference.ts';
import type { ContentOperation } from './content.ts';
import type { ImageContext } from './context.ts';
import { imageEvent } from './event.ts';
import type { Transfers } from './fetch-layers.ts';
import { emptyLayer, storeNewLayer } from './new-layer.ts';
import { layerCompression } from '../spec/oci/manifest.ts';
import { resolveImage } from './resolve.ts';
import { archiveMembers, type ArchivePart } from './save.ts';
import { storeImage } from './store-image.ts';
import { nameToGive } from './tag.ts';
import { admitOrigin } from './trust/admit.ts';
import { writeImage } from './write-image.ts';

/** What one build uses and makes of the images. */
export function beginBuild(context: ImageContext, transfers: Transfers, bundles: Bundles): BuildContent {
  const content = context.content.begin();
  return {
    base: (nameOrId, platform) => baseImage(context, content, nameOrId, platform),
    async storeLayer(archive, signal) {
      const layer = await storeNewLayer(content, transfers, {
        archive,
        compression: context.layerCompression,
        signal,
      });
      return layer.diffId === emptyLayer ? undefined : layer;
    },
    hold: (layer) => hold(content, layer),
    importLayer: (blob, diffId, open, signal) => importLayer(content, transfers, { blob, diffId }, open, signal),
    convertLayer: (layer, conversion, signal) =>
      convertLayer({ context, content, transfers }, layer, conversion, signal),
    writeImage: (images, options) => writeImage(content, images, options),
    recordImage: (image, names, canonical) => recordImage(context, image, names, canonical),
    async archiveImage(image, { names, forDocker, signal }) {
      return bundles.stream(
        await archiveMembers(context, content, partsOf(context, image, names), { forDocker }),
        signal,
      );
    },
    blob: ({ digest, size }) => context.content.streamBlob(digest, size),
    end: () => content.end(),
  };
}

async function hold(content: ContentOperation, { blob, diffId }: BuiltLayer): Promise<boolean> {
  return (await content.blobSize(blob.digest)) !== undefined && (await content.hasLayer(diffId));
}

async function baseImage(
  context: ImageContext,
  content: ContentOperation,
  nameOrId: string,
  platform: string | undefined,
): Promise<BaseImage> {
  const { id, manifest, config } = await resolveImage(context, nameOrId, platform);
  context.uses.note(id);
  const variant = context.catalog.image(id)?.variants.find((one) => one.manifest.digest === manifest.digest);
  const layers = variant?.layers ?? [];
  for (const layer of layers) {
    if (!(await hold(content, layer)))
      throw new EngineError('not-found', `a layer of ${nameOrId} is not there any more`);
  }
  return { id, config, layers };
}

async function convertLayer(
  parts: { readonly context: ImageContext; readonly content: ContentOperation; readonly transfers: Transfers },
  { blob }: BuiltLayer,
  { compression, change = (archive) => archive }: LayerConversion,
  signal: AbortSignal,
): Promise<BuiltLayer> {
  const { context, content, transfers } = parts;
  const stored: ByteStream = context.content.streamBlob(blob.digest, blob.size);
  const archive = decompress(stored, { maxBytes: await content.room(), what: `layer ${blob.digest}` });
  return storeNewLayer(content, transfers, {
    archive: change(archive),
    compression: compression ?? context.layerCompression,
    signal,
  });
}

async function importLayer(
  content: ContentOperation,
  { unpacks }: Transfers,
  layer: BuiltLayer,
  open: () => ByteStream,
  signal: AbortSignal,
): Promise<BuiltLayer> {
  const { mediaType, digest, size } = layer.blob;
  if (layerCompression(mediaType) === undefined) {
    throw new EngineError('invalid', `layer ${digest} has the unsupported type ${mediaType.slice(0, 100)}`);
  }
  if (!(await hold(content, layer))) {
    await content.writeBlob((from) => afterBytes(open(), from), { digest, size });
    await unpacks.run(() => content.unpack(digest, { expected: layer.diffId, signal }), signal);
  }
  return { blob: { mediaType, digest, size }, diffId: layer.diffId };
}

async function recordImage(
  context: ImageContext,
  { target, variants, blobs }: WrittenImage,
  names: readonly string[],
  canonical: readonly string[] = [],
): Promise<void> {
  const exact = canonical.map((name) => ({ ...repositoryOf(parseReference(name)), digest: target.digest }));
  const references = [...names.map((name) => nameToGive(name, '')), ...exact];
  const origin = { transport: 'local' } as const;
  const [first] = references;
  await admitOrigin(context, origin, first === undefined ? 'of a build' : familiarReference(first));
  const known = variants.map(({ manifest, platform, config, layers }) => ({ manifest, platform, config, layers }));
  const complete = { target, variants: known, blobs, origin };
  await storeImage(context, complete, references, async (image) => [
    await imageEvent(context, 'create', image, {}),
    ...(await Promise.all(
      references.map((reference) => imageEvent(context, 'tag', image, { name: familiarReference(reference) })),
    )),
  ]);
}

function partsOf(
  { host }: ImageContext,
  { target, blobs, variants }: WrittenImage,
  names: readonly string[],
): ArchivePart[] {
  const shown = bestForPlatform(host, variants, ({ platform }) => platform) ?? variants[0];
  const part = { target, blobs, shown };
  if (names.length === 0) return [part];
  return names.map((name) => ({ ...part, reference: nameToGive(name, '') }));
}
