import { invalid } from '../../base/errors.ts';
import { formatPlatform, parsePlatform } from '../../spec/oci/platform.ts';
import type { Platform } from '../../spec/oci/image.ts';
import type { BuildOptions } from '../plan/options.ts';

/** What clients ask of `dockerfile.v0` by its attributes. */
export type Attributes = ReadonlyMap<string, string>;

/** What is built: once, or once for each platform. */
export interface Targets {
  /** In the order in which they were asked for, each once; undefined for none, which is the builder's own. */
  readonly platforms: readonly (Platform | undefined)[];
  /** The result is a list, if only of one. */
  readonly isList: boolean;
}

/** The platforms among a build's attributes. @throws EngineError `invalid` */
export function targetsOf(attributes: Attributes, host: Platform): Targets {
  const texts = (attributes.get('platform') ?? '').split(',').map((text) => text.trim());
  const wanted = texts.filter((text) => text !== '').map((text) => parsePlatform(text, host));
  const platforms = [...new Map(wanted.map((platform) => [formatPlatform(platform), platform])).values()];
  const given = attributes.get('build-arg:BUILDKIT_MULTI_PLATFORM') || attributes.get('multi-platform') || '';
  const isList = given === '' ? platforms.length > 1 : truthOf('multi-platform', given);
  if (!isList && platforms.length > 1) {
    throw invalid('conflicting config: returning multiple target platforms is not allowed');
  }
  return { platforms: platforms.length === 0 ? [undefined] : platforms, isList };
}

function truthOf(name: string, text: string): boolean {
  if (/^(?:1|t|true)$/i.test(text)) return true;
  if (/^(?:0|f|false)$/i.test(text)) return false;
  throw invalid(`invalid boolean value for ${name}: ${JSON.stringify(text)}`);
}

/** Those attributes that say something to the planner, for one of the platforms. @throws EngineError `invalid` */
export function buildOptions(attributes: Attributes, host: Platform, platform: Platform | undefined): BuildOptions {
  const noCache = attributes.get('no-cache');
  const shmSize = attributes.get('shm-size');
  // What Docker's builder is told by build arguments of its own.
  const hostname = attributes.get('build-arg:BUILDKIT_SANDBOX_HOSTNAME') || attributes.get('hostname');
  const cacheNamespace = attributes.get('build-arg:BUILDKIT_CACHE_MOUNT_NS');
  return {
    args: prefixed(attributes, 'build-arg:'),
    labels: prefixed(attributes, 'label:'),
    contexts: prefixed(attributes, 'context:'),
    buildPlatform: host,
    ...(attributes.get('target') ? { target: attributes.get('target') as string } : {}),
    ...(platform === undefined ? {} : { targetPlatform: platform }),
    noCache: noCache === undefined ? false : noCache === '' ? true : new Set(noCache.split(',')),
    network: networkOf(attributes.get('force-network-mode') ?? ''),
    hosts: hostsOf(attributes.get('add-hosts') ?? ''),
    ...(hostname ? { hostname } : {}),
    ...(cacheNamespace ? { cacheNamespace } : {}),
    ...(shmSize === undefined ? {} : { shmSize: bytesOf(shmSize) }),
    ulimits: (attributes.get('ulimit') ?? '').split(',').filter((text) => text !== ''),
  };
}

const prefixed = (attributes: Attributes, prefix: string): Map<string, string> =>
  new Map(
    [...attributes].flatMap(([name, value]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [])),
  );

function networkOf(mode: string): 'default' | 'none' | 'host' {
  if (mode === '' || mode === 'default' || mode === 'sandbox') return 'default';
  if (mode === 'none' || mode === 'host') return mode;
  throw invalid(`invalid network mode ${JSON.stringify(mode)}: expected default, none or host`);
}

/** `name=address,...`; the planner wants `name:address`. */
const hostsOf = (text: string): string[] =>
  text
    .split(',')
    .filter((entry) => entry !== '')
    .map((entry) => entry.replace('=', ':'));

function bytesOf(text: string): number {
  const bytes = Number(text);
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw invalid(`invalid shm size ${JSON.stringify(text)}`);
  return bytes;
}
