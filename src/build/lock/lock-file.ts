import { invalid, messageOf } from '../../base/errors.ts';
import { type JsonObject, objectOf, optionalList, parseJsonObject, requiredString } from '../../spec/oci/json.ts';

/** Something of a build that lies elsewhere, as the build names it. */
export type LockSource =
  /** A reference with its tag, for one platform. */
  | { readonly type: 'image'; readonly name: string; readonly platform: string }
  /** A repository, without a login; an empty ref is what the repository says itself. */
  | { readonly type: 'git'; readonly name: string; readonly ref: string }
  /** An address without a login and what stands behind its path: of that, which may be secret, only the digest. */
  | { readonly type: 'http'; readonly name: string; readonly query: string };

/** A source with what it was resolved to: a digest (`sha256:...`), of git the commit. */
export interface LockEntry {
  readonly source: LockSource;
  readonly value: string;
}

const version = 1;
const most = 100_000;
const order = ['image', 'git', 'http'];

/** What is the same for one source in all builds. */
export const sourceKey = (source: LockSource): string =>
  JSON.stringify([
    String(order.indexOf(source.type)),
    source.name,
    source.type === 'image' ? source.platform : source.type === 'git' ? source.ref : source.query,
  ]);

/** How a source is shown. */
export function shownSource(source: LockSource): string {
  if (source.type === 'image') return `the image ${source.name} for ${source.platform}`;
  if (source.type === 'git') return `the repository ${source.name}${source.ref === '' ? '' : ` at ${source.ref}`}`;
  return `the file ${source.name}`;
}

/** Reads a lock file; `name` is what it is called in errors. @throws EngineError `invalid` */
export function parseLock(bytes: Uint8Array, name: string): LockEntry[] {
  try {
    const json = parseJsonObject(bytes, 'the lock');
    if (json['version'] !== version) {
      throw invalid(`version ${JSON.stringify(json['version'] ?? null)} is not known: expected ${version}`);
    }
    const entries = optionalList(json['sources'], 'sources', most, entryOf) ?? [];
    const seen = new Set<string>();
    for (const { source } of entries) {
      const key = sourceKey(source);
      if (seen.has(key)) throw invalid(`sources has ${shownSource(source)} twice`);
      seen.add(key);
    }
    return entries;
  } catch (error) {
    throw invalid(`${name}: ${messageOf(error)}`, error);
  }
}

function entryOf(value: unknown, what: string): LockEntry {
  const json = objectOf(value, what);
  const name = requiredString(json['name'], `${what}.name`);
  const text = (key: string): string => textIn(json, key, what);
  switch (json['type']) {
    case 'image':
      return { source: { type: 'image', name, platform: text('platform') }, value: digestIn(json, what) };
    case 'git': {
      const commit = text('commit');
      if (!/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(commit)) {
        throw invalid(`${what}.commit: ${JSON.stringify(commit.slice(0, 100))}: expected 40 or 64 hex digits`);
      }
      return { source: { type: 'git', name, ref: text('ref') }, value: commit };
    }
    case 'http':
      return { source: { type: 'http', name, query: text('query') }, value: digestIn(json, what) };
    default:
      throw invalid(`${what}.type: ${JSON.stringify(json['type'] ?? null)}: expected image, git or http`);
  }
}

/** A text; empty when it is left out. */
function textIn(json: JsonObject, key: string, what: string): string {
  const value = json[key] ?? '';
  if (typeof value !== 'string') throw invalid(`${what}.${key} must be a string`);
  return value;
}

function digestIn(json: JsonObject, what: string): string {
  const digest = textIn(json, 'digest', what);
  if (/^sha256:[0-9a-f]{64}$/.test(digest)) return digest;
  throw invalid(
    `${what}.digest: ${JSON.stringify(digest.slice(0, 100))}: expected sha256: and 64 lower-case hex digits`,
  );
}

/** The lock file of these sources: always the same text for the same ones, one source a line. */
export function printLock(entries: Iterable<LockEntry>): string {
  const lines = [...entries]
    .map((entry) => ({ key: sourceKey(entry.source), line: JSON.stringify(fieldsOf(entry)) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ line }) => `    ${line}`);
  const sources = lines.length === 0 ? '[]' : `[\n${lines.join(',\n')}\n  ]`;
  return `{\n  "version": ${version},\n  "sources": ${sources}\n}\n`;
}

function fieldsOf({ source, value }: LockEntry): JsonObject {
  const { type, name } = source;
  switch (source.type) {
    case 'image':
      return { type, name, platform: source.platform, digest: value };
    case 'git':
      return { type, name, ...(source.ref === '' ? {} : { ref: source.ref }), commit: value };
    case 'http':
      return { type, name, ...(source.query === '' ? {} : { query: source.query }), digest: value };
  }
}
