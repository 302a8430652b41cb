import { formatTime, zeroTime } from '../base/clock.ts';
import type { ImageInspect } from '../spec/engine/image.ts';
import type { ImageContext } from './context.ts';
import { chooseVariant, findImage } from './resolve.ts';
import { imageSize, manifestSummaries, repoDigests, repoTags } from './view.ts';

/** One image as `GET /images/{name}/json` shows it. @throws EngineError not-found, invalid */
export async function inspectImage(
  context: ImageContext,
  nameOrId: string,
  options: { readonly manifests: boolean; readonly platform?: string },
): Promise<ImageInspect> {
  const { image } = findImage(context.catalog, nameOrId);
  const variant = chooseVariant(image, context.host, options.platform, nameOrId);
  const config = await context.configs(variant.config.digest);
  const names = context.catalog.namesOf(image.id);
  const lastTag = names.at(-1)?.taggedNs;
  return {
    Id: image.id,
    RepoTags: repoTags(names),
    RepoDigests: repoDigests(names, image.id),
    Parent: '',
    Comment: config.history.at(-1)?.comment ?? '',
    ...(config.created === undefined ? {} : { Created: config.created }),
    DockerVersion: '',
    Author: config.author ?? '',
    Config: config.config,
    Architecture: config.architecture,
    ...(config.variant === undefined ? {} : { Variant: config.variant }),
    Os: config.os,
    ...(config['os.version'] === undefined ? {} : { OsVersion: config['os.version'] }),
    Size: imageSize(context, image),
    GraphDriver: { Name: context.content.storageDriver, Data: null },
    RootFS: { Type: 'layers', Layers: [...config.rootfs.diff_ids] },
    Metadata: { LastTagTime: lastTag === undefined ? zeroTime : formatTime(lastTag) },
    Descriptor: image.target,
    ...(options.manifests ? { Manifests: manifestSummaries(context, image) } : {}),
  };
}
