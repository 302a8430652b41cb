import { hash } from 'node:crypto';
import { delay, throwIfAborted } from '../../base/async.ts';
import { codeOf, EngineError } from '../../base/errors.ts';
import { type Digest, digestOfHex } from '../../base/ids.ts';
import { type ByteStream, readAll } from '../../base/stream.ts';
import type { Descriptor } from '../../spec/oci/image.ts';
import { largestDocument } from '../../spec/oci/json.ts';
import { acceptedManifestTypes } from '../../spec/oci/manifest.ts';
import { defaultDomain, formatReference, type Reference } from '../../spec/reference/reference.ts';
import { RegistrySession } from './_session.ts';
import { pullError, type RegistryProblem, readProblem } from './errors.ts';
import type { RegistryCredentials } from './token.ts';
import { createTransport, TransportError, type TransportResponse, type TransportTimeouts } from './transport.ts';

export interface RegistryClientOptions {
  /** dockerd's `insecure-registries`; loopback registries are always insecure, as in Docker. */
  readonly insecureRegistries?: () => readonly string[];
  readonly userAgent: string;
  readonly timeouts?: Partial<TransportTimeouts>;
  /** How often a request that broke is tried again; 5 by default. */
  readonly retries?: () => number;
  /** Milliseconds before the first of these, doubled for each further one; 200 by default. */
  readonly retryDelayMs?: number;
}

