import { invalid } from '../../base/errors.ts';
import { bodyStream } from '../http/body.ts';
import type { Exchange } from '../http/exchange.ts';
import { decodeRegistryConfig } from '../http/registry-auth.ts';
import type { ClassicBuild } from '../../spec/contract/classic-build.ts';
import type { RegistryAuth } from '../services/image.ts';
import type { HostConfig, Ulimit } from '../../spec/engine/container.ts';
import type { ProgressSink } from '../../spec/engine/progress.ts';
import { type Decoder, decode, list, nullable, optional, record, string, struct } from '../../spec/decode/decoder.ts';
import { ulimit } from '../../spec/decode/host-config.ts';
import { parseJson } from '../../spec/decode/json.ts';
import { queryInteger } from '../../spec/decode/query.ts';

/** `remote` of clients that send the files they are asked for, and of those that send an archive in another request. */
const fromSession = 'client-session';
const fromUpload = 'upload-request';

/** The build that the request brings a context for; undefined when it is one that wants a build itself. */
export function uploadedFor(exchange: Exchange): string | undefined {
  const id = exchange.text('buildid') ?? '';
  return id.startsWith(`${fromUpload}:`) ? id.slice(fromUpload.length + 1) : undefined;
}

/** What `POST /build` wants. @throws EngineError `invalid`, not-implemented */
export function classicBuild(exchange: Exchange, progress: ProgressSink): ClassicBuild {
  const text = (name: string): string => exchange.text(name) ?? '';
  const [version, session, remote, buildId] = [text('version'), text('session'), text('remote'), text('buildid')];
  if (!['', '1', '2'].includes(version)) {
    throw invalid(`invalid version ${JSON.stringify(version)} of a build: expected 1 or 2`);
  }
  if (remote === fromSession && session === '') throw invalid(`remote=${fromSession} needs the parameter session`);
  if (remote === fromUpload && buildId === '') throw invalid(`remote=${fromUpload} needs the parameter buildid`);
  refuseForeign(exchange);
  const isTraced = version === '2';
  const logins = decodeRegistryConfig(exchange.request.headers['x-registry-config']);
  return {
    buildId,
    archive: bodyStream(exchange.request),
    from: remote === fromSession ? 'session' : remote === fromUpload ? 'upload' : 'archive',
    session,
    isTraced,
    attributes: attributesOf(exchange, text, isTraced),
    names: (exchange.query.get('t') ?? []).filter((name) => name !== ''),
    output: outputOf(text('outputs'), isTraced),
    hostConfig: networkOf(text('networkmode'), isTraced),
    limits: limitsOf(exchange, text),
    quiet: exchange.flag('q'),
    logins: (host) => loginFor(logins, host),
    progress,
    signal: exchange.signal,
  };
}

/** Settings of another system's containers. @throws EngineError `invalid` */
function refuseForeign(exchange: Exchange): void {
  if (exchange.query.has('securityopt')) throw invalid('security options are not supported on linux');
  const isolation = exchange.text('isolation') ?? '';
  if (isolation !== '' && isolation !== 'default') throw invalid(`unsupported isolation: ${JSON.stringify(isolation)}`);
}

function attributesOf(
  exchange: Exchange,
  text: (name: string) => string,
  isTraced: boolean,
): ReadonlyMap<string, string> {
  const attributes = new Map<string, string>();
  const set = (name: string, value: string): void => {
    if (value !== '') attributes.set(name, value);
  };
  set('filename', text('dockerfile') === '.' ? '' : text('dockerfile'));
  set('context', [fromSession, fromUpload].includes(text('remote')) ? '' : text('remote'));
  set('target', text('target'));
  set('platform', text('platform'));
  set('force-network-mode', isCustom(text('networkmode')) ? '' : text('networkmode'));
  set('shm-size', text('shmsize') === '0' ? '' : text('shmsize'));
  set('cgroup-parent', text('cgroupparent'));
  set('ulimit', ulimitsOf(text('ulimits')));
  set('add-hosts', (exchange.query.get('extrahosts') ?? []).map(hostOf).join(','));
  if (exchange.flag('squash')) attributes.set('squash', 'true');
  if (exchange.flag('nocache')) attributes.set('no-cache', '');
  if (exchange.flag('pull')) attributes.set('image-resolve-mode', 'pull');
  for (const [name, value] of namedTexts('buildargs', text('buildargs'))) {
    // A value of null takes what the Dockerfile says.
    if (value !== undefined) attributes.set(`build-arg:${name}`, value);
  }
  for (const [name, value] of namedTexts('labels', text('labels'))) attributes.set(`label:${name}`, value ?? '');
  const cacheFrom = listOfTexts('cachefrom', text('cachefrom'));
  // The classic builder looks among the engine's own steps, which are looked at in any case.
  if (isTraced) set('cache-from', cacheFrom.join(','));
  return attributes;
}

