import { formatTime, zeroTime } from '../base/clock.ts';
import type { ImageInspect } from '../spec/engine/image.ts';
import type { ImageConfig } from '../spec/oci/image.ts';
import type { ImageContext } from './context.ts';
import { imageIdentity, manifestSummaries, variantSize } from './manifests.ts';
import { chooseVariant, findImage } from './resolve.ts';
import { imageSize, repoDigests, repoTags } from './view.ts';

/** What is said of an image all of whose platforms were removed. */
const noConfig: ImageConfig = {
  architecture: '',
  os: '',
  config: {},
  rootfs: { type: 'layers', diff_ids: [] },
  history: [],
};

/**
 * One image as `GET /images/{name}/json` shows it, whatever the API's version. With a platform, id and descriptor are
 * those of its manifest. @throws EngineError not-found, invalid
 */
export async function inspectImage(
  context: ImageContext,
  nameOrId: string,
  options: { readonly manifests: boolean; readonly platform?: string },
): Promise<ImageInspect> {
  const { image } = findImage(context.catalog, nameOrId);
  const { manifests, platform } = options;
  const isEmpty = image.variants.length === 0 && platform === undefined;
  const variant = isEmpty ? undefined : chooseVariant(image, context.host, platform, nameOrId);
  const config = variant === undefined ? noConfig : await context.configs(variant.config.digest);
  const names = context.catalog.namesOf(image.id);
  const lastTag = names.at(-1)?.taggedNs;
  const target = platform === undefined || variant === undefined ? image.target : variant.manifest;
  const identity = imageIdentity(image);
  return {
    Id: target.digest,
    RepoTags: repoTags(names),
    RepoDigests: repoDigests(names, image.id),
    Parent: image.parent ?? '',
    Comment: config.history.at(-1)?.comment ?? '',
    ...(config.created === undefined ? {} : { Created: config.created }),
    Author: config.author ?? '',
    Config: config.config,
    Architecture: config.architecture,
    ...(config.variant === undefined ? {} : { Variant: config.variant }),
    Os: config.os,
    ...(config['os.version'] === undefined ? {} : { OsVersion: config['os.version'] }),
    Size: variant === undefined ? imageSize(context, image) : variantSize(context, variant),
    GraphDriver: { Name: context.content.storageDriver, Data: null },
    RootFS: { Type: 'layers', Layers: [...config.rootfs.diff_ids] },
    Metadata: { LastTagTime: lastTag === undefined ? zeroTime : formatTime(lastTag) },
    Descriptor: target,
    ...(manifests ? { Manifests: await manifestSummaries(context, image) } : {}),
    ...(identity === undefined ? {} : { Identity: identity }),
  };
}