export interface FetchedManifest {
  /** Media type as the registry says it, digest and size of the bytes that came. */
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** One repository of a registry, for reading (OCI distribution-spec, "pull"). */
export interface RemoteRepository {
  /**
   * The manifest or index under the reference's digest, else its tag. By digest, the bytes are verified.
   * @throws EngineError not-found in Docker's words, unavailable, corrupt, cancelled
   */
  manifest(reference: Reference, signal?: AbortSignal): Promise<FetchedManifest>;
  /**
   * A blob's bytes from `from` on. A connection that breaks or stalls is taken up again where it ended; the bytes are
   * not verified: who stores them does. @throws EngineError
   */
  blob(descriptor: Descriptor, options: { from?: number; signal?: AbortSignal }): ByteStream;
}

export interface RegistryClient {
  /** No request is made yet. The credentials live as long as the repository object. */
  repository(reference: Reference, credentials?: RegistryCredentials): RemoteRepository;
  /**
   * Tries credentials at a registry: `host:port`, or a URL of it; empty for the default one.
   * @throws EngineError unauthorized when they are refused, unavailable, invalid for no address
   */
  login(address: string, credentials: RegistryCredentials, signal: AbortSignal): Promise<void>;
}

interface Retry {
  readonly most: number;
  readonly delayMs: number;
}

const longestRetryDelayMs = 10_000;

/** A client for all registries; connections are shared and kept alive. */
export function createRegistryClient(options: RegistryClientOptions): RegistryClient {
  const transport = createTransport({ headMs: 30_000, stallMs: 60_000, ...options.timeouts });
  const { insecureRegistries = () => [], retries = () => 5, userAgent } = options;
  return {
    async login(address, credentials, signal) {
      const reference = { domain: registryOf(address), path: '' };
      const settings = { transport, insecureRegistries: insecureRegistries(), userAgent };
      const response = await new RegistrySession(settings, reference, credentials).base(signal);
      response.discard();
      if (response.status === 200) return;
      const { url, status, statusText } = response;
      throw new EngineError(
        status === 401 || status === 403 ? 'unauthorized' : 'unavailable',
        `login attempt to ${url.origin}${url.pathname} failed with status: ${status} ${statusText}`.trim(),
      );
    },
    repository(reference, credentials) {
      const retry = { most: retries(), delayMs: options.retryDelayMs ?? 200 };
      const settings = { transport, insecureRegistries: insecureRegistries(), userAgent };
      const session = new RegistrySession(settings, reference, credentials);
      return {
        manifest: (wanted, signal) => fetchManifest(session, wanted, retry, signal),
        blob: (descriptor, { from = 0, signal }) => fetchBlob(session, reference, descriptor, from, retry, signal),
      };
    },
  };
}

/** The registry that an address means. @throws invalid */
function registryOf(address: string): string {
  if (address === '') return defaultDomain;
  const url = URL.parse(address.includes('://') ? address : `https://${address}`);
  if (url === null || url.host === '' || !/^https?:$/.test(url.protocol)) {
    throw new EngineError('invalid', `unable to parse server address ${JSON.stringify(address.slice(0, 200))}`);
  }
  return url.host === `index.${defaultDomain}` ? defaultDomain : url.host;
}

async function fetchManifest(
  session: RegistrySession,
  reference: Reference,
  retry: Retry,
  signal: AbortSignal | undefined,
): Promise<FetchedManifest> {
  const path = `manifests/${reference.digest ?? reference.tag ?? 'latest'}`;
  const headers = { accept: acceptedManifestTypes.join(', ') };
  for (let attempt = 0; ; attempt++) {
    try {
      const response = await session.get(path, headers, signal);
      if (response.status === 200) return await verifiedManifest(response, reference);
      const problem = await readProblem(response);
      if (attempt >= retry.most || !isTemporary(problem.status)) throw pullError(reference, problem);
      await pause(retry, attempt, signal, response);
    } catch (error) {
      if (attempt >= retry.most || !mayHelp(error)) throw error;
      await pause(retry, attempt, signal);
    }
  }
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

async function* fetchBlob(
  session: RegistrySession,
  reference: Reference,
  descriptor: Descriptor,
  from: number,
  retry: Retry,
  signal: AbortSignal | undefined,
): ByteStream {
  let at = from;
  let attempt = 0;
  while (at < descriptor.size || (descriptor.size === 0 && attempt === 0)) {
    const before = at;
    try {
      for await (const chunk of openBlob(session, reference, descriptor, at, signal)) {
        at += chunk.length;
        if (at > descriptor.size) throw tooLong(descriptor);
        yield chunk;
      }
      if (at === descriptor.size) return;
      throw new EngineError('unavailable', `${descriptor.digest}: the registry sent ${at} of ${descriptor.size} bytes`);
    } catch (error) {
      // A connection that brought something did its part: only failures without any progress are counted.
      attempt = at > before ? 0 : attempt + 1;
      if (attempt > retry.most || !mayHelpBlob(error)) throw error;
      await pause(retry, attempt, signal);
    }
  }
}

const tooLong = ({ digest, size }: Descriptor): EngineError =>
  new EngineError('corrupt', `${digest}: the registry sent more than the ${size} bytes of its descriptor`);

/** One request; when the registry ignores the range, the bytes that are there already are dropped. */
async function* openBlob(
  session: RegistrySession,
  reference: Reference,
  { digest }: Descriptor,
  from: number,
  signal: AbortSignal | undefined,
): ByteStream {
  const response = await session.get(`blobs/${digest}`, from > 0 ? { range: `bytes=${from}-` } : {}, signal);
  if (response.status === 206 && rangeStart(response.headers['content-range']) === from) {
    yield* response.body;
    return;
  }
  if (response.status !== 200) throw blobError(reference, digest, await readProblem(response));
  let skip = from;
  for await (const chunk of response.body) {
    if (chunk.length > skip) yield skip === 0 ? chunk : chunk.subarray(skip);
    skip = Math.max(0, skip - chunk.length);
  }
}

/** The first byte's offset in `bytes 100-199/200`. */
function rangeStart(header: string | undefined): number | undefined {
  if (header === undefined || !header.startsWith('bytes ')) return undefined;
  const start = Number.parseInt(header.slice(6), 10);
  return Number.isNaN(start) ? undefined : start;
}

class BlobStatusError extends EngineError {
  readonly status: number;

  constructor(status: number, code: 'not-found' | 'unavailable', message: string) {
    super(code, message);
    this.status = status;
  }
}

function blobError(reference: Reference, digest: Digest, problem: RegistryProblem): EngineError {
  if (problem.status === 404) return new BlobStatusError(404, 'not-found', `blob ${digest} not found in registry`);
  const { code, message } = pullError(reference, problem);
  return new BlobStatusError(problem.status, code === 'not-found' ? code : 'unavailable', message);
}

const isTemporary = (status: number): boolean => status === 408 || status === 429 || status >= 500;
/** A broken connection may heal; an address where nobody answers is told at once, as Docker does. */
const mayHelp = (error: unknown): boolean => error instanceof TransportError && !error.unreachable && !error.tls;
/** In the middle of a pull the registry was there: also a refused connection is worth waiting for. */
const mayHelpBlob = (error: unknown): boolean =>
  error instanceof BlobStatusError ? isTemporary(error.status) : codeOf(error) === 'unavailable';

async function pause(retry: Retry, attempt: number, signal?: AbortSignal, response?: TransportResponse): Promise<void> {
  throwIfAborted(signal);
  const asked = Number(response?.headers['retry-after'] ?? Number.NaN) * 1000;
  const backoff = retry.delayMs * 2 ** Math.min(attempt, 10) * (0.5 + Math.random() / 2);
  await delay(Math.min(longestRetryDelayMs, Number.isFinite(asked) ? Math.max(asked, backoff) : backoff), signal);
}
