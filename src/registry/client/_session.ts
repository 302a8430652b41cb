import { EngineError } from '../../base/errors.ts';
import type { Reference } from '../../spec/reference/reference.ts';
import { defaultDomain } from '../../spec/reference/reference.ts';
import { hostOf, isLoopbackHost, listsRegistry } from './addresses.ts';
import { readCertificates } from './certificates.ts';
import { parseChallenges } from './challenge.ts';
import { answerChallenge, type RegistryCredentials } from './token.ts';
import { type Transport, TransportError, type TransportResponse, type Trust } from './transport.ts';

/** The registry behind the default domain has another host name. */
const defaultRegistryHost = 'registry-1.docker.io';
const mostRedirects = 5;

export interface SessionOptions {
  readonly transport: Transport;
  readonly insecureRegistries: readonly string[];
  readonly userAgent: string;
  /** Folders like dockerd's `/etc/docker/certs.d`, the one that counts first. */
  readonly certificateFolders?: readonly string[];
  /** Where a mirror of the repository is, with a slash at the end; else the repository's domain says it. */
  readonly endpoint?: URL;
}

/**
 * Requests for one repository: finds out whether the registry speaks HTTPS, answers its challenges, and follows its
 * redirects without ever taking the authorization to another origin.
 */
export class RegistrySession {
  readonly #options: SessionOptions;
  readonly #repository: Reference;
  readonly #credentials: RegistryCredentials | undefined;
  #trust: Trust;
  #origin: Promise<URL> | undefined;
  #authorization: Promise<string | undefined> | undefined;

  constructor(options: SessionOptions, repository: Reference, credentials: RegistryCredentials | undefined) {
    this.#options = options;
    this.#repository = repository;
    this.#credentials = credentials;
    const domain = options.endpoint?.host ?? repository.domain;
    const named = isLoopbackHost(hostOf(domain)) || listsRegistry(options.insecureRegistries, domain);
    // Who names a mirror with http:// wants it so.
    this.#trust = { insecure: named || options.endpoint?.protocol === 'http:', ownNetwork: named };
  }

  /** GET below `/v2/<repository>/`; the answer may be an error status, but no challenge that can be answered. */
  get(path: string, headers: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<TransportResponse> {
    return this.#fetch(`/v2/${this.#repository.path}/${path}`, headers, signal);
  }

  /** GET of `/v2/` itself, which tells whether the credentials are good. */
  base(signal?: AbortSignal): Promise<TransportResponse> {
    return this.#fetch('/v2/', {}, signal);
  }

  async #fetch(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<TransportResponse> {
    const origin = await this.#findOrigin(signal);
    const url = new URL(origin.pathname.slice(0, -1) + path, origin);
    const current = this.#authorization;
    const sent = await current;
    const response = await this.#send(url, headers, sent, signal);
    if (response.status !== 401) return response;
    // Several requests may be refused at once: the first asks for a new authorization, the others wait for it.
    if (this.#authorization === current) this.#renew(this.#authorize(response, origin, signal));
    const renewed = await this.#authorization;
    if (renewed === undefined || renewed === sent) return response;
    response.discard();
    return this.#send(url, headers, renewed, signal);
  }

  /** A failure is told to all who wait for it; the next request tries anew. */
  #renew(renewal: Promise<string | undefined>): void {
    this.#authorization = renewal;
    renewal.catch(() => {
      if (this.#authorization === renewal) this.#authorization = undefined;
    });
  }

  async #authorize(response: TransportResponse, registry: URL, signal?: AbortSignal): Promise<string | undefined> {
    const request = {
      registry,
      trust: this.#trust,
      credentials: this.#credentials,
      scope: this.#repository.path === '' ? '' : `repository:${this.#repository.path}:pull`,
      signal,
    };
    for (const challenge of parseChallenges(response.headers['www-authenticate'] ?? '')) {
      const answer = await answerChallenge(this.#options.transport, { ...request, challenge });
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  /** HTTPS; for insecure registries HTTP where HTTPS does not answer. */
  #findOrigin(signal: AbortSignal | undefined): Promise<URL> {
    this.#origin ??= this.#probeOrigin(signal).catch((error: unknown) => {
      this.#origin = undefined;
      throw error;
    });
    return this.#origin;
  }

  async #probeOrigin(signal: AbortSignal | undefined): Promise<URL> {
    const { endpoint, certificateFolders = [] } = this.#options;
    const { domain } = this.#repository;
    const certificates = await readCertificates(certificateFolders, endpoint?.host ?? domain);
    if (certificates !== undefined) this.#trust = { ...this.#trust, certificates };
    if (endpoint !== undefined) return endpoint;
    const https = URL.parse(`https://${domain === defaultDomain ? defaultRegistryHost : domain}/`);
    if (https === null) throw new EngineError('invalid', `invalid registry ${JSON.stringify(domain)}`);
    if (!this.#trust.insecure) return https;
    try {
      (await this.#send(new URL('/v2/', https), {}, undefined, signal)).discard();
      return https;
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      const http = new URL(`http://${domain}/`);
      (await this.#send(new URL('/v2/', http), {}, undefined, signal)).discard();
      return http;
    }
  }

  async #send(
    first: URL,
    headers: Readonly<Record<string, string>>,
    authorization: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<TransportResponse> {
    let url = first;
    for (let redirects = 0; ; redirects++) {
      const isHome = url.origin === first.origin;
      const response = await this.#options.transport({
        url,
        headers: {
          ...headers,
          'user-agent': this.#options.userAgent,
          ...(isHome && authorization !== undefined ? { authorization } : {}),
        },
        trust: this.#trust,
        signal,
      });
      const { location } = response.headers;
      if (!isRedirect(response.status) || location === undefined) return response;
      response.discard();
      if (redirects === mostRedirects) throw new TransportError(first, `stopped after ${mostRedirects} redirects`, {});
      url = this.#redirectTarget(url, location);
    }
  }

  #redirectTarget(from: URL, location: string): URL {
    const target = URL.parse(location, from);
    const refused = (why: string) => new TransportError(from, `refused a redirect: ${why}`, { unreachable: true });
    if (target === null) throw refused('its location is no URL');
    if (target.protocol !== 'https:' && target.protocol !== 'http:') throw refused(`it leads to ${target.protocol}`);
    if (target.protocol === 'http:' && from.protocol === 'https:' && !this.#trust.insecure) {
      throw refused(`it leads from HTTPS to plain HTTP at ${target.host}`);
    }
    target.username = '';
    target.password = '';
    return target;
  }
}

const isRedirect = (status: number): boolean =>
  status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
