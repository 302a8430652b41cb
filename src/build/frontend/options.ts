import { invalid } from '../../base/errors.ts';
import { parsePlatform } from '../../spec/oci/platform.ts';
import type { Platform } from '../../spec/oci/image.ts';
import type { BuildOptions } from '../plan/options.ts';
import { missing } from '../solve/keys.ts';

/** What clients ask of `dockerfile.v0` by its attributes. */
export type Attributes = ReadonlyMap<string, string>;

/** Those attributes that say something to the planner. @throws EngineError `invalid`, not-implemented */
export function buildOptions(attributes: Attributes, host: Platform): BuildOptions {
  const platforms = (attributes.get('platform') ?? '').split(',').filter((text) => text !== '');
  if (platforms.length > 1) throw missing('building for several platforms at once');
  const [platform] = platforms;
  const noCache = attributes.get('no-cache');
  const shmSize = attributes.get('shm-size');
  const hostname = attributes.get('hostname');
  return {
    args: prefixed(attributes, 'build-arg:'),
    labels: prefixed(attributes, 'label:'),
    contexts: prefixed(attributes, 'context:'),
    buildPlatform: host,
    ...(attributes.get('target') ? { target: attributes.get('target') as string } : {}),
    ...(platform === undefined ? {} : { targetPlatform: parsePlatform(platform, host) }),
    noCache: noCache === undefined ? false : noCache === '' ? true : new Set(noCache.split(',')),
    network: networkOf(attributes.get('force-network-mode') ?? ''),
    hosts: hostsOf(attributes.get('add-hosts') ?? ''),
    ...(hostname ? { hostname } : {}),
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