/** `name:address`; an address may have colons, too. */
const hostOf = (entry: string): string => entry.replace(/^([^:=,]+):/, '$1=');

/** A network that the engine has. BuildKit's clients cannot name any. */
const isCustom = (mode: string): boolean => !['', 'default', 'none', 'host'].includes(mode);

function networkOf(mode: string, isTraced: boolean): Partial<HostConfig> {
  if (!isCustom(mode) || mode === 'bridge') return {};
  if (isTraced) throw invalid(`network mode ${JSON.stringify(mode)} not supported by buildkit`);
  return { NetworkMode: mode };
}

const wholeNumber = { min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER };

/** What each RUN may use; ranges are checked where it starts. */
function limitsOf({ query }: Exchange, text: (name: string) => string): Partial<HostConfig> {
  const number = (name: string): number => queryInteger(query, name, wholeNumber) ?? 0;
  const wanted: Partial<HostConfig> = {
    Memory: number('memory'),
    MemorySwap: number('memswap'),
    CpuShares: number('cpushares'),
    CpuPeriod: number('cpuperiod'),
    CpuQuota: number('cpuquota'),
    CpusetCpus: text('cpusetcpus'),
    CpusetMems: text('cpusetmems'),
  };
  return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== 0 && value !== ''));
}

interface WireOutput {
  Type: string;
  Attrs: Record<string, string> | null;
}
const outputs = struct<{ value: WireOutput[] }>('', {
  value: list(struct<WireOutput>('Output', { Type: string, Attrs: nullable(record(string)) })),
});

/** At most one, as in Docker. @throws EngineError `invalid` */
function outputOf(json: string, isTraced: boolean): ClassicBuild['output'] {
  const [output, ...more] = jsonOf('outputs', outputs, json, 'a list of objects with Type and Attrs in JSON') ?? [];
  if (output === undefined) return undefined;
  if (!isTraced) throw invalid('outputs needs version=2: the classic builder makes only images');
  if (more.length > 0) throw invalid('multiple outputs not supported');
  return { type: output.Type, attributes: new Map(Object.entries(output.Attrs ?? {})) };
}

const ulimits = struct<{ value: Ulimit[] }>('', { value: list(ulimit) });

const ulimitsOf = (json: string): string =>
  (jsonOf('ulimits', ulimits, json, 'a list of limits in JSON') ?? [])
    .map(({ Name, Soft, Hard }) => `${Name}=${Soft}:${Hard}`)
    .join(',');

const texts = struct<{ value: Record<string, string | undefined> }>('', { value: record(optional(string)) });

const namedTexts = (what: string, json: string): [string, string | undefined][] =>
  Object.entries(jsonOf(what, texts, json, 'an object of texts in JSON') ?? {});

const textList = struct<{ value: string[] }>('', { value: list(string) });

const listOfTexts = (what: string, json: string): readonly string[] =>
  jsonOf(what, textList, json, 'a list of texts in JSON') ?? [];

/** A parameter in JSON; undefined when it is left out. @throws EngineError `invalid` */
function jsonOf<T>(what: string, decoder: Decoder<{ value: T }>, json: string, expected: string): T | undefined {
  if (json === '') return undefined;
  try {
    return decode(decoder, { value: parseJson(Buffer.from(json)) }).value;
  } catch (error) {
    throw invalid(`error reading ${what}: expected ${expected}`, error);
  }
}

/** Clients name Docker Hub by the address of its old index. */
function loginFor(logins: ReadonlyMap<string, RegistryAuth>, host: string): RegistryAuth | undefined {
  return logins.get(host) ?? (host === 'docker.io' ? logins.get('https://index.docker.io/v1/') : undefined);
}
