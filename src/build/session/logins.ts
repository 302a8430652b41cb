import { randomBytes } from 'node:crypto';
import type { GivenToken, RegistryLogin, TokenWish } from '../../spec/contract/build.ts';
import { registryHostOf } from '../../spec/reference/reference.ts';
import { callUnary } from '../grpc/client.ts';
import { asEngineError, GrpcError, statusCodes } from '../grpc/status.ts';
import {
  authorityRequest,
  authorityResponse,
  credentialsRequest,
  credentialsResponse,
  tokenRequest,
  tokenResponse,
} from '../wire/session.ts';
import type { Session } from './session.ts';

const service = '/moby.filesync.v1.Auth';
/** Named to token servers by clients that get tokens for builds. */
const clientId = 'buildkit-client';

/** Of this engine: keys that clients make for it say nothing elsewhere. */
const salt = randomBytes(32);

/**
 * What the client has to say to a registry; undefined when it says nothing. A client that gets tokens itself keeps its
 * password, unless the registry wants just that.
 */
export async function loginOf(
  session: Session,
  domain: string,
  signal: AbortSignal,
): Promise<RegistryLogin | undefined> {
  // Clients know Docker Hub by the name of its registry.
  const host = registryHostOf(domain);
  if (!(await getsTokens(session, host, signal))) return credentialsOf(session, host, signal);
  return {
    tokens: (wish, until = signal) => tokenOf(session, host, wish, until),
    basic: (until = signal) => credentialsOf(session, host, until),
  };
}

/** Whether the client has something that only it can show for that host: it makes a key of it. */
async function getsTokens(session: Session, host: string, signal: AbortSignal): Promise<boolean> {
  if (!session.methods.has(`${service}/GetTokenAuthority`) || !session.methods.has(`${service}/FetchToken`))
    return false;
  try {
    const { publicKey } = await callUnary(session.client, `${service}/GetTokenAuthority`, {
      request: authorityRequest,
      response: authorityResponse,
      draft: { host, salt },
      signal,
    });
    return publicKey.length > 0;
  } catch (error) {
    const isRefusal =
      error instanceof GrpcError &&
      (error.status === statusCodes.unimplemented || error.status === statusCodes.unavailable);
    if (isRefusal) return false;
    throw asEngineError(error);
  }
}

async function tokenOf(session: Session, host: string, wish: TokenWish, signal: AbortSignal): Promise<GivenToken> {
  const { realm, service: name, scope } = wish;
  const scopes = scope.split(' ').filter((one) => one !== '');
  try {
    return await callUnary(session.client, `${service}/FetchToken`, {
      request: tokenRequest,
      response: tokenResponse,
      draft: { clientId, host, realm, service: name, scopes },
      signal,
    });
  } catch (error) {
    throw asEngineError(error);
  }
}

/** A token alone stands for the password. */
async function credentialsOf(session: Session, host: string, signal: AbortSignal): Promise<RegistryLogin | undefined> {
  const { methods } = session;
  // A client that says nothing of what it serves (dockerode) is asked: it refuses what it has not.
  if (methods.size > 0 && !methods.has(`${service}/Credentials`)) return undefined;
  try {
    const { username, secret } = await callUnary(session.client, `${service}/Credentials`, {
      request: credentialsRequest,
      response: credentialsResponse,
      draft: { host },
      signal,
    });
    if (secret === '') return undefined;
    return username === '' ? { identityToken: secret } : { username, password: secret };
  } catch (error) {
    if (error instanceof GrpcError && error.status === statusCodes.unimplemented) return undefined;
    throw asEngineError(error);
  }
}
