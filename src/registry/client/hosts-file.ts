import { invalid, messageOf } from '../../base/errors.ts';
import { parseDuration } from '../../base/text/duration.ts';

/** What a place may be asked for: bytes under a digest, what a tag means, and to take pushes. */
export type Capability = 'pull' | 'resolve' | 'push' | 'referrers';
const capabilities: readonly Capability[] = ['pull', 'resolve', 'push', 'referrers'];

/** One place in a `hosts.toml`: a mirror, or the registry itself. Paths are as written. */
export interface HostEntry {
  /** Root of the API, with a slash at the end; undefined where the registry is under its own name. */
  readonly root: URL | undefined;
  readonly capabilities: ReadonlySet<Capability>;
  readonly authorities: readonly string[];
  /** Certificate and key; without a key the certificate's file holds both. */
  readonly client: readonly { readonly cert: string; readonly key: string | undefined }[];
  readonly skipVerify: boolean | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly dialTimeoutMs: number | undefined;
  /** Says where something of this entry is wrong: `/etc/.../hosts.toml:3: ca: ...`. */
  readonly wrong: (key: string, why: string) => Error;
}

export interface HostsFile {
  /** To be asked in this order, before the registry. */
  readonly mirrors: readonly HostEntry[];
  readonly server: HostEntry;
}

type Table = Readonly<Record<string, unknown>>;
const isTable = (value: unknown): value is Table =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);

const entryKeys = ['capabilities', 'ca', 'client', 'skip_verify', 'header', 'override_path', 'dial_timeout'];
const mostHosts = 32;

/**
 * Reads containerd's `hosts.toml` (its docs/hosts.md). Stricter than containerd, which passes over what it does not
 * know and over a whole file that is wrong. @throws EngineError `invalid` that names file, line and key
 */
export async function parseHostsFile(text: string, path: string): Promise<HostsFile> {
  const { parse, TomlError } = await import('smol-toml');
  let document: Table;
  try {
    document = parse(text, { maxDepth: 20 });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = messageOf(error).split('\n', 1)[0] ?? '';
    throw invalid(`${path}:${error.line}: ${reason.replace(/^Invalid TOML document: /, 'invalid TOML: ')}`, error);
  }
  const tableOf = (line: string): readonly string[] => {
    const keys: string[] = [];
    for (let at: unknown = parse(line); isTable(at); at = Object.values(at)[0]) {
      const [key] = Object.keys(at);
      if (key !== undefined) keys.push(key);
    }
    return keys;
  };
  const wrong = (keys: readonly string[], why: string): Error =>
    invalid(`${path}:${lineOf(text, keys, tableOf)}: ${shownKey(keys)}: ${why}`);
  checkKeys(document, ['server', 'host', ...entryKeys], (key, why) => wrong([key], why));
  const { server, host = {} } = document;
  if (!isTable(host)) throw wrong(['host'], 'expected tables like [host."https://mirror.example"]');
  const hosts = Object.entries(host);
  if (hosts.length > mostHosts) throw wrong(['host'], `more than ${mostHosts} hosts`);
  const mirrors = hosts.map(([url, entry]) => {
    if (!isTable(entry)) throw wrong(['host', url], 'expected a table');
    const say = (key: string, why: string): Error => wrong(['host', url, ...(key === '' ? [] : [key])], why);
    checkKeys(entry, entryKeys, say);
    return entryOf(entry, url, '', say);
  });
  if (server !== undefined && typeof server !== 'string') throw wrong(['server'], 'expected a string with a URL');
  return { mirrors, server: entryOf(document, server || undefined, 'server', (key, why) => wrong([key], why)) };
}

function checkKeys(table: Table, known: readonly string[], wrong: HostEntry['wrong']): void {
  for (const key of Object.keys(table)) {
    if (!known.includes(key)) throw wrong(key, `unknown key; known are ${known.join(', ')}`);
  }
}

function entryOf(table: Table, url: string | undefined, urlKey: string, wrong: HostEntry['wrong']): HostEntry {
  return {
    root: url === undefined ? undefined : rootOf(url, switchOf(table, 'override_path', wrong) ?? false, urlKey, wrong),
    capabilities: capabilitiesOf(table, wrong),
    authorities: pathsOf(table['ca'], 'ca', wrong),
    client: clientOf(table, wrong),
    skipVerify: switchOf(table, 'skip_verify', wrong),
    headers: headersOf(table, wrong),
    dialTimeoutMs: dialTimeoutOf(table, wrong),
    wrong,
  };
}

function rootOf(text: string, isWhole: boolean, key: string, wrong: HostEntry['wrong']): URL {
  const url = URL.parse(text.includes('://') ? text : `https://${text}`);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw wrong(key, 'expected a URL of http or https');
  }
  if (url.username !== '' || url.password !== '') {
    throw wrong(key, 'a URL with user or password; expected one without: use the key header');
  }
  if (url.search !== '' || url.hash !== '') throw wrong(key, 'a URL with query or fragment; expected one without');
  return apiRoot(url, isWhole);
}

/** The root of the API of what is written down as a registry's URL: `/v2/` follows, unless it is there already. */
export function apiRoot(url: URL, isWhole = false): URL {
  const root = new URL(url);
  const path = root.pathname.replace(/\/+$/, '');
  root.pathname = isWhole || path.endsWith('/v2') ? `${path}/` : `${path}/v2/`;
  return root;
}

