import { EngineError } from '../../base/errors.ts';
import type { Digest } from '../../base/ids.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { Descriptor } from '../../spec/oci/image.ts';
import { defaultDomain, type Reference } from '../../spec/reference/reference.ts';
import { type BlobOptions, fetchBlob } from './_fetch-blob.ts';
import { type FetchedManifest, fetchManifest, fetchReferrers, fetchTags } from './_fetch-documents.ts';
import { firstOf, type Source } from './_mirrors.ts';
import { type PushTarget, pushTargetOf } from './_push.ts';
import type { Retry } from './_retry.ts';
import { type Access, RegistrySession } from './_session.ts';
import { placesOf } from './places.ts';
import { proxyChoice, type ProxySettings } from './proxy.ts';
import type { RegistryCredentials } from './token.ts';
import { createTransport, type TransportTimeouts } from './transport.ts';

export type { PushTarget } from './_push.ts';
export type { UploadNote } from './_upload.ts';

export interface RegistryClientOptions {
  /** dockerd's `insecure-registries`; loopback registries are always insecure, as in Docker. */
  readonly insecureRegistries?: () => readonly string[];
  readonly userAgent: string;
  readonly timeouts?: Partial<TransportTimeouts>;
  /** Folders with what operators say about registries, like `/etc/docker/certs.d`; the first one that knows it counts. */
  readonly certificateFolders?: readonly string[];
  /** URLs that are asked before the default registry, unless a file in the folders names mirrors of it. */
  readonly mirrors?: () => readonly string[];
  readonly proxies?: ProxySettings;
  /** Only the registry itself is asked, whatever mirrors there are. */
  readonly withoutMirrors?: boolean;
  /** How often a request that broke is tried again; 5 by default. */
  readonly retries?: () => number;
  /** Milliseconds before the first of these, doubled for each further one; 200 by default. */
  readonly retryDelayMs?: number;
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
  blob(descriptor: Descriptor, options: BlobOptions): ByteStream;
  /** All tags, in the registry's order. @throws EngineError as `manifest`, invalid when there are too many */
  tags(signal?: AbortSignal): Promise<string[]>;
  /**
   * The index of what refers to a manifest; a registry may leave out other types than the wanted one. Where it has no
   * such list (OCI distribution-spec 1.1), the one under the tag `sha256-HEX`, which is kept by those who push.
   * @throws EngineError as `manifest`; not-found when there is neither
   */
  referrers(digest: Digest, artifactType: string, signal?: AbortSignal): Promise<FetchedManifest>;
}

export interface RegistryClient {
  /** No request is made yet. The credentials live as long as the repository object. */
  repository(reference: Reference, credentials?: RegistryCredentials): RemoteRepository;
  /** The same for writing: the registry itself, never a mirror. */
  pushTarget(reference: Reference, credentials?: RegistryCredentials): PushTarget;
  /**
   * Tries credentials at a registry: `host:port`, or a URL of it; empty for the default one. Resolves with what stands
   * for the password from now on, where the registry's token server gives such a token.
   * @throws EngineError unauthorized when they are refused, unavailable, invalid for no address
   */
  login(address: string, credentials: RegistryCredentials, signal: AbortSignal): Promise<string | undefined>;
}

/** A client for all registries; connections are shared and kept alive. */
export function createRegistryClient(options: RegistryClientOptions): RegistryClient {
  const timeouts = { headMs: 30_000, stallMs: 60_000, answerMs: 300_000, ...options.timeouts };
  const transport = createTransport(timeouts, options.proxies && proxyChoice(options.proxies));
  const { insecureRegistries = () => [], mirrors = () => [], retries = () => 5 } = options;
  const { userAgent, certificateFolders = [] } = options;
  const settings = () => ({ transport, insecureRegistries: insecureRegistries(), userAgent });
  const retrying = (): Retry => ({ most: retries(), delayMs: options.retryDelayMs ?? 200 });
  const registrySession = (reference: Reference, credentials?: RegistryCredentials, access?: Access) => {
    const place = async () => (await placesOf(certificateFolders, reference.domain, [])).registry;
    return new RegistrySession({ ...settings(), place }, reference, credentials, access);
  };
  return {
    async login(address, credentials, signal) {
      const reference = { domain: registryOf(address), path: '' };
      const { registry } = await placesOf(certificateFolders, reference.domain, []);
      if (!registry.isRegistry) {
        throw new EngineError(
          'invalid',
          `${registry.file}: server: ${reference.domain} has another name there, and nobody but itself gets its logins`,
        );
      }
      const session = registrySession(reference, credentials);
      const response = await session.base(signal);
      response.discard();
      if (response.status === 200) return session.identityToken;
      const { url, status, statusText } = response;
      throw new EngineError(
        status === 401 || status === 403 ? 'unauthorized' : 'unavailable',
        `login attempt to ${url.origin}${url.pathname} failed with status: ${status} ${statusText}`.trim(),
      );
    },
    pushTarget(reference, credentials) {
      return pushTargetOf(registrySession(reference, credentials, 'push'), reference, retrying());
    },
    repository(reference, credentials) {
      const sources = once(async (): Promise<readonly Source[]> => {
        const found = await placesOf(certificateFolders, reference.domain, mirrors());
        const first = options.withoutMirrors === true ? [] : found.mirrors;
        return [...first, found.registry].map((place): Source => {
          const session = new RegistrySession({ ...settings(), place: async () => place }, reference, credentials);
          // Little patience with a mirror: there is another one to ask.
          const retry = retrying();
          const most = place === found.registry ? retry.most : Math.min(1, retry.most);
          return { remote: remoteOf(session, reference, { ...retry, most }), capabilities: place.capabilities };
        });
      });
      return firstOf(sources);
    },
  };
}

/** Made at the first call; a failure is forgotten. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}

const remoteOf = (session: RegistrySession, reference: Reference, retry: Retry): RemoteRepository => ({
  manifest: (wanted, signal) => fetchManifest(session, wanted, retry, signal),
  blob: (descriptor, options) => fetchBlob(session, reference, descriptor, retry, options),
  tags: (signal) => fetchTags(session, reference, retry, signal),
  referrers: (digest, artifactType, signal) =>
    fetchReferrers(session, reference, { digest, artifactType }, retry, signal),
});

/** The registry that an address means. @throws invalid */
function registryOf(address: string): string {
  if (address === '') return defaultDomain;
  const url = URL.parse(address.includes('://') ? address : `https://${address}`);
  if (url === null || url.host === '' || !/^https?:$/.test(url.protocol)) {
    throw new EngineError('invalid', `unable to parse server address ${JSON.stringify(address.slice(0, 200))}`);
  }
  return url.host === `index.${defaultDomain}` ? defaultDomain : url.host;
}
