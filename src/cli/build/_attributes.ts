import { invalid } from '../../base/errors.ts';
import { csvFields } from '../../base/text/csv.ts';
import type { Environment } from '../config.ts';
import { CliError } from '../errors.ts';
import type { FlagValues } from '../flags/types.ts';
import { typedFields } from './_fields.ts';
import type { buildFlags } from './_flags.ts';

export type BuildFlags = FlagValues<typeof buildFlags>;

/** `NAME=VALUE`, or `NAME` with its value in the environment; what has none there is left out. @throws CliError */
export function buildArguments(given: readonly string[], env: Environment): Map<string, string> {
  const args = new Map<string, string>();
  for (const text of given) {
    const equals = text.indexOf('=');
    const name = equals < 0 ? text : text.slice(0, equals);
    if (name === '') throw new CliError(`--build-arg: ${JSON.stringify(text)}: expected NAME=VALUE or NAME`);
    const value = equals < 0 ? env[name] : text.slice(equals + 1);
    if (value !== undefined) args.set(name, value);
  }
  return args;
}

const proxies = [
  ['httpProxy', 'HTTP_PROXY'],
  ['httpsProxy', 'HTTPS_PROXY'],
  ['ftpProxy', 'FTP_PROXY'],
  ['noProxy', 'NO_PROXY'],
  ['allProxy', 'ALL_PROXY'],
] as const;
export type ProxyConfig = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** The proxies of `config.json` for this engine, in both spellings; arguments that are given count before them. */
export function proxyArguments(
  config: ProxyConfig,
  host: string,
  args: ReadonlyMap<string, string>,
): Map<string, string> {
  const given = new Set([...args.keys()].map((name) => name.toUpperCase()));
  const found = config[host] ?? config['default'] ?? {};
  const made = new Map<string, string>();
  for (const [key, name] of proxies) {
    const value = found[key];
    if (value === undefined || value === '' || given.has(name)) continue;
    made.set(name, value).set(name.toLowerCase(), value);
  }
  return made;
}

/** What the flags say to the engine's frontend. @throws CliError, EngineError `invalid` */
export function frontendAttributes(
  flags: BuildFlags,
  args: ReadonlyMap<string, string>,
  env: Environment,
): Map<string, string> {
  const attributes = new Map<string, string>();
  const set = (name: string, value: string): void => {
    if (value !== '') attributes.set(name, value);
  };
  for (const [name, value] of args) attributes.set(`build-arg:${name}`, value);
  const epoch = env['SOURCE_DATE_EPOCH'] ?? '';
  if (!args.has('SOURCE_DATE_EPOCH')) set('build-arg:SOURCE_DATE_EPOCH', epoch);
  for (const volume of flags['build-volume']) {
    const [, name = '', path = '', mode = ''] = /^([^:/]+):(\/[^:]+)(:ro|:rw)?$/.exec(volume) ?? [];
    if (name === '') throw new CliError(`--build-volume: ${JSON.stringify(volume)}: expected NAME:/PATH[:ro]`);
    attributes.set(`build-volume:${path}`, name + mode);
  }
  for (const label of flags.label) {
    const equals = label.indexOf('=');
    attributes.set(`label:${equals < 0 ? label : label.slice(0, equals)}`, equals < 0 ? '' : label.slice(equals + 1));
  }
  set('target', flags.target);
  set('platform', platformsOf(flags, env).join(','));
  if (flags['no-cache']) attributes.set('no-cache', '');
  else set('no-cache', flags['no-cache-filter'].flatMap((stages) => stages.split(',')).join(','));
  attributes.set('image-resolve-mode', flags.pull ? 'pull' : 'local');
  set('force-network-mode', networkOf(flags.network));
  // Flags have them as docker run does, with a colon.
  set('add-hosts', flags['add-host'].map((host) => host.replace(':', '=')).join(','));
  if (flags['shm-size'] > 0) set('shm-size', String(flags['shm-size']));
  set('ulimit', flags.ulimit.map(({ Name, Soft, Hard }) => `${Name}=${Soft}:${Hard}`).join(','));
  set('cgroup-parent', flags['cgroup-parent']);
  if (flags.squash) set('squash', 'true');
  if (flags.jobs < 0) throw new CliError(`--jobs: ${flags.jobs}: expected a number from 1 on`);
  if (flags.jobs > 0) set('jobs', String(flags.jobs));
  for (const [name, value] of attestations(flags)) attributes.set(`attest:${name}`, value);
  return attributes;
}

const platformsOf = ({ platform }: BuildFlags, env: Environment): string[] => {
  const given = platform.length > 0 ? platform : [env['DOCKER_DEFAULT_PLATFORM'] ?? ''];
  return given.flatMap((text) => text.split(',')).filter((text) => text !== '');
};

function networkOf(network: string): string {
  if (['', 'default'].includes(network)) return '';
  if (['host', 'none'].includes(network)) return network;
  throw new CliError(`network mode ${JSON.stringify(network)} not supported by builds: expected default, none or host`);
}

function attestations({ attest, sbom, provenance }: BuildFlags): Map<string, string> {
  const found = new Map<string, string>();
  const note = (type: string, parameters: string): void => {
    if (parameters === 'false' || parameters === 'disabled=true') found.delete(type);
    else found.set(type, parameters === 'true' ? '' : parameters);
  };
  for (const text of attest) {
    const { type, fields } = typedFields('attest', text);
    if (!['sbom', 'provenance'].includes(type)) {
      throw invalid(`--attest: unknown attestation type ${JSON.stringify(type)}, expected sbom or provenance`);
    }
    note(type, [...fields].map(([key, value]) => `${key}=${value}`).join(','));
  }
  if (provenance !== '') note('provenance', /^(min|max)$/.test(provenance) ? `mode=${provenance}` : provenance);
  if (sbom !== '') note('sbom', sbom);
  return found;
}

export interface CacheEntry {
  readonly type: string;
  readonly attrs: ReadonlyMap<string, string>;
}

/** `NAME` is the cache in a registry under that name. @throws EngineError `invalid` */
export function cacheEntries(flag: 'cache-from' | 'cache-to', texts: readonly string[]): CacheEntry[] {
  return texts
    .filter((text) => text !== '')
    .map((text) => {
      const fields = csvFields(text);
      if (fields.length === 1 && !text.includes('=')) return { type: 'registry', attrs: new Map([['ref', text]]) };
      const { type, fields: attrs } = typedFields(flag, text);
      return { type, attrs };
    });
}
