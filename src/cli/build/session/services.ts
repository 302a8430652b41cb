import { GrpcError, statusCodes } from '../../../build/grpc/status.ts';
import { encode } from '../../../build/wire/encode.ts';
import {
  bytesMessage,
  credentialsRequest,
  credentialsResponse,
  healthResponse,
  nothing,
  secretRequest,
  secretResponse,
} from '../../../build/wire/session.ts';
import type { CredentialStore } from '../../../credentials/store.ts';
import { defaultRegistryHost } from '../../../spec/reference/reference.ts';
import { serverKey } from '../../registry/server.ts';
import { type Method, once } from './grpc.ts';

const serving = 1;
/** As other clients of BuildKit have it. */
const largestSecret = 500 * 1024;

export type SecretSource = { readonly path: string } | { readonly env: string };

export const healthMethod: [string, Method] = [
  '/grpc.health.v1.Health/Check',
  once(nothing, healthResponse, async () => ({ status: serving })),
];

/** Logins, one registry at a time: tokens the engine gets itself. */
export const credentialsMethod = (credentials: () => CredentialStore): [string, Method] => [
  '/moby.filesync.v1.Auth/Credentials',
  once(credentialsRequest, credentialsResponse, async ({ host }) => {
    const login = credentials().get(serverKey(host === defaultRegistryHost ? '' : host));
    if (login === undefined) return {};
    return login.isToken === true ? { secret: login.secret } : { username: login.username, secret: login.secret };
  }),
];

/** Secrets are read when a step wants them, and kept nowhere. */
export const secretMethod = (
  secrets: ReadonlyMap<string, SecretSource>,
  env: Readonly<Record<string, string | undefined>>,
): [string, Method] => [
  '/moby.buildkit.secrets.v1.Secrets/GetSecret',
  once(secretRequest, secretResponse, async ({ id }) => {
    const source = secrets.get(id);
    const data = source === undefined ? undefined : readSecret(source, env);
    if (data === undefined) throw new GrpcError(statusCodes.notFound, `secret ${id}: not found`);
    if (data.length > largestSecret) {
      throw new GrpcError(statusCodes.invalid, `invalid secret size ${data.length}, expected at most ${largestSecret}`);
    }
    return { data };
  }),
];

function readSecret(source: SecretSource, env: Readonly<Record<string, string | undefined>>): Uint8Array | undefined {
  if ('env' in source) {
    const value = env[source.env];
    return value === undefined ? undefined : Buffer.from(value);
  }
  try {
    return process.getBuiltinModule('node:fs').readFileSync(source.path);
  } catch (error) {
    throw new GrpcError(statusCodes.unknown, `failed to read secret: ${(error as Error).message}`);
  }
}

/** Upload/Pull: streams that the engine fetches by a name, once each. */
export const uploadMethod = (uploads: ReadonlyMap<string, AsyncIterable<Uint8Array>>): [string, Method] => [
  '/moby.upload.v1.Upload/Pull',
  async (call) => {
    const name = (call.metadata.get('urlpath')?.[0] ?? '').replace(/^\/+/, '');
    const upload = uploads.get(name);
    if (upload === undefined) throw new GrpcError(statusCodes.notFound, `no http response from session for ${name}`);
    for await (const data of upload) {
      for (let at = 0; at < data.length; at += pieceBytes) {
        await call.send(encode(bytesMessage, { data: data.subarray(at, at + pieceBytes) }));
      }
    }
  },
];

/** gRPC's own default limit for what a peer accepts is 4 MiB. */
const pieceBytes = 256 << 10;
