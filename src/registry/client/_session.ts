import { EngineError } from '../../base/errors.ts';
import type { Reference } from '../../spec/reference/reference.ts';
import { defaultDomain } from '../../spec/reference/reference.ts';
import { hostOf, isLoopbackHost, listsRegistry } from './addresses.ts';
import { readCertificates } from './certificates.ts';
import { parseChallenges } from './challenge.ts';
import { answerChallenge, type RegistryCredentials } from './token.ts';
import {
  type RequestBody,
  type RequestMethod,
  type Transport,
  TransportError,
  type TransportResponse,
  type Trust,
} from './transport.ts';

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

/** What tokens are asked for; `push` stands for both. */
export type Access = 'pull' | 'push';

/** One request to a registry. */
export interface SessionRequest {
  /** `GET` by default. */
  readonly method?: RequestMethod;
  /**
   * A path below `/v2/<repository>/`, or a whole URL that the registry gave. Only the registry's own origin ever gets
   * the authorization.
   */
  readonly target: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
  /** Another repository of the registry that the request reads from, by its path: blobs are mounted from there. */
  readonly from?: string;
  readonly signal?: AbortSignal | undefined;
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
  readonly #access: Access;
  #origin: Promise<URL> | undefined;
  /** By the scope that they are good for. */
  readonly #authorizations = new Map<string, Promise<string | undefined>>();

  constructor(
    options: SessionOptions,
    repository: Reference,
    credentials: RegistryCredentials | undefined,
    access: Access = 'pull',
  ) {
    this.#options = options;
    this.#repository = repository;
    this.#credentials = credentials;
    this.#access = access;
    const domain = options.endpoint?.host ?? repository.domain;
    const named = isLoopbackHost(hostOf(domain)) || listsRegistry(options.insecureRegistries, domain);
    // Who names a mirror with http:// wants it so.
    this.#trust = { insecure: named || options.endpoint?.protocol === 'http:', ownNetwork: named };
  }

  /** GET below `/v2/<repository>/`; the answer may be an error status, but no challenge that can be answered. */
  get(path: string, headers: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<TransportResponse> {
    return this.send({ target: path, headers, signal });
  }

  /** GET of `/v2/` itself, which tells whether the credentials are good. */
  async base(signal?: AbortSignal): Promise<TransportResponse> {
    const origin = await this.#findOrigin(signal);
    return this.send({ target: new URL(`${origin.pathname}v2/`, origin), signal });
  }

  /** The answer may be an error status, but no challenge that can be answered. */
  async send(request: SessionRequest): Promise<TransportResponse> {
    const origin = await this.#findOrigin(request.signal);
    const { target } = request;
    const url =
      typeof target === 'string' ? new URL(`${origin.pathname}v2/${this.#repository.path}/${target}`, origin) : target;
    // Not even a challenge of another origin is answered: it could ask for the password.
    if (url.origin !== origin.origin)
      return this.#follow(this.#checkTarget(origin, url, 'location'), request, undefined);
    const scope = this.#scopeOf(request);
    const current = this.#authorizations.get(scope);
    const sent = await current;
    const response = await this.#follow(url, request, sent);
    if (response.status !== 401 || response.url.origin !== origin.origin) return response;
    // Several requests may be refused at once: the first asks for a new authorization, the others wait for it.
    if (this.#authorizations.get(scope) === current) {
      this.#renew(scope, this.#authorize(response, origin, scope, request.signal));
    }
    const renewed = await this.#authorizations.get(scope);
    if (renewed === undefined || renewed === sent) return response;
    response.discard();
    return this.#follow(url, request, renewed);
  }

  /** Of the token specification: `repository:a/b:pull,push repository:other:pull`. Nothing for a login. */
  #scopeOf({ from }: SessionRequest): string {
    const { path } = this.#repository;
    if (path === '') return '';
    const own = `repository:${path}:${this.#access === 'push' ? 'pull,push' : 'pull'}`;
    return from === undefined ? own : `${own} repository:${from}:pull`;
  }

  /** A failure is told to all who wait for it; the next request tries anew. */
  #renew(scope: string, renewal: Promise<string | undefined>): void {
    this.#authorizations.set(scope, renewal);
    renewal.catch(() => {
      if (this.#authorizations.get(scope) === renewal) this.#authorizations.delete(scope);
    });
  }

  async #authorize(
    response: TransportResponse,
    registry: URL,
    scope: string,
    signal?: AbortSignal,
  ): Promise<string | undefined> {
    const request = { registry, trust: this.#trust, credentials: this.#credentials, scope, signal };
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
      (await this.#follow(new URL('/v2/', https), { signal }, undefined)).discard();
      return https;
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      const http = new URL(`http://${domain}/`);
      (await this.#follow(new URL('/v2/', http), { signal }, undefined)).discard();
      return http;
    }
  }

  async #follow(
    first: URL,
    { method = 'GET', headers = {}, body, signal }: Omit<SessionRequest, 'target'>,
    authorization: string | undefined,
  ): Promise<TransportResponse> {
    let url = first;
    for (let redirects = 0; ; redirects++) {
      const isHome = url.origin === first.origin;
      const response = await this.#options.transport({
        url,
        method,
        headers: {
          ...headers,
          'user-agent': this.#options.userAgent,
          ...(isHome && authorization !== undefined ? { authorization } : {}),
        },
        body,
        trust: this.#trust,
        signal,
      });
      const { location } = response.headers;
      if (!isRedirect(method, response.status) || location === undefined) return response;
      response.discard();
      if (redirects === mostRedirects) {
        throw new TransportError({ url: first, method }, `stopped after ${mostRedirects} redirects`, {});
      }
      url = this.#checkTarget(url, URL.parse(location, url), 'redirect');
    }
  }

  /** A URL that the answer of `from` names, without the credentials that it may carry. */
  #checkTarget(from: URL, target: URL | null, what: 'redirect' | 'location'): URL {
    const refused = (why: string) =>
      new TransportError({ url: from }, `refused a ${what}: ${why}`, { unreachable: true });
    if (target === null) throw refused('its location is no URL');
    if (target.protocol !== 'https:' && target.protocol !== 'http:') throw refused(`it leads to ${target.protocol}`);
    if (target.protocol === 'http:' && from.protocol === 'https:' && !this.#trust.insecure) {
      throw refused(`it leads from HTTPS to plain HTTP at ${target.host}`);
    }
    const clean = new URL(target);
    clean.username = '';
    clean.password = '';
    return clean;
  }
}

/** What changes something is sent again only to where the registry says that the same request belongs. */
const isRedirect = (method: RequestMethod, status: number): boolean =>
  status === 307 ||
  status === 308 ||
  ((method === 'GET' || method === 'HEAD') && (status === 301 || status === 302 || status === 303));
