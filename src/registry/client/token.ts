import { EngineError, messageOf } from '../../base/errors.ts';
import type { RegistryLogin } from '../../spec/contract/build.ts';
import { readAll } from '../../base/stream.ts';
import type { Challenge } from './challenge.ts';
import { readProblem } from './errors.ts';
import type { Transport, TransportResponse, Trust } from './transport.ts';

/** What a user logged in to a registry with. Kept in memory for one operation only. */
export type RegistryCredentials = RegistryLogin;

export interface TokenRequest {
  readonly challenge: Challenge;
  /** The registry's own URL: what a realm is measured by. */
  readonly registry: URL;
  readonly trust: Trust;
  readonly credentials: RegistryCredentials | undefined;
  /** `repository:library/busybox:pull`; empty for a login, which asks for nothing but a token. */
  readonly scope: string;
  readonly signal: AbortSignal | undefined;
}

const largestAnswer = 1024 * 1024;
/** How long a token counts that does not say it, and at least: of the token specification. */
const leastLifeSeconds = 60;
/** A day is enough for any transfer. */
const longestLifeSeconds = 24 * 3600;
/** Named to token servers, as dockerd names itself: some hand tokens to known clients only. */
const clientId = 'docker';

const basic = ({ username = '', password = '' }: RegistryCredentials): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

/** What answers a challenge. */
export interface Authorization {
  /** The `Authorization` header. */
  readonly header: string;
  /** By `performance.now()`; without it the answer does not age. */
  readonly expiresAt?: number;
  /** What stands for the password from now on (an identity token), where the token server gave one. */
  readonly refreshToken?: string;
}

/**
 * Answers a challenge (distribution's token specification, with its OAuth2 part): by a bearer token from its realm,
 * anonymous unless there are credentials, or by basic authentication. Undefined when there is no answer.
 *
 * A realm is chosen by the registry, so it gets no more trust than that: HTTPS only, unless the user declared the
 * registry insecure, and never an address of this host (the transport refuses these). @throws EngineError
 */
export async function answerChallenge(transport: Transport, request: TokenRequest): Promise<Authorization | undefined> {
  const { challenge, credentials } = request;
  if (challenge.scheme === 'basic') {
    const login = credentials?.basic === undefined ? credentials : await credentials.basic(request.signal);
    return login?.username === undefined ? undefined : { header: basic(login) };
  }
  if (challenge.scheme !== 'bearer') return undefined;
  if (credentials?.tokens !== undefined) return givenToken(request, credentials.tokens);
  if (credentials?.registryToken !== undefined) return { header: `Bearer ${credentials.registryToken}` };
  if (credentials?.identityToken) {
    const form = { grant_type: 'refresh_token', refresh_token: credentials.identityToken };
    return tokenOf(await askByForm(transport, request, form), request);
  }
  const response = await askByQuery(transport, request);
  const { username = '', password = '' } = credentials ?? {};
  // Some token servers know the OAuth2 way alone.
  if ((response.status !== 404 && response.status !== 405) || username === '') return tokenOf(response, request);
  response.discard();
  const offline = request.scope === '' ? { access_type: 'offline' } : {};
  const form = { grant_type: 'password', username, password, ...offline };
  return tokenOf(await askByForm(transport, request, form), request);
}

/** A token that somebody else gets, from the realm that the registry names. */
async function givenToken(
  request: TokenRequest,
  tokens: NonNullable<RegistryCredentials['tokens']>,
): Promise<Authorization> {
  const { challenge, scope, signal } = request;
  const realm = realmOf(request);
  const asked = performance.now();
  const wish = { realm: realm.href, service: challenge.parameters.get('service') ?? '', scope };
  const { token, expiresIn } = await tokens(wish, signal);
  if (!isHeaderSafe(token)) throw new EngineError('unavailable', `${realm.origin} answered without a token`);
  return { header: `Bearer ${token}`, expiresAt: asked + lifeOf(expiresIn) * 1000 };
}

/** Seconds that a token counts. */
const lifeOf = (life: unknown): number =>
  typeof life === 'number' && life > leastLifeSeconds ? Math.min(life, longestLifeSeconds) : leastLifeSeconds;

