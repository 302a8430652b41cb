import type { ImageConfig, Platform } from '../../spec/oci/image.ts';

/** What a build is asked for, besides its Dockerfile. */
export interface BuildOptions {
  /** A stage by name or by number; the last one when it is left out. */
  readonly target?: string;
  readonly args: ReadonlyMap<string, string>;
  /** Put on the result, over those of the Dockerfile. */
  readonly labels: ReadonlyMap<string, string>;
  /** Where builds run. */
  readonly buildPlatform: Platform;
  /** What the result is for; the build platform when it is left out. */
  readonly targetPlatform?: Platform;
  /** Titles of steps say for which platform they are: the build is for several. */
  readonly namesPlatform?: boolean;
  /** Contexts by name and where they are: `docker-image://...`, `oci-layout://...`, an address, or anything else. */
  readonly contexts: ReadonlyMap<string, string>;
  /** All stages, or those with these names, do not use the cache. */
  readonly noCache: boolean | ReadonlySet<string>;
  readonly network: 'default' | 'none' | 'host';
  /** Lines of /etc/hosts, `name:address`. */
  readonly hosts: readonly string[];
  readonly hostname?: string;
  /** Put before the ids of all cache mounts, so that builds with another one do not see them. */
  readonly cacheNamespace?: string;
  /** Bytes. */
  readonly shmSize?: number;
  readonly ulimits: readonly string[];
}

/** Options that ask for nothing. */
export const plainOptions = (buildPlatform: Platform): BuildOptions => ({
  args: new Map(),
  labels: new Map(),
  buildPlatform,
  contexts: new Map(),
  noCache: false,
  network: 'default',
  hosts: [],
  ulimits: [],
});

/** An image that a stage stands on, for one platform. */
export interface BaseImage {
  /** With its digest, where it has one. */
  readonly reference: string;
  readonly config: ImageConfig;
}

/** An image to be looked up before a plan is complete. */
export interface WantedImage {
  /** Normalised, with its tag. */
  readonly reference: string;
  readonly platform: Platform;
}

/** What is known of an image: `unknown` when it will not be looked up, undefined when it has not been yet. */
export type LookUp = (wanted: WantedImage) => BaseImage | 'unknown' | undefined;
