import { optional, decode, string, struct } from '../../spec/decode/decoder.ts';
import { parseJson } from '../../spec/decode/json.ts';
import { invalid } from '../../base/errors.ts';
import type { RegistryAuth } from '../services/image.ts';
import type { LoginRequest } from '../services/system.ts';

interface WireAuth {
  username?: string;
  password?: string;
  auth?: string;
  identitytoken?: string;
  registrytoken?: string;
}

const wireAuthFields = {
  username: optional(string),
  password: optional(string),
  auth: optional(string),
  identitytoken: optional(string),
  registrytoken: optional(string),
};
const wireAuth = struct<WireAuth>('AuthConfig', wireAuthFields);

/**
 * The `X-Registry-Auth` header: JSON in base64url. Like Docker, a header that cannot be read counts as no credentials:
 * clients send `{}` and worse for anonymous pulls.
 */
export function decodeRegistryAuth(header: string | readonly string[] | undefined): RegistryAuth | undefined {
  if (typeof header !== 'string' || header === '') return undefined;
  try {
    const found = authOf(decode(wireAuth, parseJson(Buffer.from(header, 'base64url'))));
    return Object.keys(found).length === 0 ? undefined : found;
  } catch {
    return undefined;
  }
}

/**
 * The logins that a client sends, by registry as its `config.json` names them: `X-Registry-Config`, JSON in base64url.
 * What cannot be read counts as none.
 */
export function decodeRegistryConfig(
  header: string | readonly string[] | undefined,
): ReadonlyMap<string, RegistryAuth> {
  if (typeof header !== 'string' || header === '') return new Map();
  try {
    const logins = Object.entries(parseJson(Buffer.from(header, 'base64url')) as Record<string, unknown>);
    return new Map(logins.map(([server, login]) => [server, authOf(decode(wireLogin, login))]));
  } catch {
    return new Map();
  }
}

/** The body of `POST /auth`. @throws EngineError `invalid`, also when there is none */
export function decodeLogin(body: unknown): LoginRequest {
  if (body === undefined) throw invalid('invalid JSON: got EOF while reading request body');
  const { serveraddress: address = '', ...auth } = decode(wireLogin, body);
  return { address, credentials: authOf(auth) };
}

const wireLogin = struct<WireAuth & { serveraddress?: string; email?: string }>('AuthConfig', {
  ...wireAuthFields,
  serveraddress: optional(string),
  email: optional(string),
});

function authOf(auth: WireAuth): RegistryAuth {
  const [user, password] = splitBasic(auth.auth ?? '');
  const username = auth.username || user;
  const secret = auth.password || password;
  return {
    ...(username ? { username } : {}),
    ...(secret ? { password: secret } : {}),
    ...(auth.identitytoken ? { identityToken: auth.identitytoken } : {}),
    ...(auth.registrytoken ? { registryToken: auth.registrytoken } : {}),
  };
}

/** `user:password` in base64, the older form. */
function splitBasic(auth: string): [string | undefined, string | undefined] {
  const text = Buffer.from(auth, 'base64').toString();
  const colon = text.indexOf(':');
  return colon < 0 ? [undefined, undefined] : [text.slice(0, colon), text.slice(colon + 1)];
}
