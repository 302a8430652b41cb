import { hash } from 'node:crypto';
import { EngineError, invalid, messageOf } from '../../base/errors.ts';
import { type Digest, digestOfHex, hexOf } from '../../base/ids.ts';
import { readAll } from '../../base/stream.ts';
import { type Descriptor, mediaTypes } from '../../spec/oci/image.ts';
import { largestDocument, optionalStrings, parseJsonObject } from '../../spec/oci/json.ts';
import { acceptedManifestTypes } from '../../spec/oci/manifest.ts';
import { familiarName, formatReference, parseTag, type Reference } from '../../spec/reference/reference.ts';
import { persistently, type Retry, StatusError } from './_retry.ts';
import type { RegistrySession } from './_session.ts';
import { pullError, readProblem } from './errors.ts';
import type { TransportResponse } from './transport.ts';

export interface FetchedManifest {
  /** Media type as the registry says it, digest and size of the bytes that came. */
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** No document takes longer: a registry that sends one byte now and then does not hold the engine. */
const longestMs = 120_000;

/** See `RemoteRepository.manifest`. */
export function fetchManifest(
  session: RegistrySession,
  reference: Reference,
  retry: Retry,
  signal: AbortSignal | undefined,
): Promise<FetchedManifest> {
  const path = `manifests/${reference.digest ?? reference.tag ?? 'latest'}`;
  const accept = acceptedManifestTypes.join(', ');
  return withinTime(retry, signal, async (limited) => {
    const response = await session.get(path, { accept }, limited);
    if (response.status === 200) return verifiedManifest(response, reference);
    throw await statusError(response, reference);
  });
}

/** A registry without the operation answers so; `400` is what some say to a path that they do not know. */
const withoutReferrers = new Set([400, 404, 405, 501]);

/** See `RemoteRepository.referrers`. */
export async function fetchReferrers(
  session: RegistrySession,
  repository: Reference,
  { digest, artifactType }: { readonly digest: Digest; readonly artifactType: string },
  retry: Retry,
  signal: AbortSignal | undefined,
): Promise<FetchedManifest> {
  const { domain, path } = repository;
  const listed = await withinTime(retry, signal, async (limited) => {
    const target = `referrers/${digest}?artifactType=${encodeURIComponent(artifactType)}`;
    const response = await session.get(target, { accept: mediaTypes.ociIndex }, limited);
    if (response.status === 200) return verifiedManifest(response, { domain, path });
    if (!withoutReferrers.has(response.status)) throw await statusError(response, repository);
    response.discard();
    return undefined;
  });
  return listed ?? fetchManifest(session, { domain, path, tag: `sha256-${hexOf(digest)}` }, retry, signal);
}

/** Each attempt has an end. */
const withinTime = <T>(
  retry: Retry,
  signal: AbortSignal | undefined,
  attempt: (limited: AbortSignal) => Promise<T>,
): Promise<T> =>
  persistently(retry, signal, async () => {
    const limit = AbortSignal.timeout(longestMs);
    try {
      return await attempt(signal === undefined ? limit : AbortSignal.any([signal, limit]));
    } catch (error) {
      if (!limit.aborted || signal?.aborted === true) throw error;
      throw new EngineError('unavailable', `the registry took longer than ${longestMs / 1000} seconds for a document`);
    }
  });

async function statusError(response: TransportResponse, reference: Reference): Promise<StatusError> {
  const problem = await readProblem(response);
  return new StatusError(pullError(reference, problem), problem.status, response.headers['retry-after']);
}

async function verifiedManifest(response: TransportResponse, reference: Reference): Promise<FetchedManifest> {
  const bytes = await readAll(response.body, largestDocument, `manifest of ${formatReference(reference)}`);
  const digest = digestOfHex(hash('sha256', bytes, 'hex'));
  const promised = reference.digest ?? response.headers['docker-content-digest'];
  if (typeof promised === 'string' && promised.startsWith('sha256:') && promised !== digest) {
    throw new EngineError('corrupt', `manifest verification failed for digest ${promised.slice(0, 80)}: got ${digest}`);
  }
  const mediaType = (response.headers['content-type'] ?? '').split(';', 1)[0]?.trim() ?? '';
  return { bytes, descriptor: { mediaType, digest, size: bytes.length } };
}

/** More than any repository that somebody pulls whole. */
const mostTags = 100_000;
const mostPages = 1000;
const pageSize = 1000;

/** See `RemoteRepository.tags`. The pages are linked (OCI distribution-spec, "content discovery"). */
export async function fetchTags(
  session: RegistrySession,
  reference: Reference,
  retry: Retry,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const tags = new Set<string>();
  let path: string | undefined = `tags/list?n=${pageSize}`;
  let received = 0;
  const seen = new Set<string>();
  for (let page = 0; path !== undefined; page++) {
    if (page === mostPages || seen.has(path)) throw tooMany(reference);
    seen.add(path);
    const asked: string = path;
    const { names, next } = await withinTime(retry, signal, async (limited) => {
      const response = await session.get(asked, { accept: 'application/json' }, limited);
      if (response.status !== 200) throw await statusError(response, reference);
      const bytes = await readAll(response.body, largestDocument, `tags of ${familiarName(reference)}`);
      return { names: tagsOf(bytes), next: nextPage(response.headers['link'] as string | undefined) };
    });
    for (const name of names) tags.add(name);
    // Also of the same names again and again there is an end.
    received += names.length;
    if (received > mostTags) throw tooMany(reference);
    path = next;
  }
  return [...tags];
}

const tooMany = (reference: Reference): EngineError =>
  invalid(
    `repository ${familiarName(reference)} has more tags than the allowed ${mostTags}, or an endless list of them`,
  );

function tagsOf(bytes: Uint8Array): string[] {
  try {
    const names = optionalStrings(parseJsonObject(bytes, 'list of tags')['tags'], 'tags', mostTags) ?? [];
    return names.map(parseTag);
  } catch (error) {
    throw new EngineError('invalid', `the registry sent no list of tags: ${messageOf(error)}`, { cause: error });
  }
}

/** The path below the repository in `<...>; rel="next"`: of the link only the query counts, whoever it names. */
function nextPage(link: string | undefined): string | undefined {
  if (link === undefined) return undefined;
  const [from, to] = [link.indexOf('<'), link.indexOf('>')];
  if (from < 0 || to < from || to - from > 4096 || !/;\s{0,9}rel="?next"?/i.test(link.slice(to))) return undefined;
  const query = URL.parse(link.slice(from + 1, to), 'https://registry.invalid/')?.search ?? '';
  return query === '' ? undefined : `tags/list${query}`;
}