function realmOf({ challenge, registry, trust }: TokenRequest): URL {
  const text = challenge.parameters.get('realm') ?? '';
  const realm = URL.parse(text);
  if (realm === null || (realm.protocol !== 'https:' && realm.protocol !== 'http:')) {
    throw new EngineError('unavailable', `${registry.host}: invalid token realm ${JSON.stringify(text.slice(0, 200))}`);
  }
  if (realm.protocol === 'http:' && !trust.insecure) {
    throw new EngineError('unavailable', `${registry.host}: refused token realm ${realm.origin}: it is not HTTPS`);
  }
  realm.username = '';
  realm.password = '';
  return realm;
}

/** The older way, which all token servers know. A login asks for a refresh token as well. */
function askByQuery(transport: Transport, request: TokenRequest): Promise<TransportResponse> {
  const { credentials, challenge, scope, trust, signal } = request;
  const url = realmOf(request);
  const service = challenge.parameters.get('service');
  if (service !== undefined) url.searchParams.set('service', service);
  if (scope !== '') url.searchParams.set('scope', scope);
  const headers: Record<string, string> = { accept: 'application/json' };
  if (credentials?.username !== undefined && credentials.username !== '') {
    headers['authorization'] = basic(credentials);
    if (scope === '') {
      url.searchParams.set('account', credentials.username);
      url.searchParams.set('offline_token', 'true');
      url.searchParams.set('client_id', clientId);
    }
  }
  return transport({ url, headers, trust, signal });
}

/** The OAuth2 way (RFC 6749, 4.3 and 6). */
function askByForm(
  transport: Transport,
  request: TokenRequest,
  grant: Readonly<Record<string, string>>,
): Promise<TransportResponse> {
  const { challenge, scope, trust, signal } = request;
  const service = challenge.parameters.get('service') ?? '';
  const form = new URLSearchParams({ ...grant, service, client_id: clientId, ...(scope === '' ? {} : { scope }) });
  const bytes = Buffer.from(form.toString());
  const headers = { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' };
  const body = { length: bytes.length, open: () => [bytes] };
  return transport({ url: realmOf(request), method: 'POST', headers, body, trust, signal });
}

async function tokenOf(response: TransportResponse, request: TokenRequest): Promise<Authorization> {
  const { url, status } = response;
  if (status !== 200) throw await tokenError(response, request);
  const asked = performance.now();
  let answer: { token?: unknown; access_token?: unknown; refresh_token?: unknown; expires_in?: unknown };
  try {
    answer = JSON.parse(
      new TextDecoder().decode(await readAll(response.body, largestAnswer, 'token')),
    ) as typeof answer;
  } catch (error) {
    throw new EngineError('unavailable', `failed to read token of ${url.origin}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const { refresh_token: refreshToken, expires_in: life } = answer ?? {};
  const token = answer?.token || answer?.access_token;
  if (typeof token !== 'string' || !isHeaderSafe(token)) {
    throw new EngineError('unavailable', `${url.origin} answered without a token`);
  }
  const seconds = lifeOf(life);
  return {
    header: `Bearer ${token}`,
    expiresAt: asked + seconds * 1000,
    ...(typeof refreshToken === 'string' && isHeaderSafe(refreshToken) ? { refreshToken } : {}),
  };
}

async function tokenError(response: TransportResponse, { credentials, scope }: TokenRequest): Promise<EngineError> {
  const { status, statusText, code, message } = await readProblem(response);
  const reason = message || `${status} ${statusText}`.trim();
  const isRefused = status === 401 || status === 403 || (status === 400 && credentials?.identityToken !== undefined);
  // Clients ask for a password when they hear that one is missing: only where the server says so in its own words.
  const isUnauthorized = isRefused && (scope === '' || code === 'UNAUTHORIZED' || (code === '' && message !== ''));
  const kind = credentials === undefined ? 'anonymous' : 'oauth';
  return new EngineError(isUnauthorized ? 'unauthorized' : 'unavailable', `failed to fetch ${kind} token: ${reason}`);
}

const isHeaderSafe = (token: string): boolean => {
  for (let at = 0; at < token.length; at++) {
    const code = token.charCodeAt(at);
    if (code <= 32 || code >= 127) return false;
  }
  return token !== '';
};
