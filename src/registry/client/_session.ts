import { codeOf, EngineError, messageOf } from '../../base/errors.ts';
import type { Reference } from '../../spec/reference/reference.ts';
import { registryHostOf } from '../../spec/reference/reference.ts';
import { Authorizations } from './_authorizations.ts';
import { hostOf, isLoopbackHost, listsRegistry } from './addresses.ts';
import { accessDenied } from './errors.ts';
import type { Place } from './places.ts';
import type { RegistryCredentials } from './token.ts';
import {
  type RequestBody,
  type RequestMethod,
  type Transport,
  TransportError,
  type TransportResponse,
  type Trust,
} from './transport.ts';

const mostRedirects = 5;

export interface SessionOptions {
  readonly transport: Transport;
  readonly insecureRegistries: readonly string[];
  readonly userAgent: string;
  /** Where the repository is; without it the repository's domain says it. Asked once, with the first request. */
  readonly place?: () => Promise<Place>;
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
  readonly #access: Access;
  /** Where the API is, and how it is spoken to. */
  #home: Promise<Home> | undefined;
  #authorizations: Authorizations | undefined;

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
  }

  /** GET below `/v2/<repository>/`; the answer may be an error status, but no challenge that can be answered. */
  get(path: string, headers: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<TransportResponse> {
    return this.send({ target: path, headers, signal });
  }

  /** GET of `/v2/` itself, which tells whether the credentials are good. */
  async base(signal?: AbortSignal): Promise<TransportResponse> {
    return this.send({ target: (await this.#findHome(signal)).root, signal });
  }

  /** The answer may be an error status, but no challenge that can be answered. */
  async send(request: SessionRequest): Promise<TransportResponse> {
    const home = await this.#findHome(request.signal);
    const { target } = request;
    const url = typeof target === 'string' ? this.#urlOf(home, target) : target;
    // Not even a challenge of another origin is answered: it could ask for the password.
    if (url.origin !== home.root.origin) {
      return this.#follow(home, checkTarget(home.trust, home.root, url, 'location'), request, undefined);
    }
    const scope = this.#scopeOf(request);
    const asked = { registry: home.root, trust: home.trust, signal: request.signal };
    const authorizations = this.#authorizationsAt(home);
    const sent = await this.#told(authorizations.header(scope, asked));
    const response = await this.#follow(home, url, request, sent);
    if (response.status !== 401 || response.url.origin !== home.root.origin) return response;
    const renewed = await this.#told(authorizations.renewed(response, scope, sent, asked));
    if (renewed === undefined) return response;
    response.discard();
    return this.#follow(home, url, request, renewed);
  }

  /** A token server's refusal becomes the registry's: the client of a pull would wait for a password otherwise. */
  #told<T>(answer: Promise<T>): Promise<T> {
    return answer.catch((error: unknown) => {
      if (codeOf(error) !== 'unauthorized' || this.#repository.path === '') throw error;
      throw accessDenied(this.#access, this.#repository, messageOf(error), error);
    });
  }

  /** What stands for the password from now on, where the registry's token server has given such a token. */
  get identityToken(): string | undefined {
    return this.#authorizations?.identityToken;
  }

  #authorizationsAt({ place }: Home): Authorizations {
    const credentials = place.isRegistry === false ? undefined : this.#credentials;
    this.#authorizations ??= new Authorizations(this.#options.transport, credentials);
    return this.#authorizations;
  }

  /** Of the token specification: `repository:a/b:pull,push repository:other:pull`. Nothing for a login. */
  #scopeOf({ from }: SessionRequest): string {
    const { path } = this.#repository;
    if (path === '') return '';
    const own = `repository:${path}:${this.#access === 'push' ? 'pull,push' : 'pull'}`;
    return from === undefined ? own : `${own} repository:${from}:pull`;
  }

  #urlOf({ root, place: { namespace } }: Home, path: string): URL {
    const url = new URL(`${root.pathname}${this.#repository.path}/${path}`, root);
    if (namespace !== undefined) url.searchParams.set('ns', namespace);
    return url;
  }

  #findHome(signal: AbortSignal | undefined): Promise<Home> {
    this.#home ??= this.#probeHome(signal).catch((error: unknown) => {
      this.#home = undefined;
      throw error;
    });
    return this.#home;
  }

  /** HTTPS; for insecure registries HTTP where HTTPS does not answer. */
  async #probeHome(signal: AbortSignal | undefined): Promise<Home> {
    const place: Partial<Place> = (await this.#options.place?.()) ?? {};
    const { domain } = this.#repository;
    const named = isLoopbackHost(hostOf(place.root?.host ?? domain)) || this.#isInsecure(place.root?.host ?? domain);
    // Who writes down a place with http:// wants it so.
    const insecure = place.skipVerify ?? (named || place.root?.protocol === 'http:');
    const trust = { insecure, ownNetwork: named, certificates: place.certificates };
    if (place.root !== undefined) return { root: place.root, trust, place };
    const https = URL.parse(`https://${registryHostOf(domain)}/v2/`);
    if (https === null) throw new EngineError('invalid', `invalid registry ${JSON.stringify(domain)}`);
    const home = { root: https, trust, place };
    if (!trust.insecure) return home;
    try {
      (await this.#follow(home, https, { signal }, undefined)).discard();
      return home;
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      const http = new URL(`http://${domain}/v2/`);
      (await this.#follow({ ...home, root: http }, http, { signal }, undefined)).discard();
      return { ...home, root: http };
    }
  }

  #isInsecure(host: string): boolean {
    return listsRegistry(this.#options.insecureRegistries, host);
  }

  async #follow(
    { root, trust, place }: Home,
    first: URL,
    { method = 'GET', headers = {}, body, signal }: Omit<SessionRequest, 'target'>,
    authorization: string | undefined,
  ): Promise<TransportResponse> {
    let url = first;
    for (let redirects = 0; ; redirects++) {
      const isHome = url.origin === root.origin;
      const response = await this.#options.transport({
        url,
        method,
        headers: {
          ...(isHome ? place.headers : {}),
          ...headers,
          'user-agent': this.#options.userAgent,
          ...(isHome && authorization !== undefined ? { authorization } : {}),
        },
        body,
        trust,
        dialTimeoutMs: place.dialTimeoutMs,
        signal,
      });
      const { location } = response.headers;
      if (!isRedirect(method, response.status) || location === undefined) return response;
      response.discard();
      if (redirects === mostRedirects) {
        throw new TransportError({ url: first, method }, `stopped after ${mostRedirects} redirects`, {});
      }
      url = checkTarget(trust, url, URL.parse(location, url), 'redirect');
    }
  }
}

/** Where a session's requests go. */
interface Home {
  /** Of the API, with a slash at the end. */
  readonly root: URL;
  readonly trust: Trust;
  readonly place: Partial<Place>;
}

/** A URL that the answer of `from` names, without the credentials that it may carry. */
function checkTarget(trust: Trust, from: URL, target: URL | null, what: 'redirect' | 'location'): URL {
  const refused = (why: string) =>
    new TransportError({ url: from }, `refused a ${what}: ${why}`, { unreachable: true });
  if (target === null) throw refused('its location is no URL');
  if (target.protocol !== 'https:' && target.protocol !== 'http:') throw refused(`it leads to ${target.protocol}`);
  if (target.protocol === 'http:' && from.protocol === 'https:' && !trust.insecure) {
    throw refused(`it leads from HTTPS to plain HTTP at ${target.host}`);
  }
  const clean = new URL(target);
  clean.username = '';
  clean.password = '';
  return clean;
}

/** What changes something is sent again only to where the registry says that the same request belongs. */
const isRedirect = (method: RequestMethod, status: number): boolean =>
  status === 307 ||
  status === 308 ||
  ((method === 'GET' || method === 'HEAD') && (status === 301 || status === 302 || status === 303));
