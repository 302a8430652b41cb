import { EngineError } from '../base/errors.ts';
import type { BaseImage, BuildContent, BuiltLayer, ImageToStore } from '../spec/contract/build.ts';
import { type ImageManifest, mediaTypes } from '../spec/oci/image.ts';
import { familiarReference } from '../spec/reference/reference.ts';
import type { ContentOperation } from './content.ts';
import type { ImageContext } from './context.ts';
import { describeBytes, encodeDocument } from './document.ts';
import { imageEvent } from './event.ts';
import type { Transfers } from './fetch-layers.ts';
import { emptyLayer, storeNewLayer } from './new-layer.ts';
import { resolveImage } from './resolve.ts';
import { storeImage } from './store-image.ts';
import { nameToGive } from './tag.ts';
import { admitOrigin } from './trust/admit.ts';
import { makeVariant } from './variant.ts';

/** What one build uses and makes of the images. */
export function beginBuild(context: ImageContext, transfers: Transfers): BuildContent {
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
    storeImage: (image) => storeBuilt(context, content, image),
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

async function storeBuilt(context: ImageContext, content: ContentOperation, { config, layers, names }: ImageToStore) {
  const references = names.map((name) => nameToGive(name, ''));
  const origin = { transport: 'local' } as const;
  const [first] = references;
  await admitOrigin(context, origin, first === undefined ? 'of a build' : familiarReference(first));
  const configBytes = encodeDocument(config);
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: describeBytes(mediaTypes.ociConfig, configBytes),
    layers: layers.map(({ blob }) => blob),
  };
  const bytes = encodeDocument(manifest);
  const target = describeBytes(mediaTypes.ociManifest, bytes);
  await content.putBlob(configBytes, manifest.config.digest);
  await content.putBlob(bytes, target.digest);
  const { variant } = makeVariant(target, manifest, configBytes);
  const blobs = [target, manifest.config, ...manifest.layers];
  const complete = { target, variants: [variant], blobs, origin };
  await storeImage(context, complete, references, async (image) => [
    await imageEvent(context, 'create', image, {}),
    ...(await Promise.all(
      references.map((reference) => imageEvent(context, 'tag', image, { name: familiarReference(reference) })),
    )),
  ]);
  return { id: target.digest, config: manifest.config.digest };
}
