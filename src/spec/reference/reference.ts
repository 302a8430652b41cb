import { type EngineError, invalid } from '../../base/errors.ts';
import { type Digest, isHex64, tryDigest } from '../../base/ids.ts';
import { scanDomain, scanPath, scanTag } from './scan.ts';

/**
 * A name of an image, normalised: `busybox` is `docker.io` / `library/busybox`. Grammar, defaults, limits and error
 * texts are those of the distribution project's reference package, which clients share.
 */
export interface Reference {
  /** Host with an optional port. */
  readonly domain: string;
  /** The repository inside the registry. */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

export const defaultDomain = 'docker.io';
/** The registry behind the default domain has another host name. */
export const defaultRegistryHost = 'registry-1.docker.io';
const legacyDefaultDomain = 'index.docker.io';
const officialPrefix = 'library/';
export const defaultTag = 'latest';
const longestPath = 255;

/** Where the registry of a domain is asked. */
export const registryHostOf = (domain: string): string => (domain === defaultDomain ? defaultRegistryHost : domain);

const badFormat = (): EngineError => invalid('invalid reference format');

/**
 * Parses what a user writes for an image: `busybox`, `host:5000/a/b:tag`, `a/b@sha256:...`. No default tag is added.
 * @throws EngineError `invalid` with the text that Docker's clients know.
 */
export function parseReference(text: string): Reference {
  if (text === '') throw badFormat();
  if (isHex64(text)) {
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  const { domain, remainder } = splitDomain(text);
  const colon = remainder.indexOf(':');
  const name = colon < 0 ? remainder : remainder.slice(0, colon);
  if (name.toLowerCase() !== name) {
    throw invalid(`invalid reference format: repository name (${name.slice(0, longestPath)}) must be lowercase`);
  }
  if (scanDomain(domain, 0) !== domain.length) throw badFormat();
  return { domain, ...parseRemainder(remainder) };
}

function splitDomain(text: string): { domain: string; remainder: string } {
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(slash, 0));
  const isDomain =
    slash >= 0 &&
    (first === 'localhost' || first.includes('.') || first.includes(':') || first.toLowerCase() !== first);
  const domain = isDomain && first !== legacyDefaultDomain ? first : defaultDomain;
  const remainder = isDomain ? text.slice(slash + 1) : text;
  const isOfficial = domain === defaultDomain && !remainder.includes('/');
  return { domain, remainder: isOfficial ? officialPrefix + remainder : remainder };
}

/** `path [':' tag] ['@' digest]` */
function parseRemainder(text: string): { path: string; tag?: string; digest?: Digest } {
  let end = scanPath(text, 0);
  if (end < 0) throw badFormat();
  const path = text.slice(0, end);
  let tag: string | undefined;
  if (text[end] === ':') {
    const tagEnd = scanTag(text, end + 1);
    if (tagEnd < 0) throw badFormat();
    tag = text.slice(end + 1, tagEnd);
    end = tagEnd;
  }
  let digest: Digest | undefined;
  if (text[end] === '@') {
    digest = tryDigest(text.slice(end + 1));
    if (digest === undefined) throw badFormat();
    end = text.length;
  }
  if (end !== text.length) throw badFormat();
  if (path.length > longestPath) throw invalid(`repository name must not be more than ${longestPath} characters`);
  return { path, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

/**
 * A tag alone, as `POST /images/{name}/tag?tag=` has it.
 * @throws EngineError `invalid`, `invalid tag format`.
 */
export function parseTag(text: string): string {
  if (text === '' || scanTag(text, 0) !== text.length) throw invalid('invalid tag format');
  return text;
}

/** The same name with `:latest` when it has neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  if (reference.tag !== undefined || reference.digest !== undefined) return reference;
  return { ...reference, tag: defaultTag };
}

/** Only the repository: no tag, no digest. */
export const repositoryOf = ({ domain, path }: Reference): Reference => ({ domain, path });

export const sameRepository = (a: Reference, b: Reference): boolean => a.domain === b.domain && a.path === b.path;

const suffixOf = ({ tag, digest }: Reference): string =>
  (tag === undefined ? '' : `:${tag}`) + (digest === undefined ? '' : `@${digest}`);

/** The full form, `docker.io/library/busybox:latest`; what records are keyed by. */
export const formatReference = (reference: Reference): string =>
  `${reference.domain}/${reference.path}${suffixOf(reference)}`;

/**
 * The repository as Docker shows it: `busybox`, `me/app`, `host:5000/app`. The default domain is left out only where
 * the rest would be read as the same name again.
 */
export function familiarName({ domain, path }: Reference): string {
  const full = `${domain}/${path}`;
  if (domain !== defaultDomain) return full;
  const short = path.startsWith(officialPrefix) ? path.slice(officialPrefix.length) : path;
  if (!short.includes('/')) return short;
  return splitDomain(path).domain === defaultDomain ? path : full;
}

/** The whole name as Docker shows it: `busybox:latest`. */
export const familiarReference = (reference: Reference): string => familiarName(reference) + suffixOf(reference);
