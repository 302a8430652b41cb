import type { Clock } from '../base/clock.ts';
import type { Digest } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import { dropOldest } from '../base/oldest.ts';
import type { AsideRecords } from '../spec/contract/state.ts';
import { parseImageConfig } from '../spec/oci/config.ts';
import type { TrustPolicy } from '../spec/contract/trust.ts';
import type { ImageConfig, Platform } from '../spec/oci/image.ts';
import { largestDocument } from '../spec/oci/json.ts';
import type { LayerCompression } from '../spec/oci/layer-compression.ts';
import type { BlobSources } from './blob-sources.ts';
import type { ImageCatalog } from './catalog.ts';
import type { ImageContent } from './content.ts';
import type { LastUses } from './last-uses.ts';
import type { MountedImages } from './mounted.ts';
import type { UnfinishedPulls } from './unfinished.ts';
import type { UnfinishedUploads } from './unfinished-uploads.ts';
import type { ImageUsers } from './users.ts';

/** What every verb on images works with. */
export interface ImageContext {
  readonly catalog: ImageCatalog;
  readonly content: ImageContent;
  readonly users: ImageUsers;
  readonly mounted: MountedImages;
  readonly uses: LastUses;
  readonly unfinished: UnfinishedPulls;
  readonly uploads: UnfinishedUploads;
  readonly sources: BlobSources;
  readonly configs: ConfigReader;
  readonly clock: Clock;
  readonly host: Platform;
  readonly log: Logger;
  /** Records that could not be read: nothing that they may have named is deleted. */
  readonly aside: AsideRecords;
  /** Of layers that are made here, when nobody says. */
  readonly layerCompression: LayerCompression;
  /** Whether a container runs right now: decides how firmly its image is kept. */
  readonly isRunning: (containerId: string) => boolean;
  /** Which images may be used, as it is now. */
  readonly trust: () => TrustPolicy;
}

export type ConfigReader = (digest: Digest) => Promise<ImageConfig>;

const mostCached = 32;

/** Reads image configurations from the store, and keeps those that were used last. */
export function createConfigReader(content: ImageContent): ConfigReader {
  const cache = new Map<Digest, ImageConfig>();
  return async (digest) => {
    const known = cache.get(digest);
    const config = known ?? parseImageConfig(await content.readBlob(digest, largestDocument));
    cache.delete(digest);
    cache.set(digest, config);
    dropOldest(cache, mostCached);
    return config;
  };
}