function capabilitiesOf(table: Table, wrong: HostEntry['wrong']): ReadonlySet<Capability> {
  const given = table['capabilities'];
  if (given === undefined || (Array.isArray(given) && given.length === 0)) return new Set(capabilities);
  if (!Array.isArray(given)) throw wrong('capabilities', `expected a list of ${capabilities.join(', ')}`);
  return new Set(
    given.map((word: unknown) => {
      const found = capabilities.find((known) => typeof word === 'string' && known === word.toLowerCase());
      if (found !== undefined) return found;
      throw wrong('capabilities', `${JSON.stringify(word)}: expected one of ${capabilities.join(', ')}`);
    }),
  );
}

function pathsOf(value: unknown, key: string, wrong: HostEntry['wrong']): readonly string[] {
  const paths: unknown[] = value === undefined ? [] : Array.isArray(value) ? value : [value];
  return paths.map((path) => {
    if (typeof path === 'string' && path !== '' && !path.includes('\0')) return path;
    throw wrong(key, 'expected a path or a list of paths');
  });
}

function clientOf({ client }: Table, wrong: HostEntry['wrong']): HostEntry['client'] {
  const pairs: unknown[] = client === undefined ? [] : Array.isArray(client) ? client : [client];
  return pairs.map((pair) => {
    const paths = pathsOf(pair, 'client', wrong);
    const [cert, key] = paths;
    if (cert !== undefined && paths.length === (Array.isArray(pair) ? 2 : 1)) return { cert, key };
    throw wrong('client', 'expected a path, a list of paths, or a list of pairs of certificate and key');
  });
}

function switchOf(table: Table, key: string, wrong: HostEntry['wrong']): boolean | undefined {
  const value = table[key];
  if (value === undefined || typeof value === 'boolean') return value;
  throw wrong(key, 'expected true or false');
}

/** Headers that say where a request goes and where it ends are not for a file to change. */
const framing: ReadonlySet<string> = new Set(
  'host connection content-length transfer-encoding upgrade te trailer expect proxy-authorization range'.split(' '),
);

function headersOf({ header = {} }: Table, wrong: HostEntry['wrong']): Readonly<Record<string, string>> {
  if (!isTable(header)) throw wrong('header', 'expected a table of names and values');
  const { validateHeaderName, validateHeaderValue } = process.getBuiltinModule('node:http');
  return Object.fromEntries(
    Object.entries(header).map(([name, value]): [string, string] => {
      const values: unknown[] = Array.isArray(value) ? value : [value];
      if (!values.every((each) => typeof each === 'string')) {
        throw wrong('header', `${JSON.stringify(name)}: expected a string or a list of strings`);
      }
      if (framing.has(name.toLowerCase())) throw wrong('header', `${JSON.stringify(name)} cannot be set`);
      const joined = values.join(', ');
      try {
        validateHeaderName(name);
        validateHeaderValue(name, joined);
      } catch (error) {
        throw wrong('header', messageOf(error));
      }
      return [name.toLowerCase(), joined];
    }),
  );
}

function dialTimeoutOf(table: Table, wrong: HostEntry['wrong']): number | undefined {
  const text = table['dial_timeout'];
  if (text === undefined || text === '') return undefined;
  if (typeof text !== 'string') throw wrong('dial_timeout', 'expected a duration like "3s"');
  let ns: bigint;
  try {
    ns = parseDuration(text);
  } catch (error) {
    throw wrong('dial_timeout', messageOf(error));
  }
  if (ns <= 0n || ns > 3600n * 1_000_000_000n)
    throw wrong('dial_timeout', 'expected more than nothing, an hour at most');
  return Math.max(1, Number(ns / 1_000_000n));
}

const shownKey = (keys: readonly string[]): string =>
  keys
    .map((key, at) => (at === 1 && keys[0] === 'host' ? JSON.stringify(key) : key))
    .join('.')
    .slice(0, 300);

/**
 * The line (from 1) on which a key is set, as far as a look at the lines tells; else that of its table, else 1. The
 * document as a whole is good TOML; `tableOf` reads the names in a line `[a."b"]`.
 */
function lineOf(text: string, keys: readonly string[], tableOf: (line: string) => readonly string[]): number {
  const wanted = keys.at(-1) ?? '';
  let table: readonly string[] = [];
  let found = 1;
  for (const [at, line] of text.split('\n').entries()) {
    const bare = line.trim();
    if (bare.startsWith('[')) {
      try {
        table = tableOf(bare);
      } catch {
        // A line inside of a list or a long string: no table begins here.
        continue;
      }
      if (keys.length > 0 && table.length >= keys.length && keys.every((key, i) => table[i] === key)) return at + 1;
      if (table.length > 0 && table.every((key, i) => keys[i] === key)) found = at + 1;
      continue;
    }
    const name = bare.split('=', 1)[0]?.trim() ?? '';
    const isWanted = name === wanted || name === JSON.stringify(wanted) || name === `'${wanted}'`;
    if (isWanted && table.length === keys.length - 1 && table.every((key, i) => keys[i] === key)) return at + 1;
  }
  return found;
}
