import { EngineError, messageOf } from '../../base/errors.ts';
import { readAll } from '../../base/stream.ts';
import type { Challenge } from './challenge.ts';
import { readProblem } from './errors.ts';
import type { Transport, Trust } from './transport.ts';

/** What a user logged in to a registry with. Kept in memory for one operation only. */
export interface RegistryCredentials {
  readonly username?: string;
  readonly password?: string;
  readonly identityToken?: string;
  readonly registryToken?: string;
}

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
const basic = ({ username = '', password = '' }: RegistryCredentials): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

/**
 * The `Authorization` header that answers a challenge (distribution's token specification): a bearer token from its
 * realm, anonymous unless there are credentials, or basic authentication. Undefined when there is no answer.
 *
 * A realm is chosen by the registry, so it gets no more trust than that: HTTPS only, unless the user declared the
 * registry insecure, and never an address of this host (the transport refuses these). @throws EngineError
 */
export async function answerChallenge(transport: Transport, request: TokenRequest): Promise<string | undefined> {
  const { challenge, credentials } = request;
  if (challenge.scheme === 'basic') return credentials?.username === undefined ? undefined : basic(credentials);
  if (challenge.scheme !== 'bearer') return undefined;
  if (credentials?.registryToken !== undefined) return `Bearer ${credentials.registryToken}`;
  if (credentials?.identityToken !== undefined && credentials.identityToken !== '') {
    throw new EngineError('not-implemented', 'identity tokens (OAuth refresh) are not supported yet');
  }
  return `Bearer ${await fetchToken(transport, request)}`;
}

function realmOf({ challenge, registry, trust, scope }: TokenRequest): URL {
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
  const service = challenge.parameters.get('service');
  if (service !== undefined) realm.searchParams.set('service', service);
  if (scope !== '') realm.searchParams.set('scope', scope);
  return realm;
}

async function fetchToken(transport: Transport, request: TokenRequest): Promise<string> {
  const { credentials, trust, signal } = request;
  const url = realmOf(request);
  const headers: Record<string, string> = { accept: 'application/json' };
  if (credentials?.username !== undefined && credentials.username !== '') headers['authorization'] = basic(credentials);
  const response = await transport({ url, headers, trust, signal });
  if (response.status !== 200) {
    const { message, statusText } = await readProblem(response);
    const reason = message || `${response.status} ${statusText}`;
    const code = response.status === 401 || response.status === 403 ? 'unauthorized' : 'unavailable';
    throw new EngineError(
      code,
      `failed to fetch ${credentials === undefined ? 'anonymous' : 'oauth'} token: ${reason}`,
    );
  }
  try {
    const answer = JSON.parse(new TextDecoder().decode(await readAll(response.body, largestAnswer, 'token'))) as {
      token?: unknown;
      access_token?: unknown;
    };
    const token = answer.token || answer.access_token;
    if (typeof token === 'string' && isHeaderSafe(token)) return token;
  } catch (error) {
    throw new EngineError('unavailable', `failed to read token of ${url.origin}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  throw new EngineError('unavailable', `${url.origin} answered without a token`);
}

const isHeaderSafe = (token: string): boolean => {
  for (let at = 0; at < token.length; at++) {
    const code = token.charCodeAt(at);
    if (code <= 32 || code >= 127) return false;
  }
  return token !== '';
};
