import { optional, decode, string, struct } from '../../spec/decode/decoder.ts';
import { parseJson } from '../../spec/decode/json.ts';
import type { RegistryAuth } from '../services/image.ts';

interface WireAuth {
  username?: string;
  password?: string;
  auth?: string;
  identitytoken?: string;
  registrytoken?: string;
}

const wireAuth = struct<WireAuth>('AuthConfig', {
  username: optional(string),
  password: optional(string),
  auth: optional(string),
  identitytoken: optional(string),
  registrytoken: optional(string),
});

/**
 * The `X-Registry-Auth` header: JSON in base64url. Like Docker, a header that cannot be read counts as no credentials:
 * clients send `{}` and worse for anonymous pulls.
 */
export function decodeRegistryAuth(header: string | readonly string[] | undefined): RegistryAuth | undefined {
  if (typeof header !== 'string' || header === '') return undefined;
  try {
    const auth = decode(wireAuth, parseJson(Buffer.from(header, 'base64url')));
    const [user, password] = splitBasic(auth.auth ?? '');
    const username = auth.username || user;
    const secret = auth.password || password;
    const found: RegistryAuth = {
      ...(username ? { username } : {}),
      ...(secret ? { password: secret } : {}),
      ...(auth.identitytoken ? { identityToken: auth.identitytoken } : {}),
      ...(auth.registrytoken ? { registryToken: auth.registrytoken } : {}),
    };
    return Object.keys(found).length === 0 ? undefined : found;
  } catch {
    return undefined;
  }
}

/** `user:password` in base64, the older form. */
function splitBasic(auth: string): [string | undefined, string | undefined] {
  const text = Buffer.from(auth, 'base64').toString();
  const colon = text.indexOf(':');
  return colon < 0 ? [undefined, undefined] : [text.slice(0, colon), text.slice(colon + 1)];
}
