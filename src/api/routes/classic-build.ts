import { EngineError, invalid } from '../../base/errors.ts';
import { bodyStream } from '../http/body.ts';
import type { Exchange } from '../http/exchange.ts';
import { decodeRegistryConfig } from '../http/registry-auth.ts';
import type { ClassicBuildRequest } from '../services/build.ts';
import type { RegistryAuth } from '../services/image.ts';
import type { Ulimit } from '../../spec/engine/container.ts';
import type { ProgressSink } from '../../spec/engine/progress.ts';
import { type Decoder, decode, list, optional, record, string, struct } from '../../spec/decode/decoder.ts';
import { ulimit } from '../../spec/decode/host-config.ts';
import { parseJson } from '../../spec/decode/json.ts';

/** Limits of a build's containers that are not there yet: they would be passed by in silence. */
const notYet = ['memory', 'memswap', 'cpushares', 'cpuperiod', 'cpuquota', 'cpusetcpus', 'outputs'];

/** `remote` of clients that send the files they are asked for. */
const fromSession = 'client-session';

/** What `POST /build` wants. @throws EngineError `invalid`, not-implemented */
export function classicBuild(exchange: Exchange, progress: ProgressSink): ClassicBuildRequest {
  const text = (name: string): string => exchange.text(name) ?? '';
  for (const name of notYet) {
    const value = text(name);
    if (value !== '' && value !== '0' && value !== 'false') {
      throw new EngineError('not-implemented', `${name} of a build is not implemented by this engine yet`);
    }
  }
  const [version, session] = [text('version'), text('session')];
  if (!['', '1', '2'].includes(version)) {
    throw invalid(`invalid version ${JSON.stringify(version)} of a build: expected 1 or 2`);
  }
  if (text('remote') === fromSession && session === '') {
    throw invalid(`remote=${fromSession} needs the parameter session`);
  }
  const logins = decodeRegistryConfig(exchange.request.headers['x-registry-config']);
  return {
    archive: bodyStream(exchange.request),
    isFromSession: text('remote') === fromSession,
    session,
    isTraced: version === '2',
    attributes: attributesOf(exchange, text),
    names: (exchange.query.get('t') ?? []).filter((name) => name !== ''),
    quiet: exchange.flag('q'),
    logins: (host) => loginFor(logins, host),
    progress,
    signal: exchange.signal,
  };
}

function attributesOf(exchange: Exchange, text: (name: string) => string): ReadonlyMap<string, string> {
  const attributes = new Map<string, string>();
  const set = (name: string, value: string): void => {
    if (value !== '') attributes.set(name, value);
  };
  set('filename', text('dockerfile'));
  set('context', text('remote') === fromSession ? '' : text('remote'));
  set('target', text('target'));
  set('platform', text('platform'));
  set('force-network-mode', text('networkmode') === 'bridge' ? '' : text('networkmode'));
  set('shm-size', text('shmsize') === '0' ? '' : text('shmsize'));
  set('cgroup-parent', text('cgroupparent'));
  set('ulimit', ulimitsOf(text('ulimits')));
  set('add-hosts', text('extrahosts').replaceAll(/^([^:,]+):/gm, '$1='));
  if (exchange.flag('squash')) attributes.set('squash', 'true');
  if (exchange.flag('nocache')) attributes.set('no-cache', '');
  if (exchange.flag('pull')) attributes.set('image-resolve-mode', 'pull');
  for (const [name, value] of namedTexts('buildargs', text('buildargs'))) {
    // A value of null takes what the Dockerfile says.
    if (value !== undefined) attributes.set(`build-arg:${name}`, value);
  }
  for (const [name, value] of namedTexts('labels', text('labels'))) attributes.set(`label:${name}`, value ?? '');
  return attributes;
}

const limits = struct<{ value: Ulimit[] }>('', { value: list(ulimit) });

const ulimitsOf = (json: string): string =>
  (jsonOf('ulimits', limits, json, 'a list of limits in JSON') ?? [])
    .map(({ Name, Soft, Hard }) => `${Name}=${Soft}:${Hard}`)
    .join(',');

const texts = struct<{ value: Record<string, string | undefined> }>('', { value: record(optional(string)) });

const namedTexts = (what: string, json: string): [string, string | undefined][] =>
  Object.entries(jsonOf(what, texts, json, 'an object of texts in JSON') ?? {});

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
